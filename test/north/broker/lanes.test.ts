import { once } from 'node:events'
import type { Socket } from 'node:net'
import fc from 'fast-check'
import { generate, type IPublishPacket, type Packet, parser } from 'mqtt-packet'
import { describe, expect, it, vi } from 'vitest'
import { copyPublish, publishBytes, publishOverheadMax } from '../../../src/north/broker/publish-bytes.ts'
import { connectClient, connectPacket, connectSocket, type Gateway, startGateway, subscribePacket } from './gateway.ts'

const anybody = { anonymous: { role: 'engineer' } }

async function connectPlain(gateway: Gateway, clientId: string): Promise<Socket> {
  const socket = await connectSocket(gateway)
  const answered = once(socket, 'data')
  socket.write(connectPacket(clientId))
  await answered
  return socket
}

function publish(topic: string, payload: string | Buffer, { qos = 0, id = 1, retain = false } = {}): Buffer {
  return generate({ cmd: 'publish', topic, payload, qos: qos as 0 | 1, retain, dup: false, ...(qos > 0 ? { messageId: id } : {}) })
}

/** What the library reads of some bytes. */
function packetsIn(bytes: Buffer): readonly IPublishPacket[] {
  const packets: IPublishPacket[] = []
  const parsing = parser({ protocolVersion: 4 })
  parsing.on('packet', (packet: Packet) => void (packet.cmd === 'publish' && packets.push(packet)))
  parsing.parse(bytes)
  return packets
}

