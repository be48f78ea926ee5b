import { describe, expect, it } from 'vitest'
import { upstreamConfigSchema } from '../../../src/north/upstream/config.ts'

const url = 'mqtt://127.0.0.1:1883'
const sparkplug = { url, format: 'sparkplug', sparkplug: { group: 'munich' } }

describe('an upstream of the format sparkplug', () => {
  it.each([
    ['version', 5, 'MQTT 3.1.1'],
    ['ledger', 'property', 'by seq'],
    ['ledger', 'payload', 'by seq'],
    ['inflight', 100, 'QoS 0'],
    ['map', [{ from: 'a', to: 'b' }], 'topics of its own'],
    ['receive', [{ from: 'a/#', do: 'publish' }], 'commands of its own'],
  ])('refuses %s, which it would ignore, and says what to do', (key, value, why) => {
    const parsed = upstreamConfigSchema.safeParse({ ...sparkplug, [key]: value })
    expect(parsed.error?.issues).toMatchObject([{ path: [key], message: expect.stringContaining(why) }])
    expect(parsed.error?.issues[0]?.message).toContain(`leave ${key} out`)
    expect(upstreamConfigSchema.safeParse(key === 'map' ? { url, map: value } : { url, [key]: value }).success).toBe(true)
  })

  it.each([{ version: '3.1.1' }, { ledger: false }, { canary: '2s' }, { canary: false }, { buffer: { size: '1MiB' } }])(
    'takes %j',
    (more) => {
      expect(upstreamConfigSchema.safeParse({ ...sparkplug, ...more }).success).toBe(true)
    },
  )
})

describe('an upstream', () => {
  it('has its defaults where the site says nothing', () => {
    expect(upstreamConfigSchema.parse({ url })).toMatchObject({ ledger: 'property', inflightMax: 100, canaryMs: 10_000 })
    expect(upstreamConfigSchema.parse({ url, ledger: false, canary: false })).toMatchObject({ ledger: 'off' })
  })

  it('has no ledger in properties where it speaks 3.1.1, which knows none', () => {
    const parsed = upstreamConfigSchema.safeParse({ url, version: '3.1.1', ledger: 'property' })
    expect(parsed.error?.issues).toMatchObject([{ path: ['ledger'], message: expect.stringContaining('no properties') }])
    expect(upstreamConfigSchema.safeParse({ url, version: '3.1.1', ledger: 'payload' }).success).toBe(true)
  })
})
