import { writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { startProgram } from '../north/support/program.ts'
import { DaemonProcess } from '../support/daemon-process.ts'
import { mountSmallDisk } from '../support/state-folder.ts'

vi.setConfig({ testTimeout: 120_000 })

const main = new URL('../../bin/lineside.js', import.meta.url).pathname

describe('a gateway', () => {
  it('is not ready while its state folder is full, says why, and is ready when it is not', async () => {
    using disk = mountSmallDisk(16 * 1024)
    await using daemon = await DaemonProcess.start({ devices: {}, state: join(disk.path, 'state') })
    const readiness = async () => {
      const answer = await fetch(`${daemon.url}/health/ready`)
      return { status: answer.status, body: await answer.json() }
    }
    const filler = join(disk.path, 'filler')
    expect(() => writeFileSync(filler, Buffer.alloc(32 * 1024 ** 2))).toThrow('ENOSPC')
    await vi.waitFor(
      async () =>
        expect(await readiness()).toMatchObject({
          status: 503,
          body: {
            status: 'failing',
            rooms: {
              store: { state: 'up', fault: { code: 'store.full', remedy: expect.stringContaining('Free space') } },
              north: { state: 'up' },
            },
          },
        }),
      { timeout: 30_000 },
    )
    await rm(filler)
    await vi.waitFor(async () => expect(await readiness()).toMatchObject({ status: 200, body: { status: 'ready' } }), { timeout: 30_000 })
  })

  it('whose state folder another one has says so once', async () => {
    await using daemon = await DaemonProcess.start({ devices: {} })
    await using second = startProgram(process.execPath, [main, 'run', join(daemon.folder, 'site')])
    expect(await second.exit).toBe(1)
    expect(second.lines.filter((line) => line.includes('Another Lineside already uses'))).toHaveLength(1)
  })

  it('of which there is no site names the folder that it was given', async () => {
    await using program = startProgram(process.execPath, [main, 'run', '/nonexistent/site'])
    expect(await program.exit).toBe(1)
    expect(program.lines[0]).toBe('/nonexistent/site:1:1  site.no-folder  /nonexistent/site is not there.')
  })
})
