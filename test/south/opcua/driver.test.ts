import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import type { Fault } from '../../../src/base/fault.ts'
import { asTagId, type Reading, type Tag } from '../../../src/model/tag.ts'
import type { Connection } from '../../../src/south/driver.ts'
import { type OpcuaAddress, type OpcuaConfig, opcuaSchema } from '../../../src/south/opcua/config.ts'
import { opcuaDriver } from '../../../src/south/opcua/driver.ts'
import { freePort } from '../../north/support/program.ts'
import { type OpcuaPeer, startOpcuaPeer } from '../../support/opcua-peer-process.ts'
import { keptLog } from '../../support/quiet-log.ts'
import { sharedPeer, soon } from './opcua-site.ts'

type Addresses = readonly OpcuaAddress[]

function tagsAt(addresses: Addresses): readonly Tag<OpcuaAddress>[] {
  return addresses.map((address, place) => ({ id: asTagId(`plc/t${place}`), device: 'plc', path: `t${place}`, scan: 'normal', address }))
}

const plant = (name: string): OpcuaAddress => ({ node: `nsu=urn:test:plant;s=${name}` })

function configFor(url: string, connection: object = {}): OpcuaConfig {
  return opcuaSchema.config.parse({ connection: { url, security: 'None', ...connection }, opcua: { publishing: '50ms', sampling: '20ms' } })
}

async function stateFolder(parts: AsyncDisposableStack): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'lineside-opcua-'))
  parts.defer(() => rm(folder, { recursive: true, force: true }))
  return folder
}

interface ConnectOptions {
  readonly connection?: object
  readonly folder?: string
  readonly signal?: AbortSignal
  readonly tags?: readonly Tag<OpcuaAddress>[]
}

async function connect(parts: AsyncDisposableStack, url: string, addresses: Addresses, options: ConnectOptions = {}): Promise<Connection> {
  const context = {
    signal: options.signal ?? AbortSignal.timeout(30_000),
    clock: systemClock,
    log: keptLog(),
    stateFolder: options.folder ?? (await stateFolder(parts)),
  }
  return parts.use(await opcuaDriver.connect(configFor(url, options.connection), options.tags ?? tagsAt(addresses), context))
}

interface Watched {
  readonly connection: Connection
  /** Latest of each tag. */
  readonly latest: Map<number, Reading>
}

async function watch(connection: Connection): Promise<Watched> {
  const latest = new Map<number, Reading>()
  if (connection.source.kind !== 'subscribed') throw new Error('not subscribed')
  await connection.source.subscribe((readings) => {
    for (const reading of readings) latest.set(reading.tag, reading)
  }, new AbortController().signal)
  return { connection, latest }
}

async function lostAfter(connection: Connection, from = performance.now()): Promise<{ readonly fault: Fault; readonly ms: number }> {
  const fault = await connection.failure.catch((error: Fault) => error)
  return { fault: fault as Fault, ms: performance.now() - from }
}

async function peerIn(parts: AsyncDisposableStack, options: Parameters<typeof startOpcuaPeer>[0] = {}): Promise<OpcuaPeer> {
  return parts.use(await startOpcuaPeer(options))
}

const until = (): AbortSignal => AbortSignal.timeout(15_000)

const untouched = sharedPeer()

