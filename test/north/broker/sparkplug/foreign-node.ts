import mqtt from 'mqtt'
import { get as sparkplugPayload } from 'sparkplug-payload'
import { systemClock } from '../../../../src/base/clock.ts'
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
      say('DBIRTH', [{ name: 'speed', alias: 5, type: 'Double', value: speed, timestamp: 1_764_000_000_000 }], { device: 'arm' }),
    speed: (speed: number, at?: number) =>
      say('DDATA', [{ alias: 5, type: 'Double', value: speed, timestamp: 1_764_000_000_001 }], {
        device: 'arm',
        ...(at === undefined ? {} : { at }),
      }),
    [Symbol.asyncDispose]: () => client.endAsync(true),
  }
}

/** A gateway that is host, a monitor, a reader of the plain topics, and a foreign edge node. */
export async function plant({ reorderMs = 300 } = {}) {
  const parts = new AsyncDisposableStack()
  const gateway = parts.use(await startGateway())
  const { broker, log } = gateway
  const monitor = parts.use(await startMonitor(gateway.port))
  const reader = parts.use(await connectClient(gateway, { clientId: 'reader' }))
  await reader.mqtt.subscribeAsync([`lineside/${node}/sparkplug/#`, 'spBv1.0/STATE/#'], { qos: 1 })
  const host = parts.use(await startSparkplugHost({ config: { host: 'line-1', reorderMs }, node, broker, clock: systemClock, log }))
  const robot = parts.use(await startForeignNode(gateway.port, 7))
  const last = (topic: string): unknown => {
    const text = reader.got.findLast((message) => message.topic === `lineside/${node}/sparkplug/plant/robot${topic}`)?.payload
    return text === undefined ? undefined : JSON.parse(text)
  }
  const states = () => reader.got.filter(({ topic }) => topic === 'spBv1.0/STATE/line-1')
  const rebirths = () => monitor.seen.filter(({ type }) => type === 'NCMD')
  return { gateway, monitor, robot, host, reader, last, states, rebirths, [Symbol.asyncDispose]: () => parts.disposeAsync() }
}
