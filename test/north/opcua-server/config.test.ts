import { describe, expect, it } from 'vitest'
import { doubtsOfOpcuaServer, opcuaServerConfigSchema } from '../../../src/north/opcua-server/config.ts'

describe('the schema of the OPC UA server', () => {
  it('lets nobody in without a user, encrypts, and listens to this machine only, unless told otherwise', () => {
    const config = opcuaServerConfigSchema.parse({})
    expect(config).toMatchObject({ port: 4840, host: '127.0.0.1' })
    expect(config.anonymous).toBeUndefined()
    expect(config.security.every((one) => one.endsWith('/SignAndEncrypt'))).toBe(true)
    expect(doubtsOfOpcuaServer(config)).toEqual([])
  })

  it.each([
    [true, { role: 'viewer', isFromAnywhere: false }],
    [{ role: 'operator' }, { role: 'operator', isFromAnywhere: false }],
    [{ anywhere: true }, { role: 'viewer', isFromAnywhere: true }],
  ])('understands anonymous: %o as %o', (anonymous, meant) => {
    expect(opcuaServerConfigSchema.parse({ anonymous }).anonymous).toEqual(meant)
  })

  it('doubts an open endpoint and anonymous clients', () => {
    const config = opcuaServerConfigSchema.parse({ security: ['Basic256Sha256/Sign', 'None'], anonymous: true })
    expect(doubtsOfOpcuaServer(config)).toMatchObject([
      { path: ['security', 1], code: 'opcua-server.unencrypted' },
      { path: ['anonymous'], code: 'opcua-server.anonymous' },
    ])
  })
})
