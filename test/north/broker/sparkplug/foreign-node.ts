import mqtt from 'mqtt'
import { get as sparkplugPayload } from 'sparkplug-payload'
import { vi } from 'vitest'
import { systemClock } from '../../../../src/base/clock.ts'
import type { SiteEvent } from '../../../../src/model/event.ts'
import type { Role } from '../../../../src/model/tag.ts'
import { startSparkplugHost } from '../../../../src/north/broker/sparkplug/host.ts'
import { startMonitor } from '../../../support/sparkplug-monitor.ts'
import { connectClient, node, startGateway } from '../gateway.ts'

const found = sparkplugPayload('spBv1.0')
if (found === null) throw new Error('sparkplug-payload knows no Sparkplug B')
const tahu = found

/** An edge node of other hands, at the gateway's broker. */
export async function startForeignNode(port: number, bdSeq: number) {
  const encode = (payload: object): Buffer =>
    Buffer.from(tahu.encodePayload({ timestamp: Date.now(), ...payload } as Parameters<typeof tahu.encodePayload>[0]))
  const bdSeqMetric = { name: 'bdSeq', type: 'Int64', value: bdSeq }
  const will = { topic: 'spBv1.0/plant/NDEATH/robot', payload: encode({ metrics: [bdSeqMetric] }), qos: 1, retain: false } as const
  const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${port}`, { clientId: `robot-${bdSeq}`, will, reconnectPeriod: 0 })
  let seq = 0
  const say = async (type: string, metrics: readonly object[], { device = '', at = seq } = {}): Promise<void> => {
    seq = (at + 1) % 256
    await client.publishAsync(`spBv1.0/plant/${type}/robot${device === '' ? '' : `/${device}`}`, encode({ seq: at, metrics }))
  }
  return {
    client,
    say,
    birth: () => say('NBIRTH', [bdSeqMetric, { name: 'Node Control/Rebirth', type: 'Boolean', value: false }], { at: 0 }),
    arm: (speed: number) =>
      say(
        'DBIRTH',
        [
          { name: 'speed', alias: 5, type: 'Double', value: speed, timestamp: 1_764_000_000_000 },
          { name: 'mode', type: 'Int32', value: 1, timestamp: 1_764_000_000_000 },
        ],
        { device: 'arm' },
      ),
    speed: (speed: number, at?: number) =>
      say('DDATA', [{ alias: 5, type: 'Double', value: speed, timestamp: 1_764_000_000_001 }], {
        device: 'arm',
        ...(at === undefined ? {} : { at }),
      }),
    /** Obeys: a command for its speed is told as data. */
    obey: async () => {
      await client.subscribeAsync('spBv1.0/plant/DCMD/robot/+', { qos: 1 })
      client.on('message', (_topic, payload) => {
        for (const { name, alias, value } of tahu.decodePayload(payload).metrics ?? []) {
          const named = alias === undefined || alias === null ? { name } : { alias: 5 }
          void say('DDATA', [{ ...named, type: name === 'mode' ? 'Int32' : 'Double', value }], { device: 'arm' })
        }
      })
    },
    [Symbol.asyncDispose]: () => client.endAsync(true),
  }
}

/** A gateway that is host, a monitor, a reader of the plain topics, and a foreign edge node. */
export async function plant({ reorderMs = 300, role = 'operator' as Role | 'nobody' } = {}) {
  const parts = new AsyncDisposableStack()
  const gateway = parts.use(await startGateway())
  const { broker, log, events } = gateway
  const record = (event: SiteEvent): void => void events.push(event)
  const config = { host: 'line-1', reorderMs, ...(role === 'nobody' ? {} : { role }) }
  const monitor = parts.use(await startMonitor(gateway.port))
  const reader = parts.use(await connectClient(gateway, { clientId: 'reader' }))
  await reader.mqtt.subscribeAsync([`lineside/${node}/sparkplug/#`, 'spBv1.0/STATE/#'], { qos: 1 })
  const host = parts.use(await startSparkplugHost({ config, node, broker, record, clock: systemClock, log }))
  const robot = parts.use(await startForeignNode(gateway.port, 7))
  const last = (topic: string): unknown => {
    const text = reader.got.findLast((message) => message.topic === `lineside/${node}/sparkplug/plant/robot${topic}`)?.payload
    return text === undefined ? undefined : JSON.parse(text)
  }
  const states = () => reader.got.filter(({ topic }) => topic === 'spBv1.0/STATE/line-1')
  /** As an operator does it, by the plain topic; gives what was answered. */
  const write = async (path: string, payload: string): Promise<Record<string, unknown>> => {
    const topic = `lineside/${node}/sparkplug/plant/robot${path}/set`
    const before = reader.got.length
    await reader.mqtt.publishAsync(topic, payload, { qos: 1 })
    return await vi.waitFor(() => {
      const answer = reader.got.slice(before).find((message) => message.topic === `${topic}/result`)
      if (answer === undefined) throw new Error('no answer yet')
      return JSON.parse(answer.payload)
    }, 10_000)
  }
  const rebirths = () => monitor.seen.filter(({ type }) => type === 'NCMD')
  return { gateway, monitor, robot, host, reader, last, states, rebirths, write, events, [Symbol.asyncDispose]: () => parts.disposeAsync() }
}
