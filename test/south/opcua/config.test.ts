import { describe, expect, it } from 'vitest'
import { asTagId, type Tag } from '../../../src/model/tag.ts'
import { type OpcuaAddress, opcuaSchema, opcuaValueType } from '../../../src/south/opcua/config.ts'

const url = 'opc.tcp://plc:4840'

function codes(address: OpcuaAddress, connection: object = { url }): readonly string[] {
  const tag: Tag<OpcuaAddress> = { id: asTagId('d/t'), device: 'd', path: 't', scan: 'normal', address }
  return opcuaSchema.check(opcuaSchema.config.parse({ connection }), [tag]).map(({ code }) => code)
}

describe('the schema of an OPC UA device', () => {
  it('needs only a URL', () => {
    expect(opcuaSchema.config.parse({ connection: { url } })).toEqual({
      connection: { url, security: 'auto', clearPassword: false, timeout: 3_000, trust: 'first-seen' },
      opcua: { mode: 'auto', publishing: 250, queue: 1, keepalive: 800, retry: 60_000 },
    })
  })

  it.each([
    { url: 'http://plc' },
    { url: 'opc.tcp://' },
    { url, security: 'Basic128Rsa15/Sign' },
    { url, password: 'plain' },
    { url, port: 1 },
  ])('refuses the connection %o', (connection) => {
    expect(opcuaSchema.config.safeParse({ connection }).success).toBe(false)
  })

  it('finds an address that is missing, double, or no address', () => {
    expect(codes({})).toEqual(['opcua.no-address'])
    expect(codes({ node: 'i=1', path: '/Objects' })).toEqual(['opcua.two-addresses'])
    expect(codes({ node: 'speed' })).toEqual(['opcua.node-syntax'])
    expect(codes({ path: 'Objects' })).toEqual(['opcua.path-syntax'])
    expect(codes({ node: 'nsu=urn:x;s=y' })).toEqual([])
  })

  it('doubts a namespace index, a password without a user, and no encryption', () => {
    expect(codes({ node: 'ns=2;s=y' })).toEqual(['opcua.namespace-index'])
    expect(codes({ node: 'i=1' }, { url, password: '${secret:plc}' })).toEqual(['opcua.password-without-user'])
    expect(codes({ node: 'i=1' }, { url, security: 'None' })).toEqual(['opcua.unencrypted'])
  })

  it('knows a type where the file declares one', () => {
    expect(opcuaValueType(opcuaSchema.address.parse({ node: 'i=1', type: 'f64' }))).toBe('f64')
    expect(opcuaValueType(opcuaSchema.address.parse({ node: 'i=1' }))).toBeUndefined()
  })

  it('lets one part of a node be read, and not written', () => {
    const opcua = { node: 'nsu=urn:x;s=Press', field: 'axes[1].position' }
    expect(codes(opcua)).toEqual([])
    expect(codes({ ...opcua, field: 'axes[' })).toEqual(['opcua.field-syntax'])
    const write = { confirmMs: 0, tolerance: 0, role: 'operator', ratePerSecondMax: 1 } as const
    const tag: Tag<OpcuaAddress> = { id: asTagId('d/t'), device: 'd', path: 't', scan: 'normal', address: opcua, write }
    const config = opcuaSchema.config.parse({ connection: { url } })
    expect(opcuaSchema.check(config, [tag]).map(({ code }) => code)).toEqual(['opcua.field-write'])
  })

  it('warns of a password that may be read on the way', () => {
    const connection = { url, user: 'u', password: '${secret:p}' }
    expect(codes({ node: 'i=1' }, connection)).toEqual([])
    expect(codes({ node: 'i=1' }, { ...connection, clearPassword: true })).toEqual(['opcua.password-in-clear'])
  })

  it('takes a dead band in units or percent, and events from a node', () => {
    const address = (serverDeadband: unknown) => opcuaSchema.address.parse({ node: 'i=1', serverDeadband }).serverDeadband
    expect(address(0.5)).toEqual({ kind: 'absolute', value: 0.5 })
    expect(address('2.5%')).toEqual({ kind: 'percent', value: 2.5 })
    expect(() => address('2 %')).toThrow()
    const problems = (opcua: object) =>
      opcuaSchema.check(opcuaSchema.config.parse({ connection: { url }, opcua }), []).map(({ code }) => code)
    expect(problems({ events: { severity: 300 } })).toEqual([])
    expect(problems({ events: { node: 'boiler' } })).toEqual(['opcua.node-syntax'])
    expect(problems({ mode: 'poll', events: {} })).toEqual(['opcua.events-need-subscription'])
  })
})
