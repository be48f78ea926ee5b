import { describe, expect, it, vi } from 'vitest'
import { Fault } from '../../../src/base/fault.ts'
import type { Command } from '../../../src/model/command.ts'
import type { RefusedCommand } from '../../../src/model/refused-command.ts'
import { asTagId, type TagMeta } from '../../../src/model/tag.ts'
import { upstreamConfigSchema } from '../../../src/north/upstream/config.ts'
import type { FarMessage } from '../../../src/north/upstream/connection.ts'
import { topicAbove, topicHere } from '../../../src/north/upstream/mapping.ts'
import { type ReceivedBytes, Receiving, type ReceivingPorts } from '../../../src/north/upstream/receiving.ts'
import { startManualClock } from '../../support/manual-clock.ts'
import { keptLog } from '../../support/quiet-log.ts'
import { connectClient, startGateway } from '../broker/gateway.ts'

const site = 'acme/line-1'
const setpoint: TagMeta = { id: asTagId('press/setpoint'), device: 'press', path: 'setpoint', scan: 'normal', type: 'f32' }

function startReceiving(receive: readonly object[], map: readonly object[] = [], publish?: ReceivingPorts['publish']) {
  const clock = startManualClock()
  const config = upstreamConfigSchema.parse({ url: 'mqtt://127.0.0.1:1883', receive, map })
  const published: ReceivedBytes[] = []
  const commands: Command[] = []
  const refused: RefusedCommand[] = []
  const answers: (readonly [string, Record<string, unknown>])[] = []
  const receiving = new Receiving({
    upstream: 'plant',
    config,
    site,
    node: 'edge-07',
    clock,
    log: keptLog(),
    ports: {
      publish: publish ?? (async (messages) => void published.push(...messages)),
      write: async (command) => {
        commands.push(command)
        return { id: command.id, status: 'done', value: 2n ** 60n, tookMs: 3 }
      },
      noteRefused: (one) => void refused.push(one),
      findTag: (id) => (id === setpoint.id ? setpoint : undefined),
      parseWish: async (payload) => {
        const text = Buffer.from(payload).toString()
        if (text === '') throw new Fault('mqtt.set-malformed', 'The message holds no value.', { remedy: 'Publish one.' })
        return { value: Number(text) }
      },
      wishIdOf: async (payload) => (payload.length === 0 ? 'job-9' : undefined),
      answer: async (topic, payload) => void answers.push([topic, JSON.parse(payload)]),
    },
  })
  const take = (topic: string, payload: string | Buffer = '1', more: Partial<FarMessage> = {}): void =>
    receiving.take({ topic, payload: Buffer.from(payload), isRetained: false, properties: {}, ...more })
  const count = (outcome: string) => receiving.metrics().find(({ labels }) => labels?.['outcome'] === outcome)?.value
  return { clock, take, published, commands, answers, count, refused }
}

