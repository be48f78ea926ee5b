import { expect, vi } from 'vitest'
import type { Witnessed } from '../../../support/sparkplug-monitor.ts'
import { connectClient, type Gateway, type TestClient } from '../gateway.ts'
import { plant } from './foreign-node.ts'

/** What was seen of one life of a host. */
export interface HostEvidence {
  readonly states: TestClient['got']
  /** As somebody gets it who comes later. */
  readonly retained: TestClient['got']
  readonly rebirths: readonly Witnessed[]
  /** DCMD by alias, and by name. */
  readonly commands: readonly Witnessed[]
  /** What the broker has kept of births, as somebody gets it who comes later. */
  readonly certificates: TestClient['got']
  /** What passed between two ordinary clients: QoS 0, QoS 1, and a retained will of a third. */
  readonly plain: TestClient['got']
  /** Plain topics at moments. */
  readonly late: unknown
  readonly rebirthsWhenLate: number
  readonly afterDeviceDeath: readonly unknown[]
  readonly afterNodeDeath: readonly unknown[]
}

const waits = { timeout: 5_000 }

/** Birth, messages out of order, one that never comes, a device that dies, a node that dies by its will, a lie about the host, and its end. */
export async function hostLife(): Promise<HostEvidence> {
  await using line = await plant()
  const { robot, last } = line
  await robot.birth()
  await robot.arm(1)
  await robot.speed(3, 3)
  await robot.speed(2, 2)
  await vi.waitFor(() => expect(last('/arm/speed')).toMatchObject({ value: 3 }), waits)
  const [late, rebirthsWhenLate] = [last('/arm/speed'), line.rebirths().length]
  await robot.speed(9, 9)
  await vi.waitFor(() => expect(line.rebirths()).toHaveLength(1), waits)
  await robot.birth()
  await robot.arm(4)
  await robot.say('DDEATH', [], { device: 'arm' })
  await vi.waitFor(() => expect(last('/arm/speed')).toMatchObject({ quality: 'stale' }), waits)
  const afterDeviceDeath = [last('/arm'), last('/arm/speed'), last('')]
  await robot.arm(5)
  await vi.waitFor(() => expect(last('/arm/speed')).toMatchObject({ value: 5, quality: 'good' }), waits)
  await robot.obey()
  await line.write('/arm/speed', '7.5')
  await line.write('/arm/mode', '2')
  const commands = line.monitor.seen.filter(({ type }) => type === 'DCMD')
  const certificates = await keptCertificates(line.gateway)
  const plain = await plainMessages(line.gateway)
  robot.client.stream.destroy()
  await vi.waitFor(() => expect(last('')).toMatchObject({ state: 'offline' }), waits)
  const afterNodeDeath = [last(''), last('/Node Control/Rebirth'), last('/arm'), last('/arm/speed')]
  await using reader = await connectClient(line.gateway, { clientId: 'late' })
  await reader.mqtt.subscribeAsync('spBv1.0/STATE/line-1', { qos: 1 })
  await vi.waitFor(() => expect(reader.got).toHaveLength(1), waits)
  const retained = [...reader.got]
  await reader.mqtt.publishAsync('spBv1.0/STATE/line-1', '{"online":false,"timestamp":1}', { qos: 1, retain: true })
  await vi.waitFor(() => expect(line.states()).toHaveLength(3), waits)
  await line.host[Symbol.asyncDispose]()
  await vi.waitFor(() => expect(line.states()).toHaveLength(4), waits)
  await using end = await connectClient(line.gateway, { clientId: 'end' })
  await end.mqtt.subscribeAsync('spBv1.0/STATE/line-1', { qos: 1 })
  await vi.waitFor(() => expect(end.got).toHaveLength(1), waits)
  const rest = { late, rebirthsWhenLate, afterDeviceDeath, afterNodeDeath, commands, certificates, plain }
  return { ...rest, states: line.states(), retained: [...retained, ...end.got], rebirths: line.rebirths() }
}

async function keptCertificates(gateway: Gateway): Promise<TestClient['got']> {
  await using aware = await connectClient(gateway, { clientId: 'aware' })
  await aware.mqtt.subscribeAsync('$sparkplug/certificates/#', { qos: 0 })
  await vi.waitFor(() => expect(aware.got).toHaveLength(2), waits)
  return [...aware.got].toSorted((one, other) => one.topic.localeCompare(other.topic))
}