describe('the OPC UA driver', () => {
  it('brings the first value of every tag with its type, quality and source time', async () => {
    await using parts = new AsyncDisposableStack()
    const names = ['Bool', 'Int16', 'Int64', 'UInt64', 'Double', 'Text', 'When', 'Doubles']
    const { latest } = await watch(await connect(parts, untouched.url, names.map(plant)))
    await soon(() => latest.size).toBe(names.length)
    const values = names.map((_, tag) => latest.get(tag)?.value)
    expect(values).toEqual([true, -5, -2n, 2n ** 64n - 1n, 21.5, 'hello', '2023-11-14T22:13:20.000Z', [1, 2, 3]])
    expect(latest.get(0)).toEqual({ tag: 0, value: true, quality: 'good', sourceMs: 1_750_000_000_000 })
  })

  it('reports changes, with the quality the server gives them', async () => {
    await using parts = new AsyncDisposableStack()
    const peer = await peerIn(parts)
    const { latest } = await watch(await connect(parts, peer.url, [plant('Double')]))
    peer.set('Double', 33)
    await soon(() => latest.get(0)).toMatchObject({ value: 33, quality: 'good' })
    peer.set('Double', 34, 'UncertainSensorNotAccurate')
    await soon(() => latest.get(0)).toMatchObject({ value: 34, quality: 'uncertain', status: 0x40930000 })
    peer.set('Double', 35, 'BadDeviceFailure')
    await soon(() => latest.get(0)).toMatchObject({ value: null, quality: 'bad', status: 0x808b0000 })
  })

  it('marks a node that is not there as bad, and brings the others', async () => {
    await using parts = new AsyncDisposableStack()
    const addresses = [plant('Nope'), { node: 'nsu=urn:nowhere;s=Double' }, { path: '/Objects/2:Line/2:Nope' }, plant('Double')]
    const { latest, connection } = await watch(await connect(parts, untouched.url, addresses))
    await soon(() => latest.size).toBe(4)
    expect(latest.get(0)).toMatchObject({ quality: 'bad', status: 0x80340000 })
    expect(latest.get(1)).toMatchObject({ quality: 'bad', status: 0x80340000 })
    expect(latest.get(2)).toMatchObject({ quality: 'bad', status: 0x806f0000 })
    expect(latest.get(3)).toMatchObject({ value: 21.5 })
    expect(await connection.read([0, 2, 3], until())).toMatchObject([{ quality: 'bad' }, { quality: 'bad' }, { value: 21.5 }])
    expect(await connection.write([{ tag: 2, value: 1 }], until())).toMatchObject([{ outcome: 'failed' }])
  })

  it('finds nodes by browse path', async () => {
    await using parts = new AsyncDisposableStack()
    const addresses = [{ path: '/Objects/2:Line/2:Double' }, { path: '/Objects/nsu=urn:test:plant;Line/nsu=urn:test:plant;Text' }]
    const connection = await connect(parts, untouched.url, addresses)
    expect(await connection.read([0, 1], until())).toMatchObject([{ value: 21.5 }, { value: 'hello' }])
  })

  it('asks a server for no more nodes at once than it allows', async () => {
    await using parts = new AsyncDisposableStack()
    const peer = await peerIn(parts, { nodesPerCallMax: 100, count: 450 })
    const byId = Array.from({ length: 450 }, (_, place) => plant(`N${place}`))
    const byPath = byId.slice(0, 150).map((_, place) => ({ path: `/Objects/2:Line/2:N${place}` }))
    const { latest } = await watch(await connect(parts, peer.url, byPath))
    await soon(() => latest.size).toBe(150)
    const { latest: all, connection } = await watch(await connect(parts, peer.url, byId))
    await soon(() => all.size).toBe(450)
    const read = await connection.read([...byId.keys()], until())
    expect(read.map(({ value }) => value)).toEqual([...byId.keys()])
  })

  it('writes the value in the type of the node, and only the value', async () => {
    await using parts = new AsyncDisposableStack()
    const peer = await peerIn(parts)
    const names = ['Int16', 'Int64', 'Double', 'Doubles', 'When', 'Text', 'Bool']
    const connection = await connect(parts, peer.url, names.map(plant))
    const values = [7, -9n, 3.5, [4, 5], '2024-01-01T00:00:00.000Z', 'x', false]
    const outcomes = await connection.write(
      values.map((value, tag) => ({ tag, value })),
      until(),
    )
    expect(outcomes).toEqual(values.map(() => ({ outcome: 'done' })))
    expect((await connection.read([...values.keys()], until())).map(({ value }) => value)).toEqual(values)
  })

  it('writes in the type that the node declares where it has no value yet', async () => {
    await using parts = new AsyncDisposableStack()
    const peer = await peerIn(parts)
    const connection = await connect(parts, peer.url, [plant('Empty')])
    expect(await connection.write([{ tag: 0, value: 40_000 }], until())).toMatchObject([{ fault: { code: 'opcua.value-type' } }])
    expect(await connection.write([{ tag: 0, value: 7 }], until())).toEqual([{ outcome: 'done' }])
    expect(await connection.read([0], until())).toMatchObject([{ value: 7 }])
  })

  it('does not send a value that the node cannot hold', async () => {
    await using parts = new AsyncDisposableStack()
    const connection = await connect(parts, untouched.url, ['Int16', 'Bool', 'Doubles', 'UInt64'].map(plant))
    const writes = [70_000, 1, 2, -1n].map((value, tag) => ({ tag, value }))
    const outcomes = await connection.write(writes, until())
    expect(outcomes).toMatchObject(writes.map(() => ({ outcome: 'failed', fault: { code: 'opcua.value-type' } })))
  })

  it('blames no value where the server has no such node', async () => {
    await using parts = new AsyncDisposableStack()
    const connection = await connect(parts, untouched.url, ['Nowhere', 'Int16'].map(plant))
    const writes = [1, 70_000].map((value, tag) => ({ tag, value }))
    expect(await connection.refusals?.(writes, until())).toMatchObject([
      { of: 'place', fault: { code: 'opcua.type-unknown' } },
      { of: 'value', fault: { code: 'opcua.value-type' } },
    ])
  })

  it('knows within a moment that its server was killed', async () => {
    await using parts = new AsyncDisposableStack()
    const peer = await peerIn(parts)
    const { connection } = await watch(await connect(parts, peer.url, [plant('Double')]))
    const killed = performance.now()
    await peer.kill()
    const { fault, ms } = await lostAfter(connection, killed)
    expect(fault.code).toBe('opcua.connection-lost')
    expect(ms).toBeLessThan(1_000)
  })

  it('knows within seconds that its server hangs, leaves it within one, and cannot tell what became of a write', async () => {
    await using parts = new AsyncDisposableStack()
    const peer = await peerIn(parts)
    const { connection } = await watch(await connect(parts, peer.url, [plant('Double')]))
    await connection.write([{ tag: 0, value: 1 }], until())
    const stopped = performance.now()
    peer.signal('SIGSTOP')
    const [outcome] = await connection.write([{ tag: 0, value: 2 }], until())
    expect(outcome).toMatchObject({ outcome: 'unknown' })
    const { fault, ms } = await lostAfter(connection, stopped)
    expect(fault.code).toBe('opcua.connection-lost')
    expect(ms).toBeLessThan(4_000)
    const leaving = performance.now()
    await connection[Symbol.asyncDispose]()
    expect(performance.now() - leaving).toBeLessThan(1_000)
  })

  it('is left within a second, though its server hangs and nobody has noticed', async () => {
    await using parts = new AsyncDisposableStack()
    const peer = await peerIn(parts)
    const { connection } = await watch(await connect(parts, peer.url, [plant('Double')]))
    peer.signal('SIGSTOP')
    const leaving = performance.now()
    await connection[Symbol.asyncDispose]()
    expect(performance.now() - leaving).toBeLessThan(1_000)
  })

  it('finds its nodes again after a restart that gave their namespace another index', async () => {
    await using parts = new AsyncDisposableStack()
    const port = await freePort()
    const tags = tagsAt([plant('Double'), { node: 'ns=2;s=Text' }, { path: '/Objects/2:Line/2:Int16' }])
    const folder = await stateFolder(parts)
    const first = await peerIn(parts, { port })
    const before = await connect(parts, first.url, [], { tags, folder })
    expect(await before.read([0, 1, 2], until())).toMatchObject([{ value: 21.5 }, { value: 'hello' }, { value: -5 }])
    await first.kill()
    await before.failure.catch(() => {})
    await peerIn(parts, { port, shift: 3 })
    const after = await connect(parts, first.url, [], { tags, folder })
    const { latest } = await watch(after)
    await soon(() => [0, 1, 2].map((tag) => latest.get(tag)?.value)).toEqual([21.5, 'hello', -5])
  })

  it('takes the strongest endpoint by itself, with a certificate made once', async () => {
    await using parts = new AsyncDisposableStack()
    const peer = await peerIn(parts, { user: 'ann', password: 'right' })
    const folder = await stateFolder(parts)
    process.env['LINESIDE_SECRET_PLC_TEST'] = 'right'
    const connection = { security: 'auto', user: 'ann', password: '${secret:plc-test}' }
    const first = await connect(parts, peer.url, [plant('Double')], { connection, folder })
    expect(await first.read([0], until())).toMatchObject([{ value: 21.5 }])
    expect((await readdir(folder)).toSorted()).toEqual(['client-certificate.pem', 'client-key.pem', 'server-certificate.sha256'])
    process.env['LINESIDE_SECRET_PLC_TEST'] = 'wrong'
    await expect(connect(parts, peer.url, [], { connection, folder })).rejects.toMatchObject({ code: 'opcua.user-refused' })
  })

  it('does not talk to a server that shows another certificate than before', async () => {
    await using parts = new AsyncDisposableStack()
    const port = await freePort()
    const folder = await stateFolder(parts)
    const connection = { security: 'Basic256Sha256/SignAndEncrypt' }
    const first = await peerIn(parts, { port })
    await connect(parts, first.url, [], { connection, folder })
    await first.kill()
    await peerIn(parts, { port })
    await expect(connect(parts, first.url, [], { connection, folder })).rejects.toMatchObject({ code: 'opcua.certificate-changed' })
    await connect(parts, first.url, [], { connection: { ...connection, trust: 'any' }, folder })
  })

  it('needs no key where nothing is encrypted', async () => {
    await using parts = new AsyncDisposableStack()
    const folder = await stateFolder(parts)
    await connect(parts, untouched.url, [], { folder })
    expect(await readdir(folder)).toEqual([])
  })

  it('says what is wrong when it cannot connect', async () => {
    await using parts = new AsyncDisposableStack()
    const url = `opc.tcp://127.0.0.1:${await freePort()}`
    await expect(connect(parts, url, [])).rejects.toMatchObject({ code: 'opcua.refused', isRetryable: true })
  })

  it('gives up connecting to something that never answers when it is told to', async () => {
    await using parts = new AsyncDisposableStack()
    const mute = createServer((socket) => socket.on('error', () => {}).resume())
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve))
    parts.defer(() => void mute.close())
    const address = mute.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const started = performance.now()
    const signal = AbortSignal.timeout(300)
    await expect(connect(parts, `opc.tcp://127.0.0.1:${port}`, [], { signal })).rejects.toThrow()
    expect(performance.now() - started).toBeLessThan(2_000)
    await soon(() => new Promise((resolve) => mute.getConnections((_, count) => resolve(count)))).toBe(0)
  })
})