describe('what is received from an upstream', () => {
  it('is published here where a rule says so, below the topic that it names', async () => {
    const line = startReceiving([{ from: 'plant/recipes/#', do: 'publish', into: 'from-plant' }])
    line.take('plant/recipes/7', '{"a":1}', { isRetained: true })
    line.take('plant/other', 'x')
    await vi.waitFor(() => expect(line.published).toHaveLength(1))
    expect(line.published).toEqual([{ topic: 'from-plant/plant/recipes/7', payload: Buffer.from('{"a":1}'), qos: 1, isRetained: true }])
  })

  it('is passed on as it came, text or not', async () => {
    const line = startReceiving([{ from: 'plant/#', do: 'publish', into: 'from-plant' }])
    line.take('plant/image', Buffer.from([0xff, 0xd8, 0, 0x80]))
    await vi.waitFor(() => expect(line.published).toMatchObject([{ payload: Buffer.from([0xff, 0xd8, 0, 0x80]) }]))
  })

  it('is heard by clients and by whoever listens inside, and by no upstream again', async () => {
    await using gateway = await startGateway()
    const heard: string[] = []
    using _watch = gateway.broker.watch('from-plant/', (topic, payload) => heard.push(`${topic} ${Buffer.from(payload)}`))
    await using client = await connectClient(gateway)
    await client.mqtt.subscribeAsync('from-plant/#', { qos: 1 })
    const line = startReceiving([{ from: 'plant/#', do: 'publish', into: 'from-plant' }], [], gateway.broker.publish)
    line.take('plant/orders/7', 'start')
    await vi.waitFor(() => expect(client.got).toMatchObject([{ topic: 'from-plant/plant/orders/7', payload: 'start' }]))
    await client.mqtt.publishAsync('from-plant/by-hand', 'x', { qos: 0 })
    await vi.waitFor(() => expect(heard).toEqual(['from-plant/plant/orders/7 start', 'from-plant/by-hand x']))
    expect(line.answers).toEqual([]) // the one way of this part into the outbox
  })

  it('becomes a command where a rule says so, with its role, and is answered above', async () => {
    const line = startReceiving([{ from: 'munich/line-1/+/+/set', do: 'write', role: 'engineer' }], [{ from: 'acme', to: 'munich' }])
    line.take('munich/line-1/press/setpoint/set', '42')
    await vi.waitFor(() => expect(line.answers).toHaveLength(1))
    expect(line.commands).toMatchObject([{ tag: 'press/setpoint', value: 42, by: { road: 'upstream', name: 'plant', role: 'engineer' } }])
    expect(line.answers).toMatchObject([[`${site}/press/setpoint/set/result`, { status: 'done', value: String(2n ** 60n) }]])
  })

  it('is refused with the reason where it is no command for a tag, and ignored where it is a wish of long ago', async () => {
    const line = startReceiving([{ from: '#', do: 'write' }])
    line.take(`${site}/press/nothing/set`)
    line.take(`${site}/press/setpoint/set`, '')
    line.take(`${site}/press/setpoint/set`, '5', { isRetained: true })
    line.take(`${site}/press/setpoint`, '5')
    await vi.waitFor(() => expect(line.answers).toHaveLength(2))
    expect(line.answers.map(([, { code }]) => code).toSorted()).toEqual(['command.tag-unknown', 'mqtt.set-malformed'])
    expect(line.commands).toEqual([])
    expect(line.refused).toMatchObject([
      { tag: 'press/nothing', code: 'command.tag-unknown', by: { road: 'upstream', name: 'plant' } },
      { tag: 'press/setpoint', code: 'mqtt.set-malformed', id: 'job-9' },
    ])
  })

  it('never is one of our own messages: neither by its mark nor by its topic', async () => {
    const line = startReceiving([{ from: '#', do: 'publish' }], [{ from: 'acme', to: 'munich' }])
    line.take('elsewhere/x', '1', { properties: { lineside: 'edge-07/plant/1/events/3' } })
    line.take('elsewhere/y', '1', { properties: { lineside: ['edge-08/plant', 'edge-07/plant'] } })
    line.take('munich/line-1/press/setpoint')
    line.take('lineside/edge-07/status', 'online')
    line.take('$SYS/x')
    line.take('elsewhere/z', '1', { properties: { lineside: 'edge-08/plant' } })
    await vi.waitFor(() => expect(line.published).toHaveLength(1))
    expect(line.count('own')).toBeGreaterThanOrEqual(4)
    expect(line.published[0]?.topic).toBe('elsewhere/z')
  })

  it('is dropped and counted above the rate of its rule', async () => {
    const line = startReceiving([{ from: '#', do: 'publish', rate: 5 }])
    for (let message = 0; message < 100; message += 1) line.take(`a/${message}`)
    expect(line.count('taken')).toBe(5)
    expect(line.count('too-fast')).toBe(95)
    await line.clock.advance(400)
    for (let message = 0; message < 100; message += 1) line.take(`b/${message}`)
    expect(line.count('taken')).toBe(7)
  })
})

describe('a topic map', () => {
  it('moves whole levels at the beginning, there and back', () => {
    const map = [
      { from: 'acme/munich', to: 'de/m' },
      { from: 'acme', to: 'other' },
    ]
    expect(['acme/munich', 'acme/munich/a/b', 'acme/munichs/a', 'b'].map((topic) => topicAbove(topic, map))).toEqual([
      'de/m',
      'de/m/a/b',
      'other/munichs/a',
      'b',
    ])
    for (const topic of ['acme/munich/a/b', 'acme/x', 'b']) expect(topicHere(topicAbove(topic, map), map)).toBe(topic)
  })
})
