import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { greetServer } from '../../../src/south/opcua/greeting.ts'
import { freePort } from '../../north/support/program.ts'
import { lineside, type Ran } from '../../support/lineside-program.ts'
import { makeStateFolder } from '../../support/state-folder.ts'
import { connect, plant } from './opcua-site.ts'

vi.setConfig({ testTimeout: 60_000 })

async function listening(take: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    take(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `opc.tcp://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function browse(url: string): Promise<Ran> {
  using state = makeStateFolder()
  return await lineside(['browse', url], { environment: { XDG_STATE_HOME: state.path } })
}

const onData = (act: (socket: Socket) => void) => (socket: Socket) => void socket.once('data', () => act(socket))

describe('lineside browse of a port that speaks something else', () => {
  it.each<[string, (socket: Socket) => void]>([
    ['is silent', () => {}],
    ['closes', (socket) => socket.end()],
    ['resets', onData((socket) => socket.resetAndDestroy())],
    ['is a web server', onData((socket) => socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n'))],
    ['answers a byte at a time', onData((socket) => void socket.write('S'))],
  ])('says so, and what to do: it %s', async (_, take) => {
    const url = await listening(take)
    const { code, error } = await browse(url)
    expect({ code, error }).toMatchObject({
      code: 3,
      error: expect.stringContaining('does not answer as an OPC UA server does.  (opcua.no-opcua)'),
    })
    expect(error).toContain('Look up the port')
  })

  it('is done with it two seconds after it was connected', async () => {
    const url = await listening(() => {})
    const began = systemClock.elapsed()
    await expect(greetServer(url, { clock: systemClock, signal: AbortSignal.timeout(30_000) })).rejects.toMatchObject({
      code: 'opcua.no-opcua',
    })
    expect(systemClock.elapsed() - began).toBeLessThan(10_000) // the library alone waits for as long; it takes 2 s
  })

  it('is told by the driver too, before the device gives up connecting', async () => {
    const url = await listening(() => {})
    await using parts = new AsyncDisposableStack()
    const refusal = await connect(parts, url, [plant('Double')]).catch((fault: unknown) => fault)
    // The library finds out by itself after 10 s, and then there is a cause: a device gives up after 5 s.
    expect(refusal).toMatchObject({ code: 'opcua.no-opcua' })
    expect((refusal as Error).cause).toBeUndefined()
  })

  it('says that nothing listens where nothing does', async () => {
    expect(await browse(`opc.tcp://127.0.0.1:${await freePort()}`)).toMatchObject({
      code: 3,
      error: expect.stringContaining('opcua.refused'),
    })
  })

  it('is ended by Ctrl-C at once', async () => {
    const url = await listening(() => {})
    using state = makeStateFolder()
    const stop = AbortSignal.timeout(100)
    const ran = await lineside(['browse', url], { environment: { XDG_STATE_HOME: state.path }, stop })
    expect(ran.code).toBe(1)
  })
})