async function plainMessages(gateway: Gateway): Promise<TestClient['got']> {
  await using one = await connectClient(gateway, { clientId: 'one' })
  await one.mqtt.subscribeAsync('plain/#', { qos: 1 })
  const will = { topic: 'plain/will', payload: Buffer.from('gone'), qos: 1, retain: true } as const
  const doomed = await connectClient(gateway, { clientId: 'doomed', will })
  await doomed.mqtt.publishAsync('plain/0', 'a', { qos: 0 })
  await doomed.mqtt.publishAsync('plain/1', 'b', { qos: 1 })
  doomed.mqtt.stream.destroy()
  await vi.waitFor(() => expect(one.got).toHaveLength(3), waits)
  await using late = await connectClient(gateway, { clientId: 'later' })
  await late.mqtt.subscribeAsync('plain/#', { qos: 1 })
  await vi.waitFor(() => expect(late.got).toHaveLength(1), waits)
  return [...one.got, ...late.got]
}

type Judge = (evidence: HostEvidence) => void

const json = (message: { readonly payload: string } | undefined): unknown => JSON.parse(message?.payload ?? 'null')
const said =
  (place: number, online: boolean): Judge =>
  ({ states }) => {
    expect(states[place]?.topic).toBe('spBv1.0/STATE/line-1')
    expect(json(states[place])).toEqual({ online, timestamp: expect.any(Number) })
  }

const [offline, stale] = [{ state: 'offline' }, expect.objectContaining({ quality: 'stale' })]

