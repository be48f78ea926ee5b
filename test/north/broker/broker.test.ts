import { once } from 'node:events'
import { describe, expect, it, vi } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { asTagIndex } from '../../../src/model/tag.ts'
import { openAccess } from '../../../src/north/access/access.ts'
import { startBroker } from '../../../src/north/broker/broker.ts'
import { mqttConfigSchema } from '../../../src/north/broker/config.ts'
import { forgetfulStore } from '../../support/session-store.ts'
import { startProgram } from '../support/program.ts'
import {
  connectClient,
  connectPacket,
  connectSocket,
  type Gateway,
  memoryLog,
  sample,
  site,
  startGateway,
  subscribePacket,
  tagMeta,
} from './gateway.ts'

const incident = (gateway: Gateway, kind: string) => gateway.metric('lineside_mqtt_incidents_total', { kind })

async function connectStalled(gateway: Gateway, filter: string) {
  const socket = await connectSocket(gateway)
  socket.write(Buffer.concat([connectPacket('stalled'), subscribePacket(filter)]))
  await vi.waitFor(() => expect(socket.bytesRead).toBeGreaterThanOrEqual(9)) // CONNACK, SUBACK
  socket.pause()
  return socket
}

describe('a subscriber that stops reading', () => {
  it('delays nobody, gets no more than its bound in memory, and is disconnected', { timeout: 60_000 }, async () => {
    const count = 2_000
    const metas = Array.from({ length: count }, (_, n) => tagMeta(`device/tag-${n}`, { type: 'string' }))
    await using gateway = await startGateway({ metas, mqtt: { anonymous: { role: 'operator' }, limits: { unread: '1MiB' } } })
    const stalled = await connectStalled(gateway, '#')
    await using reader = await connectClient(gateway)
    await reader.mqtt.subscribeAsync(`${site}/#`)
    let slowestMs = 0
    let round = 0
    await vi.waitFor(
      async () => {
        round += 1
        const value = `${round} ${'x'.repeat(200)}`
        const started = performance.now()
        gateway.tags.take(metas.map((_, n) => ({ tag: asTagIndex(n), sample: sample(value) })))
        await vi.waitFor(() => expect(reader.got.at(-1)?.payload.startsWith(`{"value":"${round} `)).toBe(true), { interval: 5 })
        slowestMs = Math.max(slowestMs, performance.now() - started)
        reader.got.length = 0
        expect(incident(gateway, 'stalled')).toBe(1)
      },
      { timeout: 50_000, interval: 50 },
    )
    expect(slowestMs).toBeLessThan(2_000)
    expect(round).toBeGreaterThan(20)
    expect(gateway.metric('lineside_mqtt_values_overtaken_total')).toBeGreaterThan(count)
    expect(gateway.log.lines.filter(({ message }) => message.includes('reads nothing'))).toHaveLength(1)
    stalled.destroy()
  })

  it('holds up neither the client that publishes to it nor anybody else, while a thousand messages wait for it', async () => {
    await using gateway = await startGateway({ mqtt: { anonymous: { role: 'operator' }, limits: { unread: '256MiB' } } })
    const stalled = await connectStalled(gateway, 'flood')
    await using writer = await connectClient(gateway)
    await using reader = await connectClient(gateway)
    await reader.mqtt.subscribeAsync('other')
    for (let n = 0; n < 2_000; n += 1) await writer.mqtt.publishAsync('flood', Buffer.alloc(16 * 1024), { qos: 0 })
    await writer.mqtt.publishAsync('other', 'hello', { qos: 1 })
    await vi.waitFor(() => expect(reader.got).toMatchObject([{ payload: 'hello' }]), { timeout: 5_000 })
    expect(incident(gateway, 'stalled')).toBe(0)
    stalled.destroy()
  })

  it('is disconnected at once where QoS 1 messages pile up', async () => {
    await using gateway = await startGateway({ mqtt: { anonymous: { role: 'operator' }, limits: { unread: '256KiB' } } })
    const stalled = await connectSocket(gateway)
    const text = Buffer.from('flood')
    const subscribeQos1 = Buffer.concat([Buffer.from([0x82, 5 + text.length, 0, 1, 0, text.length]), text, Buffer.from([1])])
    stalled.write(Buffer.concat([connectPacket('stalled'), subscribeQos1]))
    await vi.waitFor(() => expect(stalled.bytesRead).toBeGreaterThanOrEqual(9))
    stalled.pause()
    await using writer = await connectClient(gateway)
    await vi.waitFor(
      async () => {
        for (let n = 0; n < 50; n += 1) await writer.mqtt.publishAsync('flood', Buffer.alloc(64 * 1024), { qos: 1 })
        expect(incident(gateway, 'overrun')).toBe(1)
      },
      { timeout: 15_000, interval: 1 },
    )
    expect(gateway.events).toMatchObject([
      { type: 'mqtt.client-dropped', subject: 'stalled', data: { reason: 'overrun', address: '127.0.0.1', times: 1 } },
    ])
    stalled.destroy()
  })
})

