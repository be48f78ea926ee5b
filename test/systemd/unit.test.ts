import { execFile } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const units = join(import.meta.dirname, '../../systemd')
const exposureMax = 2.0

interface Outcome {
  readonly code: number
  readonly output: string
}

function run(command: string, args: readonly string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = execFile(
      command,
      [...args],
      { env: { PATH: process.env['PATH'], SYSTEMD_PAGER: '', SYSTEMD_COLORS: '0' } },
      (_, stdout, stderr) => resolve({ code: child.exitCode ?? -1, output: stdout + stderr }),
    )
  })
}

describe('the systemd files', () => {
  const root = mkdtempSync(join(tmpdir(), 'lineside-systemd-'))
  const unit = join(root, 'lineside.service')
  beforeAll(() => {
    const program = join(root, 'lineside') // `verify` wants the program to be there
    writeFileSync(program, '#!/bin/sh\n', { mode: 0o755 })
    writeFileSync(unit, readFileSync(join(units, 'lineside.service'), 'utf8').replace('/usr/bin/lineside', program))
    mkdirSync(join(root, 'etc'))
    copyFileSync('/etc/group', join(root, 'etc/group'))
  })
  afterAll(() => rmSync(root, { recursive: true, force: true }))

  it('verify without a word', async () => {
    expect(await run('systemd-analyze', ['verify', '--man=no', '--recursive-errors=no', unit])).toEqual({ code: 0, output: '' })
  })

  it('are really looked at by verify', async () => {
    const broken = join(root, 'broken.service')
    writeFileSync(broken, `${readFileSync(unit, 'utf8')}\n[Service]\nProtectSistem=strict\n`)
    expect((await run('systemd-analyze', ['verify', '--man=no', '--recursive-errors=no', broken])).output).toContain('ProtectSistem')
  })

  it(`expose at most ${exposureMax}`, async () => {
    const { output } = await run('systemd-analyze', ['security', '--no-pager', '--offline=true', unit])
    const exposure = Number(/exposure level for .*: ([\d.]+)/.exec(output)?.[1])
    expect(exposure).toBeGreaterThan(0)
    expect(exposure).toBeLessThanOrEqual(exposureMax)
  })

  it('do not forbid what V8 needs, and allow serial lines', () => {
    const text = readFileSync(unit, 'utf8')
    expect(text).not.toMatch(/^MemoryDenyWriteExecute=yes/m)
    expect(text).toMatch(/^SupplementaryGroups=dialout$/m)
    expect(text).toMatch(/^DeviceAllow=char-ttyUSB rw$/m)
    for (const line of ['Type=notify', 'StateDirectory=lineside', 'Restart=always']) expect(text).toContain(`\n${line}\n`)
  })

  it('make the user of the unit, in the group of the serial lines', async () => {
    const { code, output } = await run('systemd-sysusers', [`--root=${root}`, join(units, 'lineside.sysusers')])
    expect({ code, output }).toEqual({ code: 0, output: expect.any(String) })
    expect(readFileSync(join(root, 'etc/passwd'), 'utf8')).toMatch(/^lineside:/m)
    expect(readFileSync(join(root, 'etc/group'), 'utf8')).toMatch(/^dialout:.*\blineside\b/m)
  })

  it('make the folders of the site, secrets for root alone', async () => {
    const { code, output } = await run('systemd-tmpfiles', ['--create', '--dry-run', join(units, 'lineside.tmpfiles')])
    if (/unrecognized option/.test(output)) {
      // systemd 252 cannot rehearse: it makes them below the root
      expect(await run('systemd-tmpfiles', ['--create', `--root=${root}`, join(units, 'lineside.tmpfiles')])).toMatchObject({ code: 0 })
      return
    }
    expect(code).toBe(0)
  })
})
