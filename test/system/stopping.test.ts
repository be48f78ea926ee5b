import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { freePort, startProgram } from '../north/support/program.ts'

const main = new URL('../../bin/lineside.js', import.meta.url).pathname

async function emptySite(storage: string) {
  const folder = await mkdtemp(join(tmpdir(), 'lineside-stopping-'))
  const ports = { mqtt: await freePort(), api: await freePort() }
  const text = `site: acme/test\nnode: edge\nmqtt: { port: ${ports.mqtt} }\napi: { port: ${ports.api} }\nstorage: { path: ${storage === '' ? join(folder, 'state') : storage} }\n`
  await writeFile(join(folder, 'lineside.yaml'), text)
  return { folder, ports, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) }
}

describe('a daemon that is told to stop', () => {
  it('while it starts gives the start up, and ends with 0', { timeout: 30_000 }, async () => {
    await using site = await emptySite('')
    await using daemon = startProgram(process.execPath, [main, 'run', site.folder, '--log-level', 'debug'])
    await vi.waitFor(() => expect(daemon.lines.join()).toContain('MQTT broker listens'), { timeout: 20_000, interval: 1 })
    daemon.kill('SIGTERM')
    expect(await daemon.exit).toBe(0)
  })
})

describe('a daemon whose terminal is closed', () => {
  it('stops in order, however often it is told so', { timeout: 30_000 }, async () => {
    await using site = await emptySite('')
    await using daemon = startProgram(process.execPath, [main, 'run', site.folder])
    await vi.waitFor(() => expect(daemon.lines.join()).toContain('Lineside is running'), { timeout: 20_000 })
    daemon.kill('SIGHUP')
    daemon.kill('SIGHUP')
    expect(await daemon.exit).toBe(0)
  })
})

describe('a daemon that cannot run', () => {
  it('says so and ends when its state folder can never be made', { timeout: 30_000 }, async () => {
    await using site = await emptySite('/proc/lineside/state')
    await using daemon = startProgram(process.execPath, [main, 'run', site.folder])
    expect(await daemon.exit).toBe(1)
    expect(daemon.lines.join('\n')).toContain('"code":"store.unwritable"')
  })

  it('names the port that is taken, and what to do', { timeout: 30_000 }, async () => {
    await using site = await emptySite('')
    await using other = startProgram('/usr/bin/python3', ['-u', '-m', 'http.server', String(site.ports.api), '--bind', '127.0.0.1'])
    await vi.waitFor(() => expect(other.lines.join()).toContain('Serving'), 5_000)
    await using daemon = startProgram(process.execPath, [main, 'run', site.folder])
    expect(await daemon.exit).toBe(1)
    expect(daemon.lines.join('\n')).toContain('api.cannot-listen')
  })
})
