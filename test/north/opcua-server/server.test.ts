import { createConnection, createServer } from 'node:net'
import { describe, expect, it, vi } from 'vitest'
import { epochMs } from '../../../src/base/clock.ts'
import type { OpcuaAccess } from '../../../src/north/opcua-server/sessions.ts'
import { startOpcuaClient } from '../../support/opcua-client-process.ts'
import { connected, node, open, type Read, startBench } from './bench.ts'

describe('the OPC UA server', () => {
  it('shows the site as a tree, in its own namespace, with node ids that never change', async () => {
    await using bench = await startBench()
    const { namespaces } = await bench.client.ask<{ namespaces: string[] }>('connect', { url: bench.url })
    expect(namespaces[1]).toBe('urn:lineside:edge-07')
    const names = async (at: string) => (await bench.client.ask<{ name: string }[]>('browse', { nodes: [at] })).map(({ name }) => name)
    expect(await names('i=85')).toContain('acme')
    expect(await names('ns=1;s=/acme/munich/line-1/')).toEqual(['press'])
    expect(await names('ns=1;s=press/')).toEqual(expect.arrayContaining(['hydraulics', 'setpoint', 'motor']))
    expect(await names('ns=1;s=press/hydraulics/')).toEqual(['pressure'])
    expect(await names(node('motor'))).toContain('running')
  })

  it('describes numbers with unit and range as analog values', async () => {
    await using bench = await connected()
    const [units, range] = await bench.client.ask<{ value: Record<string, unknown> }[]>('read', {
      nodes: ['ns=1;s=press/hydraulics/pressure#EngineeringUnits', 'ns=1;s=press/hydraulics/pressure#EURange'],
    })
    expect(units?.value).toMatchObject({ unitId: 4_342_098 }) // BAR in UN/ECE Recommendation 20
    expect(range?.value).toMatchObject({ low: 0, high: 250 })
    const found = await bench.client.ask<{ name: string; type: string }[]>('browse', { nodes: ['ns=1;s=press/hydraulics/'] })
    expect(found[0]?.type).toMatch(/i=17497$/) // AnalogUnitType
  })

  it('passes value, quality and source time through', async () => {
    await using bench = await connected()
    bench.set('hydraulics/pressure', { value: 21.5 })
    bench.set('counter', { value: 2n ** 63n })
    bench.set('counts', { value: [1, 2, 3] })
    bench.set('name', { value: 'good value, doubtful', quality: 'uncertain', status: 0x40910000 })
    bench.set('motor/running', { value: true, quality: 'stale' })
    bench.set('setpoint', { value: 3, quality: 'bad', status: 0x80350000 })
    bench.set('any', { value: 'text' })
    const nodes = ['hydraulics/pressure', 'counter', 'counts', 'name', 'motor/running', 'setpoint', 'any', 'motor'].map(node)
    const reads = await bench.client.ask<Read[]>('read', { nodes })
    expect(reads.map(({ type, status }) => `${type} ${status}`)).toEqual([
      'Float Good',
      'UInt64 Good',
      'Int32 Good',
      'String UncertainSubstituteValue',
      'Boolean UncertainNoCommunicationLastUsableValue',
      'Double BadAttributeIdInvalid',
      'String Good',
      'Null BadWaitingForInitialData',
    ])
    expect(reads[0]).toMatchObject({ value: 21.5, sourceTime: '2025-06-15T15:06:40.123Z', picoseconds: 0 })
    expect(reads[1]?.value).toEqual([0x8000_0000, 0])
  })

  it('tells changes to whoever subscribes, and the last one before that too', async () => {
    await using bench = await connected()
    bench.set('hydraulics/pressure', { value: 1 })
    await bench.client.ask('watch', { nodes: [node('hydraulics/pressure')] })
    const values = async () => (await bench.client.ask<Read[]>('watched')).map(({ value }) => value)
    await expect.poll(values).toEqual([1])
    bench.set('hydraulics/pressure', { value: 2, sourceMs: epochMs(1_750_000_001_000) })
    await expect.poll(values).toEqual([1, 2])
    bench.set('hydraulics/pressure', { value: 2, quality: 'stale', sourceMs: epochMs(1_750_000_001_000) })
    await expect.poll(async () => (await bench.client.ask<Read[]>('watched')).at(-1)?.status).toMatch(/^Uncertain/)
  })

  it('sends a write down the command road, and keeps showing what the device says', async () => {
    await using bench = await connected()
    bench.set('setpoint', { value: 1 })
    expect(await bench.client.ask('write', { nodes: [node('setpoint')], value: 7 })).toBe('Good')
    expect(bench.asked).toMatchObject([{ tag: 'press/setpoint', value: 7, by: { road: 'opcua', name: 'anonymous', role: 'operator' } }])
    const [read] = await bench.client.ask<Read[]>('read', { nodes: [node('setpoint')] })
    expect(read?.value).toBe(1)
  })

  it.each([
    [{ status: 'refused', code: 'command.role' }, 'BadUserAccessDenied'],
    [{ status: 'refused', code: 'command.range' }, 'BadOutOfRange'],
    [{ status: 'refused', code: 'command.interlock' }, 'BadInvalidState'],
    [{ status: 'failed', code: 'device.absent' }, 'BadNoCommunication'],
    [{ status: 'failed', code: 'modbus.whatever' }, 'BadCommunicationError'],
    [{ status: 'unknown', code: 'command.timeout' }, 'BadTimeout'],
  ] as const)('answers a write that ended as %o with %s', async (result, status) => {
    await using bench = await connected({ result })
    expect(await bench.client.ask('write', { nodes: [node('setpoint')], value: 7 })).toBe(status)
  })

  it('refuses to write what is not writable, or of another type, without asking control', async () => {
    await using bench = await connected()
    expect(await bench.client.ask('write', { nodes: [node('counter')], type: 'UInt64', value: [0, 1] })).toBe('BadNotWritable')
    expect(await bench.client.ask('write', { nodes: [node('setpoint')], type: 'String', value: 'x' })).toBe('BadTypeMismatch')
    expect(bench.asked).toEqual([])
    expect(bench.refused).toMatchObject([{ tag: 'press/setpoint', value: 'x', code: 'command.type', by: { road: 'opcua' } }])
  })

  it.each([
    [{ status: 'BadSensorFailure' }],
    [{ status: 'UncertainInitialValue' }],
    [{ sourceTime: '2026-11-21T02:30:00.123Z' }],
    [{ serverTime: '2026-11-21T02:30:00.123Z' }],
    [{ status: 'Good', sourceTime: '2026-11-21T02:30:00.123Z' }],
  ])('refuses a write that says what only the device can say: %o', async (claim) => {
    await using bench = await connected()
    expect(await bench.client.ask('write', { nodes: [node('setpoint')], value: 7, ...claim })).toBe('BadWriteNotSupported')
    expect(bench.asked).toEqual([])
    expect(bench.refused).toMatchObject([{ tag: 'press/setpoint', value: 7, code: 'opcua.write-not-supported' }])
  })

  it('takes a write whose status is Good, as many clients send it', async () => {
    await using bench = await connected()
    expect(await bench.client.ask('write', { nodes: [node('setpoint')], value: 7, status: 'Good' })).toBe('Good')
    expect(bench.asked).toHaveLength(1)
  })

  it('offers the endpoints that were asked for, and no others', async () => {
    const security = ['Basic256Sha256/Sign', 'Aes256_Sha256_RsaPss/SignAndEncrypt']
    await using bench = await startBench({ config: { port: 0, security, anonymous: true } })
    const offered = await bench.client.ask<{ security: string }[]>('endpoints', { url: bench.url })
    expect(offered.map((one) => one.security).toSorted()).toEqual(security.toSorted())
    await expect(bench.client.ask('connect', { url: bench.url, security: 'None' })).rejects.toThrow()
    await expect(bench.client.ask('connect', { url: bench.url, security: 'Aes256_Sha256_RsaPss/Sign' })).rejects.toThrow()
    await bench.client.ask('connect', { url: bench.url, security: 'Basic256Sha256/Sign' })
  })

  it('lets nobody in by default', async () => {
    await using bench = await startBench({ config: { port: 0 } })
    const security = 'Basic256Sha256/SignAndEncrypt'
    await expect(bench.client.ask('connect', { url: bench.url, security })).rejects.toThrow()
    await expect(bench.client.ask('connect', { url: bench.url, security, user: 'root', password: 'x' })).rejects.toThrow(
      /BadUserAccessDenied/,
    )
  })

  it('asks the access list about users, and writes in their name', async () => {
    const admit: OpcuaAccess['admit'] = ({ user, password }) =>
      user === 'ann' && Buffer.from(password ?? []).toString() === 'right' ? { isAdmitted: true, role: 'engineer' } : { isAdmitted: false }
    await using bench = await startBench({ access: { admit, onChange: () => ({ [Symbol.dispose]: () => {} }) } })
    const who = { url: bench.url, security: 'Basic256Sha256/SignAndEncrypt', user: 'ann' }
    await expect(bench.client.ask('connect', { ...who, password: 'wrong' })).rejects.toThrow(/BadUserAccessDenied/)
    await bench.client.ask('connect', { ...who, password: 'right' })
    await bench.client.ask('write', { nodes: [node('setpoint')], value: 7 })
    expect(bench.asked).toMatchObject([{ by: { name: 'ann', role: 'engineer' } }])
  })

  it('survives a session that asks for everything, at once, for ever', { timeout: 60_000 }, async () => {
    const flow = { flow: 'change-over', inputs: [{ name: 'speed', type: 'number' }] } as const
    await using bench = await connected({ flows: { flows: [flow], start: async () => ({ run: 'r' }) } }) // only methods of our own have -1
    const { variables, intervalMin } = await bench.client.ask<{ variables: number; intervalMin: number }>('attack')
    expect(variables).toBeGreaterThan(1_000)
    expect(intervalMin).toBe(0) // with -1 anywhere, the library's own assertion ends the process
    await using other = startOpcuaClient()
    await other.ask('connect', { url: bench.url })
    expect(await other.ask<Read[]>('read', { nodes: [node('motor')] })).toMatchObject([{ status: 'BadWaitingForInitialData' }])
  })

  it('survives garbage, half messages and more connections than it allows', async () => {
    await using bench = await startBench()
    const hello = Buffer.from('HELF', 'latin1')
    const lengths = [0, 7, 28, 0x7fff_ffff, 0xffff_ffff].map((length) =>
      Buffer.concat([hello, Buffer.from(new Uint32Array([length]).buffer)]),
    )
    const garbage = [...lengths, Buffer.alloc(10_000, 0xff), Buffer.from('GET / HTTP/1.1\r\n\r\n'), Buffer.from('OPNF'), Buffer.alloc(0)]
    const sockets = Array.from({ length: 60 }, (_, place) => {
      const socket = createConnection(bench.server.port, '127.0.0.1').on('error', () => {})
      socket.write(garbage[place % garbage.length] ?? '')
      return socket
    })
    for (const socket of sockets) socket.end()
    await expect.poll(() => bench.client.ask('connect', { url: bench.url }), { timeout: 15_000 }).toBeDefined()
    for (const socket of sockets) socket.destroy()
  })

  it('names the port that is taken', async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    await vi.waitFor(() => expect(taken.listening).toBe(true))
    const address = taken.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    await expect(startBench({ config: { ...open, port } })).rejects.toMatchObject({ code: 'opcua-server.port' })
    taken.close()
  })
})