describe('a slow subscriber', () => {
  it('ends with the latest of every value', async () => {
    const count = 2_000
    const metas = Array.from({ length: count }, (_, n) => tagMeta(`device/tag-${n}`, { type: 'string' }))
    await using gateway = await startGateway({ metas, mqtt: { anonymous: { role: 'operator' }, limits: { unread: '256KiB' } } })
    await using reader = await connectClient(gateway)
    await reader.mqtt.subscribeAsync(`${site}/#`)
    reader.mqtt.stream.pause()
    for (let round = 1; round <= 30; round += 1) {
      const value = `${round} ${'x'.repeat(500)}`
      gateway.tags.take(metas.map((_, n) => ({ tag: asTagIndex(n), sample: sample(value) })))
      await new Promise((resolve) => setImmediate(resolve))
    }
    reader.mqtt.stream.resume()
    const latest = () => new Map(reader.got.map(({ topic, payload }) => [topic, payload.slice(0, 13)]))
    await vi.waitFor(() => expect([...new Set(latest().values())]).toEqual(['{"value":"30 ']), { timeout: 10_000 })
    expect(latest().size).toBe(count)
    expect(reader.got.length).toBeLessThan(30 * count)
  })
})

describe('the broker', () => {
  it('disconnects who announces a packet that is too large, before it has come', async () => {
    await using gateway = await startGateway({ mqtt: { anonymous: { role: 'operator' }, limits: { packet: '1KiB' } } })
    const socket = await connectSocket(gateway)
    socket.resume()
    socket.write(Buffer.concat([connectPacket('large'), Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f, 0, 3]), Buffer.from('a/b')]))
    await once(socket, 'close')
    expect(incident(gateway, 'tooLarge')).toBe(1)
    expect(gateway.log.lines.find(({ level }) => level === 'warn')?.fields).toMatchObject({ topic: 'a/b', packetBytesMax: 1_024 })
  })

  it.each([
    ['no MQTT at all', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['a length field of five bytes', Buffer.from([0x10, 0xff, 0xff, 0xff, 0xff, 0x7f])],
    ['a PUBLISH before its CONNECT', Buffer.from([0x30, 3, 0, 1, 0x61])],
    ['a second CONNECT', Buffer.concat([connectPacket('twice'), connectPacket('twice')])],
    ['a wildcard in a topic', Buffer.concat([connectPacket('wild'), Buffer.from([0x30, 3, 0, 1, 0x23])])],
    ['QoS 3', Buffer.concat([connectPacket('three'), Buffer.from([0x36, 5, 0, 1, 0x61, 0, 1])])],
    ['random bytes', Buffer.from(Array.from({ length: 4_000 }, (_, n) => (n * 7_919) % 251))],
  ])('closes the connection at %s, and serves the others on', async (_what, bytes) => {
    await using gateway = await startGateway()
    const socket = await connectSocket(gateway)
    socket.resume()
    socket.write(bytes)
    await once(socket, 'close')
    await using client = await connectClient(gateway)
    await client.mqtt.publishAsync('still', 'here', { qos: 1 })
  })

  it('closes a connection whose CONNECT does not come', { timeout: 15_000 }, async () => {
    await using gateway = await startGateway()
    const socket = await connectSocket(gateway)
    socket.resume()
    socket.write(connectPacket('slow').subarray(0, 5))
    await once(socket, 'close')
  })

  it('turns away more clients than it is to have', async () => {
    await using gateway = await startGateway({ mqtt: { anonymous: { role: 'operator' }, limits: { clients: 1 } } })
    await using _first = await connectClient(gateway)
    await expect(connectClient(gateway)).rejects.toThrow()
    expect(incident(gateway, 'tooMany')).toBe(1)
  })

  it('closes a connection whose CONNECT has a will of QoS 3, which would have its readers thrown out', async () => {
    await using gateway = await startGateway()
    await using reader = await connectClient(gateway)
    await reader.mqtt.subscribeAsync('will', { qos: 2 })
    const socket = await connectSocket(gateway)
    const answer: Buffer[] = []
    socket.on('data', (bytes: Buffer) => answer.push(bytes))
    const closed = once(socket, 'close')
    const [head, will] = [connectPacket('x', 0x1e), Buffer.from('\0\x04will\0\x01y')]
    socket.write(Buffer.concat([Buffer.from([0x10, head.length - 2 + will.length]), head.subarray(2), will]))
    await vi.waitFor(() => expect(gateway.metric('lineside_mqtt_incidents_total', { kind: 'malformed' })).toBe(1))
    await closed
    expect(answer).toEqual([])
    await reader.mqtt.publishAsync('will', 'sound', { qos: 2 })
    await vi.waitFor(() => expect(reader.got).toMatchObject([{ payload: 'sound', qos: 2 }]))
  })

  it('tells the log who wants MQTT 5 of it, and that it speaks 3.1.1', async () => {
    await using gateway = await startGateway()
    await expect(connectClient(gateway, { protocolVersion: 5 })).rejects.toThrow('refused')
    const lines = gateway.log.lines.filter(({ level }) => level === 'warn')
    expect(lines).toMatchObject([{ message: expect.stringContaining('this broker speaks 3.1.1'), fields: { address: '127.0.0.1' } }])
  })

  it('refuses an empty client id that wants a session, with return code 2', async () => {
    await using gateway = await startGateway()
    const socket = await connectSocket(gateway)
    socket.write(connectPacket('', 0x00))
    const [answer] = await once(socket, 'data')
    expect([...(answer as Buffer)]).toEqual([0x20, 2, 0, 2])
    socket.destroy()
  })

  it('refuses shared subscriptions and its own $ topics in the SUBACK, and grants the rest', async () => {
    await using gateway = await startGateway()
    await using client = await connectClient(gateway)
    const granted = await client.mqtt
      .subscribeAsync(['$share/group/a', '$SYS/#', 'a'])
      .catch((error: { packet?: { granted: number[] } }) => error)
    const codes = Array.isArray(granted) ? granted.map(({ qos }) => qos) : granted.packet?.granted
    expect(codes).toEqual([128, 128, 0])
  })

  it('passes nothing on that a client of mosquitto hangs up on', { timeout: 20_000 }, async () => {
    await using gateway = await startGateway()
    await using client = await connectClient(gateway)
    for (const topic of ['a/\u0001', 'a/\u009f', 'a/\ufffe', 'a/\ufdd0', 'a/\u{1ffff}', 'a/fine']) {
      await client.mqtt.publishAsync(topic, 'x', { qos: 1, retain: true })
    }
    await gateway.broker.publish([
      { topic: 'a/of-a-flow\n', payload: 'x', qos: 1, isRetained: true },
      { topic: 'a/of-a-flow', payload: 'x', qos: 1, isRetained: true },
    ])
    const port = String(gateway.port)
    await using reader = startProgram('/usr/bin/mosquitto_sub', ['-p', port, '-t', 'a/#', '-v', '-C', '2', '-W', '10'])
    expect(await reader.exit).toBe(0)
    expect(reader.lines.toSorted()).toEqual(['a/fine x', 'a/of-a-flow x'])
    expect([incident(gateway, 'notPublished'), incident(gateway, 'unfit')]).toEqual([5, 1])
  })

  it('refuses in the SUBACK a filter that could never bring anything', async () => {
    await using gateway = await startGateway()
    const socket = await connectSocket(gateway)
    socket.write(connectPacket('fresh'))
    await once(socket, 'data')
    for (const [filter, code] of [
      ['a#', 128],
      ['a+/b', 128],
      ['a/+b', 128],
      ['a\0', 128],
      ['a\ufffe', 128],
      ['/', 0],
      ['+/a/#', 0],
      ['a//+', 0],
    ] as const) {
      socket.write(subscribePacket(filter))
      const [answer] = await once(socket, 'data')
      expect([filter, ...(answer as Buffer)]).toEqual([filter, 0x90, 3, 0, 1, code])
    }
    socket.destroy()
  })

  it('refuses a filter beyond the limit of one client', async () => {
    await using gateway = await startGateway({ mqtt: { anonymous: { role: 'operator' }, limits: { subscriptions: 2 } } })
    await using client = await connectClient(gateway)
    await client.mqtt.subscribeAsync(['a', 'b'])
    await expect(client.mqtt.subscribeAsync('c')).rejects.toThrow()
    await client.mqtt.subscribeAsync('a')
    await client.mqtt.unsubscribeAsync('a')
    await client.mqtt.subscribeAsync('c')
  })

  it.each([
    [2, '+/x', 1, 1],
    [2, 'level/#', 0, 0],
    [1, '+/x', 2, 1],
    [2, '+/x', 2, 2],
    [1, 'level/+', 0, 0],
  ] as const)(
    'delivers QoS %i through the filter %s granted at %i with QoS %i, live and retained',
    async (published, filter, granted, delivered) => {
      await using gateway = await startGateway()
      await using reader = await connectClient(gateway)
      await using writer = await connectClient(gateway)
      await reader.mqtt.subscribeAsync(filter, { qos: granted })
      await writer.mqtt.publishAsync('level/x', 'live', { qos: published, retain: true })
      await vi.waitFor(() => expect(reader.got).toMatchObject([{ qos: delivered, isRetained: false }]))
      await reader.mqtt.subscribeAsync(filter, { qos: granted })
      await vi.waitFor(() => expect(reader.got[1]).toMatchObject({ qos: delivered, isRetained: true }))
      await writer.mqtt.publishAsync('level/x', 'not to be retained', { qos: published })
      await vi.waitFor(() => expect(reader.got[2]).toMatchObject({ qos: delivered, isRetained: false }))
    },
  )

  it('delivers once, with the highest QoS granted, where filters overlap', async () => {
    await using gateway = await startGateway()
    await using client = await connectClient(gateway)
    await client.mqtt.subscribeAsync('#', { qos: 0 })
    await client.mqtt.subscribeAsync('level/x', { qos: 1 })
    await client.mqtt.subscribeAsync('level/+', { qos: 0 })
    await client.mqtt.publishAsync('level/x', 'one', { qos: 1 })
    await client.mqtt.publishAsync('level/y', 'two', { qos: 1 })
    await vi.waitFor(() => expect(client.got.some(({ topic }) => topic === 'level/y')).toBe(true))
    expect(client.got.filter(({ topic }) => topic === 'level/x')).toMatchObject([{ qos: 1 }])
  })

  it('keeps QoS 1 messages for a session that is away, as many as it may, and its values are current when it returns', async () => {
    await using gateway = await startGateway({ mqtt: { anonymous: { role: 'operator' }, limits: { offlineMessages: 3 } } })
    const options = { clientId: 'keeper', clean: false }
    const keeper = await connectClient(gateway, options)
    await keeper.mqtt.subscribeAsync(['jobs/+', `${site}/#`], { qos: 1 })
    await keeper[Symbol.asyncDispose]()
    await using writer = await connectClient(gateway)
    for (let n = 1; n <= 5; n += 1) await writer.mqtt.publishAsync(`jobs/${n}`, 'x', { qos: 1 })
    gateway.set('press-07/hydraulics/pressure', 5)
    await vi.waitFor(() => expect(gateway.metric('lineside_mqtt_offline_lost_total')).toBe(2))
    await using back = await connectClient(gateway, options)
    const expected = ['jobs/1', 'jobs/2', 'jobs/3', `${site}/press-07/hydraulics/pressure`]
    await vi.waitFor(() => expect(back.got.map(({ topic }) => topic).toSorted()).toEqual(expected.toSorted()))
    await vi.waitFor(() => expect(gateway.metric('lineside_mqtt_offline_messages')).toBe(0))
  })

  it('keeps no more bytes for those who are away than it may', async () => {
    await using gateway = await startGateway({ mqtt: { anonymous: { role: 'operator' }, limits: { offlineSize: '2KiB' } } })
    const options = { clientId: 'keeper', clean: false }
    const keeper = await connectClient(gateway, options)
    await keeper.mqtt.subscribeAsync('jobs/+', { qos: 1 })
    await keeper[Symbol.asyncDispose]()
    await using writer = await connectClient(gateway)
    for (let n = 1; n <= 5; n += 1) await writer.mqtt.publishAsync(`jobs/${n}`, Buffer.alloc(1_000), { qos: 1 })
    await using back = await connectClient(gateway, options)
    await vi.waitFor(() => expect(back.got.map(({ topic }) => topic)).toEqual(['jobs/1', 'jobs/2']))
    expect(gateway.metric('lineside_mqtt_offline_lost_total')).toBe(3)
  })

  it('keeps no more sessions than it may, and lets those who have one come back to it', async () => {
    await using gateway = await startGateway({ mqtt: { anonymous: { role: 'operator' }, limits: { sessions: 1 } } })
    const options = { clientId: 'one', clean: false }
    const first = await connectClient(gateway, options)
    await first.mqtt.subscribeAsync('jobs/+', { qos: 1 })
    await first[Symbol.asyncDispose]()
    await expect(connectClient(gateway, { clientId: 'two', clean: false })).rejects.toThrow()
    expect(incident(gateway, 'tooManySessions')).toBe(1)
    await using _back = await connectClient(gateway, options)
    await using _withoutSession = await connectClient(gateway)
  })

  it('stands a session with a QoS 2 subscription and a retained QoS 2 message', async () => {
    await using gateway = await startGateway()
    await using writer = await connectClient(gateway)
    await writer.mqtt.publishAsync('recipe', 'cola', { qos: 2, retain: true })
    await using reader = await connectClient(gateway, { clientId: 'keeper', clean: false })
    await reader.mqtt.subscribeAsync('recipe', { qos: 2 })
    await vi.waitFor(() => expect(reader.got).toMatchObject([{ payload: 'cola' }]))
    await writer.mqtt.publishAsync('recipe', 'lemonade', { qos: 2 })
    await vi.waitFor(() => expect(reader.got).toHaveLength(2))
    expect(reader.mqtt.connected).toBe(true)
  })

  it('publishes the will of a client that is lost', async () => {
    await using gateway = await startGateway()
    await using reader = await connectClient(gateway)
    await reader.mqtt.subscribeAsync('wills/#')
    const doomed = await connectClient(gateway, { will: { topic: 'wills/1', payload: Buffer.from('gone'), qos: 1, retain: false } })
    doomed.mqtt.stream.destroy()
    await vi.waitFor(() => expect(reader.got).toMatchObject([{ topic: 'wills/1', payload: 'gone' }]))
  })

  it('retains no more than it may, and says how many it did not', async () => {
    await using gateway = await startGateway({ mqtt: { anonymous: { role: 'operator' }, limits: { retained: 3 } } })
    await using client = await connectClient(gateway)
    for (let n = 1; n <= 5; n += 1) await client.mqtt.publishAsync(`keep/${n}`, 'x', { qos: 1, retain: true })
    await client.mqtt.subscribeAsync('keep/#')
    await vi.waitFor(() => expect(client.got.map(({ topic }) => topic)).toEqual(['keep/1', 'keep/2'])) // the third is the status of the node
    expect(gateway.metric('lineside_mqtt_retained_refused_total')).toBe(3)
  })

  it('retains no more bytes than it may, and says how many messages it did not', async () => {
    await using gateway = await startGateway({ mqtt: { anonymous: { role: 'operator' }, limits: { retainedSize: '2KiB' } } })
    await using client = await connectClient(gateway)
    for (let n = 1; n <= 5; n += 1) await client.mqtt.publishAsync(`keep/${n}`, Buffer.alloc(900), { qos: 1, retain: true })
    await client.mqtt.subscribeAsync('keep/#')
    await vi.waitFor(() => expect(client.got.map(({ topic }) => topic)).toEqual(['keep/1', 'keep/2']))
    expect(gateway.metric('lineside_mqtt_retained_refused_total')).toBe(3)
  })

  it('does not let a viewer publish, nor anybody in who is unknown', async () => {
    await using gateway = await startGateway({ mqtt: { anonymous: true } })
    await using viewer = await connectClient(gateway)
    await viewer.mqtt.subscribeAsync('chat')
    await viewer.mqtt.publishAsync('chat', 'hello', { qos: 1 })
    expect(incident(gateway, 'notPublished')).toBe(1)
    await expect(connectClient(gateway, { username: 'admin', password: 'admin' })).rejects.toThrow()
    expect(JSON.stringify(gateway.log.lines)).not.toContain('admin')
  })

  it('refuses everybody by default, and tells the log once', async () => {
    await using gateway = await startGateway({ mqtt: { anonymous: false } })
    for (let n = 0; n < 5; n += 1) await expect(connectClient(gateway)).rejects.toThrow()
    expect(incident(gateway, 'notAdmitted')).toBe(5)
    expect(gateway.log.lines.filter(({ level }) => level === 'warn')).toHaveLength(1)
  })

  it('says what to do when its port is taken', async () => {
    await using gateway = await startGateway()
    const config = mqttConfigSchema.parse({ port: gateway.port })
    const second = startBroker({
      config,
      access: openAccess({}).at('mqtt', undefined),
      clock: systemClock,
      log: memoryLog(),
      store: forgetfulStore(),
    })
    await expect(second).rejects.toMatchObject({ code: 'mqtt.cannot-listen' })
  })
})