const groups: readonly (readonly [ids: string, judge: Judge])[] = [
  [
    'intro-sparkplug-host-state components-ph-state conformance-primary-host host-topic-phid-birth-message host-topic-phid-birth-required host-topic-phid-birth-topic host-topic-phid-birth-payload operational-behavior-host-application-connect-birth operational-behavior-host-application-connect-birth-topic operational-behavior-host-application-connect-birth-payload payloads-state-birth payloads-state-birth-payload message-flow-phid-sparkplug-state-publish message-flow-phid-sparkplug-state-publish-payload',
    said(0, true),
  ],
  [
    'host-topic-phid-birth-qos host-topic-phid-birth-retain operational-behavior-host-application-connect-birth-qos operational-behavior-host-application-connect-birth-retained',
    ({ retained }) => {
      expect(retained[0]).toMatchObject({ qos: 1, isRetained: true })
      expect(json(retained[0])).toMatchObject({ online: true })
    },
  ],
  [
    'host-topic-phid-death-topic host-topic-phid-death-payload operational-behavior-host-application-death-topic operational-behavior-host-application-death-payload operational-behavior-host-application-termination operational-behavior-host-application-disconnect-intentional host-topic-phid-death-payload-timestamp-disconnect-clean',
    said(3, false),
  ],
  [
    'host-topic-phid-death-qos host-topic-phid-death-retain operational-behavior-host-application-death-qos operational-behavior-host-application-death-retained',
    ({ retained }) => {
      expect(retained[1]).toMatchObject({ qos: 1, isRetained: true })
      expect(json(retained[1])).toMatchObject({ online: false })
    },
  ],
  ['message-flow-hid-sparkplug-state-message-delivered payloads-state-subscribe', said(2, true)],
  [
    'operational-behavior-host-reordering-param operational-behavior-host-reordering-success',
    ({ late, rebirthsWhenLate }) => {
      expect(late).toMatchObject({ value: 3 })
      expect(rebirthsWhenLate).toBe(0)
    },
  ],
  [
    'operational-behavior-host-reordering-start operational-behavior-host-reordering-rebirth',
    ({ rebirths }) => expect(rebirths).toHaveLength(1),
  ],
  [
    'operational-behavior-edge-node-termination-host-action-ddeath-devices-offline operational-behavior-edge-node-termination-host-action-ddeath-devices-tags-stale',
    ({ afterDeviceDeath }) => expect(afterDeviceDeath).toEqual([offline, stale, { state: 'online' }]),
  ],
  [
    'operational-behavior-edge-node-termination-host-action-ndeath-node-offline operational-behavior-edge-node-termination-host-action-ndeath-node-tags-stale operational-behavior-edge-node-termination-host-action-ndeath-devices-offline operational-behavior-edge-node-termination-host-action-ndeath-devices-tags-stale',
    ({ afterNodeDeath }) => expect(afterNodeDeath).toEqual([offline, stale, offline, stale]),
  ],
  [
    'topics-ncmd-topic operational-behavior-data-commands-ncmd-verb operational-behavior-data-commands-ncmd-rebirth-verb',
    ({ rebirths }) => expect(rebirths[0]?.topic).toBe('spBv1.0/plant/NCMD/robot'),
  ],
  [
    'topics-ncmd-mqtt payloads-ncmd-qos payloads-ncmd-retain',
    ({ rebirths }) => expect(rebirths[0]).toMatchObject({ qos: 0, isRetained: false }),
  ],
  [
    'topics-ncmd-timestamp payloads-ncmd-timestamp',
    ({ rebirths }) => expect(rebirths[0]?.payload.timestamp).toBeGreaterThan(1_700_000_000_000n),
  ],
  ['payloads-ncmd-seq', ({ rebirths }) => expect(rebirths[0]?.payload.seq).toBeUndefined()],
  [
    'topics-ncmd-payload payloads-name-cmd-requirement operational-behavior-data-commands-ncmd-metric-name operational-behavior-data-commands-ncmd-metric-value operational-behavior-data-commands-ncmd-rebirth-name operational-behavior-data-commands-ncmd-rebirth-value',
    ({ rebirths }) => expect(rebirths[0]?.payload.metrics).toMatchObject([{ name: 'Node Control/Rebirth', valueField: 14, value: 1n }]),
  ],
  [
    'topics-dcmd-topic operational-behavior-data-commands-dcmd-verb',
    ({ commands }) => expect(commands.map(({ topic }) => topic)).toEqual(['spBv1.0/plant/DCMD/robot/arm', 'spBv1.0/plant/DCMD/robot/arm']),
  ],
  [
    'topics-dcmd-mqtt payloads-dcmd-qos payloads-dcmd-retain',
    ({ commands }) => {
      for (const command of commands) expect(command).toMatchObject({ qos: 0, isRetained: false })
    },
  ],
  [
    'topics-dcmd-timestamp payloads-dcmd-timestamp',
    ({ commands }) => {
      for (const { payload } of commands) expect(payload.timestamp).toBeGreaterThan(1_700_000_000_000n)
    },
  ],
  [
    'payloads-dcmd-seq',
    ({ commands }) => {
      for (const { payload } of commands) expect(payload.seq).toBeUndefined()
    },
  ],
  [
    'topics-dcmd-payload operational-behavior-data-commands-dcmd-metric-name operational-behavior-data-commands-dcmd-metric-value',
    ({ commands }) => {
      // As the birth has them: by alias where it gave one, else by name, and of its type.
      expect(commands[0]?.payload.metrics).toMatchObject([{ alias: 5n, datatype: 10n, valueField: 13, value: 7.5 }])
      expect(commands[0]?.payload.metrics[0]?.name).toBeUndefined()
      expect(commands[1]?.payload.metrics).toMatchObject([{ name: 'mode', datatype: 3n, valueField: 10, value: 2n }])
    },
  ],
  [
    'conformance-mqtt-aware-basic conformance-mqtt-aware-store conformance-mqtt-aware-nbirth-mqtt-topic conformance-mqtt-aware-dbirth-mqtt-topic',
    ({ certificates }) =>
      expect(certificates.map(({ topic }) => topic)).toEqual([
        '$sparkplug/certificates/spBv1.0/plant/DBIRTH/robot/arm',
        '$sparkplug/certificates/spBv1.0/plant/NBIRTH/robot',
      ]),
  ],
  [
    'conformance-mqtt-aware-nbirth-mqtt-retain conformance-mqtt-aware-dbirth-mqtt-retain',
    ({ certificates }) => {
      for (const certificate of certificates) expect(certificate.isRetained).toBe(true)
    },
  ],
  ['conformance-mqtt-qos0', ({ plain }) => expect(plain).toContainEqual({ topic: 'plain/0', payload: 'a', qos: 0, isRetained: false })],
  ['conformance-mqtt-qos1', ({ plain }) => expect(plain).toContainEqual({ topic: 'plain/1', payload: 'b', qos: 1, isRetained: false })],
  [
    'conformance-mqtt-will-messages conformance-mqtt-retained',
    ({ plain }) => {
      expect(plain).toContainEqual({ topic: 'plain/will', payload: 'gone', qos: 1, isRetained: false })
      expect(plain.at(-1)).toEqual({ topic: 'plain/will', payload: 'gone', qos: 1, isRetained: true })
    },
  ],
]

export const hostJudges: ReadonlyMap<string, Judge> = new Map(
  groups.flatMap(([ids, judge]) => ids.split(' ').map((id) => [id, judge] as const)),
)
