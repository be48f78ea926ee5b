import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { freePort, startProgram } from '../north/support/program.ts'
import { childrenOf } from '../support/children.ts'
import { plcFile } from '../support/daemon-process.ts'
import { startModbusDevice } from '../support/modbus-device.ts'
import { mountSmallDisk } from '../support/state-folder.ts'

vi.setConfig({ testTimeout: 120_000 })

const main = new URL('../../bin/lineside.js', import.meta.url).pathname

interface Files {
  readonly device: string
  readonly state?: string
  readonly flow?: string
}

async function siteFolder({ device, state, flow }: Files) {
  const folder = mkdtempSync(join(tmpdir(), 'lineside-odd-'))
  const [mqtt, api] = [await freePort(), await freePort()]
  for (const part of ['devices', 'flows']) mkdirSync(join(folder, part))
  const ports = `mqtt: { port: ${mqtt}, anonymous: { role: operator } }\napi: { port: ${api} }\n`
  writeFileSync(
    join(folder, 'lineside.yaml'),
    `site: acme/test\nnode: edge\n${ports}storage: { path: ${state ?? join(folder, 'state')} }\n`,
  )
  writeFileSync(join(folder, 'devices/oven.yaml'), device)
  if (flow !== undefined) writeFileSync(join(folder, 'flows/open.yaml'), flow)
  return { folder, url: `http://127.0.0.1:${api}`, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) }
}

/** Without a byte left, from before the daemon begins. */
function fullDisk() {
  const disk = mountSmallDisk(8 * 1024)
  const filler = join(disk.path, 'filler')
  expect(() => writeFileSync(filler, Buffer.alloc(16 * 1024 ** 2))).toThrow('ENOSPC')
  return { state: join(disk.path), free: () => rmSync(filler), [Symbol.dispose]: () => disk[Symbol.dispose]() }
}

const openGate = `flow: open
version: 1
on: [{ tag: oven/count, when: value > 5 }]
steps: [{ id: gate, write: { oven/gate: true } }]
`

describe('a daemon whose disk is full before it begins', () => {
  it('polls its devices all the same, and begins its flows when there is room', async () => {
    using disk = fullDisk()
    await using oven = await startModbusDevice()
    using site = await siteFolder({ device: plcFile('oven', oven.port), state: disk.state, flow: openGate })
    await using daemon = startProgram(process.execPath, [main, 'run', site.folder])
    const rowsOf = async (path: string) => ((await (await fetch(`${site.url}${path}`)).json()) as { items: readonly unknown[] }).items
    await vi.waitFor(async () => expect(await rowsOf('/api/v1/tags?filter=oven/count')).toMatchObject([{ value: 0, quality: 'good' }]), {
      timeout: 60_000,
    })
    expect(daemon.lines.join('\n')).not.toContain('The flows are at work.')
    disk.free()
    await vi.waitFor(() => expect(daemon.lines.join('\n')).toContain('The flows are at work.'), { timeout: 30_000 })
    oven.registers[0] = 9
    await vi.waitFor(() => expect(oven.coils[0]).toBe(1), { timeout: 30_000 })
    daemon.kill('SIGTERM')
    expect(await daemon.exit).toBe(0)
  })

  it('makes its first user once there is room, and has said once and plainly that it could not', async () => {
    using disk = fullDisk()
    using site = await siteFolder({ device: plcFile('oven', 1), state: disk.state })
    await using daemon = startProgram(process.execPath, [main, 'run', site.folder])
    const said = () => daemon.lines.join('\n')
    await vi.waitFor(() => expect(said()).toContain('The first user could not be made'), { timeout: 60_000 })
    expect(readdirSync(disk.state)).not.toContain('users.json')
    disk.free()
    await vi.waitFor(() => expect(said()).toContain('The first user of this gateway is admin'), { timeout: 60_000 })
    const [, password] = /with the password (\S+)/.exec(said()) ?? []
    expect(readFileSync(join(disk.state, 'first-password'), 'utf8')).toBe(`${password}\n`)
    expect(daemon.lines.filter((line) => line.includes('The first user could not be made'))).toHaveLength(1)
    expect(said()).not.toContain('"stack"')
    daemon.kill('SIGTERM')
    expect(await daemon.exit).toBe(0)
  })

  it('stops when it is told to, without a fault of its own', async () => {
    using disk = fullDisk()
    using site = await siteFolder({ device: plcFile('oven', 1), state: disk.state })
    await using daemon = startProgram(process.execPath, [main, 'run', site.folder])
    await vi.waitFor(() => expect(daemon.lines.join('\n')).toContain('Lineside is running.'), { timeout: 60_000 })
    daemon.kill('SIGTERM')
    expect(await daemon.exit).toBe(0)
    expect(daemon.lines.filter((line) => line.includes('"stack"'))).toEqual([])
  })
})

describe('a daemon whose site cannot be loaded at all', () => {
  it('says so in one line', async () => {
    const tags = Array.from({ length: 20_000 }, (_, place) => `  t${place}: { at: hr:${place}, type: u16 }\n`).join('')
    using site = await siteFolder({ device: `device: oven\ndriver: modbus-tcp\nconnection: { host: 127.0.0.1 }\ntags:\n${tags}` })
    await using daemon = startProgram(process.execPath, [main, 'run', site.folder])
    const loader = await vi.waitFor(
      () => {
        const [pid] = childrenOf(String(daemon.pid), 'load-process')
        if (pid === undefined) throw new Error('nobody loads yet')
        return Number(pid)
      },
      { timeout: 20_000, interval: 5 },
    )
    process.kill(loader, 'SIGKILL')
    expect(await daemon.exit).toBe(1)
    expect(daemon.lines).toEqual([expect.stringContaining('"code":"site.loader-ended"')])
  })
})
