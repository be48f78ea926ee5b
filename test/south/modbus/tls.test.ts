import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer as createPlainServer, type Socket } from 'node:net'
import { createServer, type TlsOptions } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { UnwelcomeFault } from '../../../src/south/device-faults.ts'
import { type Authority, type Certificate, startAuthority } from '../../support/certificates.ts'
import { honestly, startFaultServer } from '../../support/modbus-fault-server.ts'
import { startPymodbusServer } from '../../support/modbus-peers.ts'
import { tcpConfig } from './line-plant.ts'
import { connectTo } from './modbus-site.ts'

let authority: Authority
let device: Certificate
let client: Certificate
beforeAll(async () => {
  authority = await startAuthority()
  device = await authority.issue('device', { names: 'IP:127.0.0.1,DNS:plc-7' })
  client = await authority.issue('client', { names: 'DNS:lineside' })
})
afterAll(() => authority[Symbol.asyncDispose]())

/** A Modbus server behind TLS. */
async function startTlsServer(options: TlsOptions = {}, certificate: Certificate = device) {
  const plain = await startFaultServer(honestly)
  const files = { cert: await readFile(certificate.cert), key: await readFile(certificate.key) }
  const server = createServer({ ...files, ...options }, (socket) => {
    const behind = connect({ host: '127.0.0.1', port: plain.port })
    socket.pipe(behind).pipe(socket)
    for (const side of [socket, behind]) side.on('error', () => {}).on('close', () => [socket, behind].map((one) => one.destroy()))
  })
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    plain,
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      await plain[Symbol.asyncDispose]()
      server.close()
      await once(server, 'close')
    },
  }
}

const config = (port: number, tls: object) => tcpConfig(port, { timeout: '1s', tls })

async function refusalOf(port: number, tls: object): Promise<string> {
  return await connectTo(config(port, tls), ['hr:1 u16']).then(
    async (line) => {
      await using open = line
      return await open.poll().then(
        ({ code }) => code ?? 'answered',
        (error: { readonly code: string }) => error.code,
      )
    },
    (error: { readonly code: string }) => error.code,
  )
}

describe('a Modbus device behind TLS', () => {
  it('is read when its certificate is signed by who should have', async () => {
    await using server = await startTlsServer()
    await using line = await connectTo(config(server.port, { ca: authority.ca }), ['hr:4[100] u16', 'hr:400 u16'])
    expect(await line.values()).toMatchObject({ 0: Array.from({ length: 100 }, (_, place) => 4 + place), 1: 400 })
    await line[Symbol.asyncDispose]()
    await vi.waitFor(() => expect(server.plain.sockets.size).toBe(0))
  })

  it('is refused, with a code of its own, when the certificate is not good', async () => {
    await using server = await startTlsServer()
    expect(await refusalOf(server.port, {})).toBe('modbus.tls-untrusted')
    expect(await refusalOf(server.port, { ca: authority.ca, serverName: 'plc-8' })).toBe('modbus.tls-name')
    expect(await refusalOf(server.port, { ca: authority.ca, serverName: 'plc-7' })).toBe('answered')
    expect(await refusalOf(server.port, { ca: '/nowhere/ca.pem' })).toBe('modbus.tls-file')
    expect(await refusalOf(server.port, { ca: authority.ca, cert: authority.ca, key: client.key })).toBe('modbus.tls-file')
  })

  it('is refused when its certificate has run out', async () => {
    await using server = await startTlsServer({}, await authority.issue('old', { names: 'IP:127.0.0.1', days: -1 }))
    expect(await refusalOf(server.port, { ca: authority.ca })).toBe('modbus.tls-time')
  })

  it('is taken for what it says only where the device file asks for that', async () => {
    await using server = await startTlsServer()
    expect(await refusalOf(server.port, { verify: false })).toBe('answered')
  })

  it('may ask for our certificate', async () => {
    await using server = await startTlsServer({ requestCert: true, ca: await readFile(authority.ca) })
    expect(await refusalOf(server.port, { ca: authority.ca })).toMatch(/^modbus\.(tls-refused|closed)$/)
    expect(await refusalOf(server.port, { ca: authority.ca, ...client })).toBe('answered')
  })

  it('is given keys that are secrets', async () => {
    await using server = await startTlsServer({ requestCert: true, ca: await readFile(authority.ca) })
    vi.stubEnv('LINESIDE_SECRET_PLC_KEY', await readFile(client.key, 'utf8'))
    vi.stubEnv('LINESIDE_SECRET_PLC_CA', await readFile(authority.ca, 'utf8'))
    const tls = { ca: '${secret:plc-ca}', cert: client.cert, key: '${secret:plc-key}' }
    expect(await refusalOf(server.port, tls)).toBe('answered')
    vi.unstubAllEnvs()
    expect(await refusalOf(server.port, tls)).toBe('secret.unknown')
  })

  it('says so when there is no TLS at the other end', async () => {
    await using server = await startFaultServer(honestly)
    expect(await refusalOf(server.port, { ca: authority.ca })).toMatch(/^modbus\.(tls-none|connect-timeout|closed)$/)
  })

  it.each<[string, (socket: Socket) => void]>([
    ['hangs up', (socket) => socket.once('data', () => socket.end())],
    ['resets the connection', (socket) => socket.once('data', () => socket.resetAndDestroy())],
  ])('says that it was in the handshake when it %s, and is asked ever more rarely', async (_, take) => {
    const server = createPlainServer(take)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const refusal = await connectTo(config(port, { ca: authority.ca }), ['hr:1 u16']).catch((fault: unknown) => fault)
    server.close()
    expect(refusal).toMatchObject({ code: 'modbus.tls-handshake', message: expect.stringContaining('handshake') })
    expect(refusal).toBeInstanceOf(UnwelcomeFault)
  })

  it('may be a pymodbus server', async () => {
    await using server = await startPymodbusServer('tls', device.cert, device.key)
    await using line = await connectTo(config(server.port, { ca: authority.ca }), ['hr:10 u16', '7/hr:10! u16'])
    expect(await line.write(1, 12)).toEqual({ outcome: 'done' })
    expect(await line.values()).toEqual({ 0: 10, 1: 12 })
  })
})
