import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { lstat, mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { startPrivateSocket } from '../../../src/north/api/private-socket.ts'
import { startTestApi } from './api-on-socket.ts'

async function stateFolder() {
  const path = await mkdtemp(join(tmpdir(), 'lineside-socket-'))
  return { path: join(path, 'lineside.sock'), folder: path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

async function ask(
  socketPath: string,
  path: string,
  body?: unknown,
): Promise<{ readonly status: number | undefined; readonly body: unknown }> {
  const asking = request({ socketPath, path, method: body === undefined ? 'GET' : 'POST', headers: { 'content-type': 'application/json' } })
  asking.end(body === undefined ? undefined : JSON.stringify(body))
  const [response] = await once(asking, 'response')
  return { status: response.statusCode, body: await json(response) }
}

const nobody = (): void => {}

describe('the private socket', () => {
  it('serves the same API to the machine itself, as admin and without a token', async () => {
    await using server = await startTestApi()
    expect(await ask(server.socketPath, '/api/v1/tags/press/setpoint')).toMatchObject({ status: 200, body: { value: 42.5 } })
    expect(await ask(server.socketPath, '/api/v1/writes', { tag: 'press/setpoint', value: 1 })).toMatchObject({ status: 200 })
    expect(server.asked[0]?.commands[0]?.by).toEqual({ road: 'api', name: 'local', role: 'admin' })
    expect(await ask(server.socketPath, '/api/v1/nothing')).toMatchObject({ status: 404 })
  })

  it('can be opened by its owner alone, and leaves nothing beside it', async () => {
    await using server = await startTestApi()
    expect((await stat(server.socketPath)).mode & 0o777).toBe(0o600)
    expect(await readdir(server.folder)).toEqual(['lineside.sock'])
  })

  it('is gone when the gateway has ended', async () => {
    await using state = await stateFolder()
    const socket = await startPrivateSocket(state.path, nobody)
    await socket[Symbol.asyncDispose]()
    expect(await readdir(state.folder)).toEqual([])
  })

  it('replaces what a killed gateway has left', async () => {
    await using state = await stateFolder()
    const code = `require('node:net').createServer().listen(${JSON.stringify(state.path)}, () => console.log('up'))`
    const killed = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
    await once(killed.stdout, 'data')
    await expect(startPrivateSocket(state.path, nobody)).rejects.toMatchObject({ code: 'api.socket-taken' })
    killed.kill('SIGKILL')
    await once(killed, 'exit')
    expect((await lstat(state.path)).isSocket()).toBe(true)
    await using _socket = await startPrivateSocket(state.path, (_request, response) => response.end('{"a":1}'))
    expect(await ask(state.path, '/')).toMatchObject({ body: { a: 1 } })
  })

  it('clears away what a gateway that was killed while it made one has left', async () => {
    await using state = await stateFolder()
    await mkdir(join(state.folder, '.sockAbC123'))
    await mkdir(join(state.folder, '.socks'))
    await using _socket = await startPrivateSocket(state.path, nobody)
    expect((await readdir(state.folder)).toSorted()).toEqual(['.socks', 'lineside.sock'])
  })

  it('leaves alone what is no socket', async () => {
    await using state = await stateFolder()
    await writeFile(state.path, 'mine')
    await expect(startPrivateSocket(state.path, nobody)).rejects.toMatchObject({ code: 'api.socket-unusable', remedy: expect.any(String) })
  })

  it('leaves the socket of its next life alone when it ends late', async () => {
    await using state = await stateFolder()
    const first = await startPrivateSocket(state.path, nobody)
    await rm(state.path)
    await using _second = await startPrivateSocket(state.path, nobody)
    await first[Symbol.asyncDispose]()
    expect((await lstat(state.path)).isSocket()).toBe(true)
  })

  it('says how long its path may be, and keeps nobody from starting', async () => {
    const path = (folder: string): string => join(folder, `${'x'.repeat(100)}.sock`)
    await using server = await startTestApi({ path })
    expect(server.log.lines).toMatchObject([{ level: 'warn', fields: { code: 'api.socket-path' } }])
    expect((await fetch(`${server.url}/api/v1/tags`)).status).toBe(200)
    await expect(startPrivateSocket(`/tmp/${'x'.repeat(103)}`, nobody)).rejects.toMatchObject({ code: 'api.socket-path' })
    await using state = await stateFolder()
    const longest = join(state.folder, 'x'.repeat(107 - state.folder.length - 1))
    await using _socket = await startPrivateSocket(longest, nobody)
    expect((await lstat(longest)).isSocket()).toBe(true)
  })

  it('is refused where the folder is not there', async () => {
    await expect(startPrivateSocket('/nowhere/at/all/lineside.sock', nobody)).rejects.toMatchObject({ code: 'api.socket-unusable' })
  })
})
