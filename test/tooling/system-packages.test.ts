import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

const script = join(import.meta.dirname, '../../scripts/system-packages.sh')

/** A machine of stand-ins: only what is in its `bin` is installed, and every call leaves a line in `calls`. */
let machine = ''
beforeEach(() => {
  machine = mkdtempSync(join(tmpdir(), 'lineside-packages-'))
  mkdirSync(join(machine, 'bin'))
  for (const tool of ['bash', 'rm', 'mv', 'chmod', 'cat']) standIn(tool, `exec /bin/${tool} "$@"`)
})
afterEach(() => rmSync(machine, { recursive: true, force: true }))

function standIn(name: string, body: string): void {
  writeFileSync(join(machine, 'bin', name), `#!/bin/sh\n${body}\n`, { mode: 0o755 })
}

const recorded = (name: string, more = ''): void => standIn(name, `echo "${name} $*" >> ${machine}/calls\n${more}`)
const calls = (): string => (existsSync(join(machine, 'calls')) ? readFileSync(join(machine, 'calls'), 'utf8') : '')

/** All packages are installed but these. */
function lack(...packages: readonly string[]): void {
  standIn('dpkg-query', `for last; do :; done\ncase " ${packages.join(' ')} " in *" $last "*) exit 1;; esac\nprintf installed`)
}

function prepare(): Promise<{ readonly code: number; readonly stderr: string }> {
  const env = { PATH: join(machine, 'bin'), POLICY_RC_D: join(machine, 'policy-rc.d') }
  return new Promise((resolve) => {
    const child = execFile('/bin/bash', [script], { env }, (_, __, stderr) => resolve({ code: child.exitCode ?? -1, stderr }))
  })
}

describe('the list of system packages', () => {
  it('does nothing when all are there', async () => {
    lack()
    recorded('apt-get')
    expect(await prepare()).toEqual({ code: 0, stderr: '' })
    expect(calls()).toBe('')
  })

  it('names what is missing, and how to install it, when it may not', async () => {
    lack('mbpoll', 'socat')
    recorded('apt-get')
    standIn('id', 'echo 1000')
    const { code, stderr } = await prepare()
    expect(code).toBe(1)
    expect(stderr).toContain('sudo apt-get install --no-install-recommends mbpoll socat')
    expect(calls()).toBe('')
  })

  it('installs what is missing as root, while no service may start, and disables the one that would start at boot', async () => {
    lack('mosquitto', 'socat')
    standIn('id', 'echo 0')
    recorded('apt-get', `case "$*" in *" install "*) cat ${machine}/policy-rc.d >> ${machine}/policy-seen;; esac`)
    recorded('systemctl')
    expect((await prepare()).code).toBe(0)
    expect(calls()).toMatch(
      /apt-get .*update\napt-get .*install --yes --no-install-recommends mosquitto socat\nsystemctl --quiet disable mosquitto/,
    )
    expect(readFileSync(join(machine, 'policy-seen'), 'utf8')).toContain('exit 101')
    expect(existsSync(join(machine, 'policy-rc.d'))).toBe(false)
  })

  it("leaves a service alone that was there before, and puts the machine's own policy back", async () => {
    lack('socat')
    standIn('id', 'echo 0')
    recorded('apt-get')
    recorded('systemctl')
    writeFileSync(join(machine, 'policy-rc.d'), 'its own')
    expect((await prepare()).code).toBe(0)
    expect(calls()).not.toContain('systemctl')
    expect(readFileSync(join(machine, 'policy-rc.d'), 'utf8')).toBe('its own')
  })

  it('uses sudo where that asks for no password', async () => {
    lack('socat')
    standIn('id', `[ -e ${machine}/root ] && echo 0 || echo 1000`)
    recorded('sudo', `[ "$2" = true ] && exit 0\ntouch() { : > "$1"; }\ntouch ${machine}/root\nshift\nexec "$@"`)
    recorded('apt-get')
    expect((await prepare()).code).toBe(0)
    expect(calls()).toContain('install --yes --no-install-recommends socat')
  })

  it('fails when the installation does', async () => {
    lack('socat')
    standIn('id', 'echo 0')
    recorded('apt-get', 'case "$*" in *" install "*) exit 100;; esac')
    const { code, stderr } = await prepare()
    expect(code).toBe(1)
    expect(stderr).toContain('apt-get failed')
    expect(existsSync(join(machine, 'policy-rc.d'))).toBe(false)
  })
})