describe('a PUBLISH that is passed on as bytes', () => {
  it('is the same message to the library, with or without an identifier, wherever it comes from', () => {
    const topic = fc.string({ minLength: 1, maxLength: 200, unit: 'grapheme' }).filter((text) => !/[+#\0]/.test(text))
    const message = fc.record({ topic, payload: fc.uint8Array({ maxLength: 20_000 }), qos: fc.constantFrom(0, 1), dup: fc.boolean() })
    const given = fc.option(fc.integer({ min: 1, max: 65_535 }), { nil: undefined })
    fc.assert(
      fc.property(message, given, fc.nat(20), fc.boolean(), ({ topic: name, payload, qos, dup }, packetId, offset, isMade) => {
        const original = generate({
          cmd: 'publish',
          topic: name,
          payload: Buffer.from(payload),
          qos: qos as 0 | 1,
          retain: false,
          dup: dup && qos > 0,
          ...(qos > 0 ? { messageId: 7 } : {}),
        })
        const bodyStart = original.findIndex((byte, place) => place > 0 && byte < 128) + 1 // not where the name is found: "0" is a header as well
        const topicEnd = bodyStart + 2 + Buffer.byteLength(name)
        const read = { bytes: original, start: 0, bodyStart, topicEnd, end: original.length, hasId: qos > 0 }
        const packet = isMade ? publishBytes(name, payload) : read
        const target = Buffer.alloc(offset + packet.end - packet.start + publishOverheadMax)
        const end = copyPublish(target, offset, { packet, ...(packetId === undefined ? {} : { packetId }) })
        const [copy, ...others] = packetsIn(target.subarray(offset, end))
        expect(others).toEqual([])
        expect(copy).toMatchObject({ topic: name, qos: packetId === undefined ? 0 : 1, dup: false, retain: false })
        expect(copy?.messageId).toBe(packetId)
        expect(Buffer.from(copy?.payload ?? '').equals(Buffer.from(payload))).toBe(true)
      }),
    )
  })
})

describe('packets on their way in', () => {
  it('are understood however they are cut, small ones and large ones, and come out whole and in order', { timeout: 30_000 }, async () => {
    await using gateway = await startGateway({ mqtt: anybody })
    await using reader = await connectClient(gateway)
    await reader.mqtt.subscribeAsync('cut/#', { qos: 1 })
    const socket = await connectPlain(gateway, 'cutter')
    socket.resume()
    const sizes = [0, 1, 100, 127, 128, 200_000, 3, 70_000, 65_000, 20_000, 1, 1, 1, 150_000, 2]
    const all = Buffer.concat(sizes.map((size, n) => publish(`cut/${n}`, Buffer.alloc(size, n + 65), { qos: n % 2, id: n + 1 })))
    for (let at = 0, step = 1; at < all.length; at += step, step = (step * 7 + 3) % 9_973) {
      if (!socket.write(all.subarray(at, at + Math.max(1, step)))) await once(socket, 'drain')
      if (step % 3 === 0) await new Promise((resolve) => setImmediate(resolve))
      if (step === 0) at += 1
    }
    await vi.waitFor(() => expect(reader.got).toHaveLength(sizes.length), 10_000)
    for (const qos of [0, 1]) {
      const got = reader.got.filter((message) => message.qos === qos)
      const wanted = sizes.flatMap((size, n) =>
        n % 2 === qos ? [[`cut/${n}`, size, size === 0 ? undefined : String.fromCharCode(n + 65)]] : [],
      )
      expect(got.map(({ topic, payload }) => [topic, payload.length, payload.at(-1)])).toEqual(wanted)
    }
    socket.destroy()
  })

  it('keep the order of their topic where plain, retained and kept messages take turns', async () => {
    await using gateway = await startGateway({ mqtt: anybody })
    await using session = await connectClient(gateway, { clientId: 'mes', clean: false })
    await session.mqtt.subscribeAsync('turns/kept', { qos: 1 })
    await using plain = await connectClient(gateway)
    await plain.mqtt.subscribeAsync(['turns/kept', 'turns/free'], { qos: 1 })
    const socket = await connectPlain(gateway, 'writer')
    const acknowledged: number[] = []
    socket.on('data', (bytes: Buffer) => {
      for (let at = 0; at < bytes.length; at += 4) acknowledged.push(bytes.readUInt16BE(at + 2))
    })
    const count = 300
    const numbers = Array.from({ length: count }, (_, n) => n + 1)
    const topicOf = (n: number): string => (Math.floor(n / 10) % 2 === 0 ? 'turns/free' : 'turns/kept')
    socket.write(Buffer.concat(numbers.map((n) => publish(topicOf(n), String(n), { qos: 1, id: n, retain: n % 3 === 0 }))))
    await vi.waitFor(() => expect(plain.got).toHaveLength(count))
    await vi.waitFor(() => expect(acknowledged).toHaveLength(count))
    expect(acknowledged).toEqual(numbers)
    for (const topic of ['turns/free', 'turns/kept']) {
      const got = plain.got.filter((message) => message.topic === topic).map(({ payload }) => Number(payload))
      expect(got).toEqual(numbers.filter((n) => topicOf(n) === topic))
    }
    await vi.waitFor(() =>
      expect(session.got.map(({ payload }) => Number(payload))).toEqual(numbers.filter((n) => topicOf(n) === 'turns/kept')),
    )
    socket.destroy()
  })

  it.each([
    ['a topic longer than its packet', Buffer.from([0x30, 4, 0, 9, 0x61, 0x62])],
    ['no topic at all', Buffer.from([0x30, 2, 0, 0])],
    ['QoS 1 without room for an identifier', Buffer.from([0x32, 4, 0, 2, 0x61, 0x62])],
    ['QoS 3', Buffer.from([0x36, 5, 0, 1, 0x61, 0, 1])],
    ['a wildcard in a topic', publish('a/+/b', 'x')],
    ['a hundred and one levels', publish('a/'.repeat(101), 'x')],
    ['flags that PUBACK has not', Buffer.from([0x41, 2, 0, 1])],
    ['a packet of a server', Buffer.from([0xd0, 0, 0x20, 2, 0, 0])],
  ])('end their connection at %s behind good ones, and nobody else is any the wiser', async (_what, bytes) => {
    await using gateway = await startGateway({ mqtt: anybody })
    await using reader = await connectClient(gateway)
    await reader.mqtt.subscribeAsync('#')
    const socket = await connectPlain(gateway, 'odd')
    socket.resume()
    const closed = once(socket, 'close')
    socket.write(Buffer.concat([publish('good', 'one'), bytes]))
    await closed
    await reader.mqtt.publishAsync('still', 'here', { qos: 1 })
    await vi.waitFor(() =>
      expect(reader.got.filter(({ topic }) => !topic.startsWith('lineside/'))).toMatchObject([{ topic: 'good' }, { topic: 'still' }]),
    )
  })

  it('count for the keep-alive of their client', { timeout: 15_000 }, async () => {
    await using gateway = await startGateway({ mqtt: anybody })
    const socket = await connectSocket(gateway)
    socket.resume()
    const hello = connectPacket('talker')
    hello[11] = 1 // s
    socket.write(hello)
    const closed = once(socket, 'close').then(() => performance.now())
    const began = performance.now()
    let talked = 0
    const talking = setInterval(() => {
      talked += 1
      socket.write(publish('talk', 'x'))
    }, 200)
    await vi.waitFor(() => expect(talked).toBeGreaterThan(15), 10_000)
    clearInterval(talking)
    expect((await closed) - began).toBeGreaterThan(3_000)
  })

  it('of 100,000 topics, half of them to be retained, cost bounded memory and nobody else his answer', { timeout: 60_000 }, async () => {
    const limits = { messageRate: 1_000_000, retained: 1_000 }
    await using gateway = await startGateway({ mqtt: { ...anybody, limits } })
    await using reader = await connectClient(gateway)
    await reader.mqtt.subscribeAsync('other')
    const socket = await connectPlain(gateway, 'many')
    socket.resume()
    const before = process.memoryUsage().rss
    for (let n = 0; n < 100_000; n += 100) {
      const some = Array.from({ length: 100 }, (_, k) => publish(`plant/${n + k}/value`, 'x'.repeat(50), { retain: k % 2 === 0 }))
      if (!socket.write(Buffer.concat(some))) await once(socket, 'drain')
    }
    await reader.mqtt.publishAsync('other', 'here', { qos: 1 })
    await vi.waitFor(() => expect(gateway.metric('lineside_mqtt_received_total')).toBe(100_001), 30_000)
    expect(gateway.metric('lineside_mqtt_retained')).toBe(1_000)
    expect(gateway.metric('lineside_mqtt_retained_refused_total')).toBeGreaterThanOrEqual(49_000)
    expect(reader.got).toMatchObject([{ payload: 'here' }])
    expect((process.memoryUsage().rss - before) / 1e6).toBeLessThan(150)
    socket.destroy()
  })

  it('reach who watches below a prefix, and no topic that is the gateway’s', async () => {
    await using gateway = await startGateway({ mqtt: anybody })
    const seen: string[] = []
    using _watching = gateway.broker.watch('spBv1.0/', (topic, payload) => seen.push(`${topic} ${Buffer.from(payload).toString()}`))
    const socket = await connectPlain(gateway, 'node')
    socket.resume()
    socket.write(
      Buffer.concat([publish('spBv1.0/a', '1'), publish('lineside/edge-07/status', 'mine'), publish('spBv1.0/b', '2', { qos: 1 })]),
    )
    await vi.waitFor(() => expect(seen).toEqual(['spBv1.0/a 1', 'spBv1.0/b 2']))
    expect(gateway.metric('lineside_mqtt_incidents_total', { kind: 'notPublished' })).toBe(1)
    socket.destroy()
  })
})

describe('what leaves in one piece', () => {
  it('holds each packet in its order: acknowledgements, messages and answers', async () => {
    await using gateway = await startGateway({ mqtt: anybody })
    const socket = await connectPlain(gateway, 'both')
    const types: number[] = []
    let held = Buffer.alloc(0)
    socket.on('data', (bytes: Buffer) => {
      held = Buffer.concat([held, bytes])
      while (held.length >= 2 && held.length >= 2 + (held[1] ?? 0)) {
        types.push((held[0] ?? 0) >> 4)
        held = held.subarray(2 + (held[1] ?? 0))
      }
    })
    socket.write(subscribePacket('echo'))
    await vi.waitFor(() => expect(types).toEqual([9]))
    const ping = Buffer.from([0xc0, 0])
    socket.write(Buffer.concat([publish('echo', 'a'), publish('echo', 'b', { qos: 1, id: 3 }), ping, publish('echo', 'c')]))
    await vi.waitFor(() => expect(types).toHaveLength(6))
    expect(types.filter((type) => type !== 13)).toEqual([9, 3, 3, 4, 3])
    socket.destroy()
  })
})
