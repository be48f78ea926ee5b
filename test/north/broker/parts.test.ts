import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Fault } from '../../../src/base/fault.ts'
import { matchesFilter } from '../../../src/model/topic.ts'
import { openAccess } from '../../../src/north/access/access.ts'
import { mqttConfigSchema } from '../../../src/north/broker/config.ts'
import { PacketGate } from '../../../src/north/broker/packet-gate.ts'
import { parseWish } from '../../../src/north/broker/set.ts'
import { TopicTrie } from '../../../src/north/broker/topic-trie.ts'
import { upstreamConfigSchema } from '../../../src/north/upstream/config.ts'

const level = fc.constantFrom('a', 'b', '', '$SYS')
const topic = fc.array(level, { minLength: 1, maxLength: 4 }).map((levels) => levels.join('/'))
const filter = fc
  .tuple(fc.array(fc.oneof(level, fc.constant('+')), { maxLength: 4 }), fc.boolean())
  .map(([levels, isOpen]) => [...levels, ...(isOpen ? ['#'] : [])].join('/'))

describe('the topic trie', () => {
  it('finds what the definition of a filter says, also after some were taken out', () => {
    fc.assert(
      fc.property(fc.array(filter, { maxLength: 8 }), fc.array(filter, { maxLength: 3 }), topic, (kept, removed, name) => {
        const trie = new TopicTrie<string>()
        for (const each of [...kept, ...removed]) trie.add(each, each)
        for (const each of removed) trie.remove(each, each)
        const expected = new Set(kept.filter((each) => !removed.includes(each) && matchesFilter(name, each)))
        expect(trie.match(name)).toEqual(expected)
      }),
    )
  })
})

/** As MQTT 2.2.3 has it, written down the long way. */
function lengthField(length: number): number[] {
  if (length < 128) return [length]
  return [(length % 128) + 128, ...lengthField(Math.floor(length / 128))]
}

describe('the packet gate', () => {
  it('counts packets right and lets them pass, however the stream is cut', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(400), { maxLength: 6 }), fc.integer({ min: 1, max: 700 }), (lengths, cut) => {
        const stream = Buffer.concat(
          lengths.map((length) => Buffer.from([0x30, ...lengthField(length), ...new Array<number>(length).fill(0x30)])),
        )
        const gate = new PacketGate({ packetBytesMax: 500 })
        for (let place = 0; place < stream.length; place += cut) expect(gate.admits(stream.subarray(place, place + cut))).toBe(true)
        expect(gate.packets).toBe(lengths.length)
      }),
    )
  })

  it('says no at the length field, before the packet has come', () => {
    const gate = new PacketGate({ packetBytesMax: 500 })
    expect(gate.admits(Buffer.from([0x30, 0xff]))).toBe(true)
    expect(gate.admits(Buffer.from([0x7f]))).toBe(false)
  })
})

describe('a set payload', () => {
  it('is understood, or refused with a Fault, whatever it is', () => {
    const type = fc.constantFrom('bool', 'i16', 'u64', 'f32', 'string', 'bytes', 'time', undefined)
    const payload = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      fc.json().map((text) => Buffer.from(text)),
    )
    fc.assert(
      fc.property(payload, type, (bytes, wanted) => {
        try {
          parseWish(bytes, wanted === undefined ? {} : { type: wanted })
        } catch (error) {
          expect(error).toBeInstanceOf(Fault)
        }
      }),
    )
  })
})

describe('access without users', () => {
  const admit = (anonymous: unknown, credentials: object) =>
    openAccess({}).at('mqtt', mqttConfigSchema.parse({ anonymous }).anonymous).admit(credentials)

  it.each([
    [false, '127.0.0.1', 'access.anonymous'],
    [true, '127.0.0.1', 'viewer'],
    [true, '::1', 'viewer'],
    [true, '::ffff:127.0.0.1', 'viewer'],
    [true, '10.1.7.20', 'access.anonymous-remote'],
    [true, '::ffff:10.127.0.1', 'access.anonymous-remote'],
    [true, undefined, 'access.anonymous-remote'],
    [{ role: 'operator' }, '127.0.0.1', 'operator'],
    [{ role: 'operator' }, '10.1.7.20', 'access.anonymous-remote'],
    [{ role: 'viewer', anywhere: true }, '10.1.7.20', 'viewer'],
  ])('where anonymous is %j takes %s for: %s', async (anonymous, remoteAddress, expected) => {
    const admission = await admit(anonymous, remoteAddress === undefined ? {} : { remoteAddress })
    expect(admission.isAdmitted ? admission.role : admission.fault.code).toBe(expected)
  })

  it('refuses credentials that nobody can check', async () => {
    const admission = await admit(true, { remoteAddress: '127.0.0.1', user: 'admin', password: Buffer.from('admin') })
    expect(admission).toMatchObject({ isAdmitted: false, fault: { code: 'access.user-unknown' } })
  })
})

describe('the schema of an upstream', () => {
  const isValid = (config: object) => upstreamConfigSchema.safeParse({ url: 'mqtt://plant.example', ...config }).success

  it.each(['mqtt://10.0.0.1', 'mqtts://plant.example:8883', 'mqtt://[::1]:1883/'])('takes %s', (url) => {
    expect(isValid({ url })).toBe(true)
  })

  it.each(['plant.example:1883', 'http://plant.example', 'mqtt://user:password@plant.example', 'mqtt://plant.example/path', 'mqtt://'])(
    'refuses %s',
    (url) => {
      expect(isValid({ url })).toBe(false)
    },
  )

  it.each(['#', 'a/+/c', '+/#', '/', 'a//b'])('takes the topic filter %j', (filter) => expect(isValid({ send: [filter] })).toBe(true))
  it.each(['', 'a#', 'a/#/b', 'a+/b', '#/a'])('refuses the topic filter %j', (filter) => expect(isValid({ send: [filter] })).toBe(false))

  it('refuses a password in the open, and one without a user', () => {
    expect(isValid({ user: 'edge', password: 'swordfish' })).toBe(false)
    expect(isValid({ password: '${secret:plant}' })).toBe(false)
    expect(isValid({ user: 'edge', password: '${secret:plant}' })).toBe(true)
  })
})
