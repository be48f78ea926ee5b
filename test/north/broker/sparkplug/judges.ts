import { expect, vi } from 'vitest'
import type { Witnessed } from '../../../support/sparkplug-monitor.ts'
import { connectClient, type TestClient } from '../gateway.ts'
import { plant } from './foreign-node.ts'

/** What was seen of one life of a host. */
export interface HostEvidence {
  readonly states: TestClient['got']
  /** As somebody gets it who comes later. */
  readonly retained: TestClient['got']
  readonly rebirths: readonly Witnessed[]
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
  const rest = { late, rebirthsWhenLate, afterDeviceDeath, afterNodeDeath }
  return { ...rest, states: line.states(), retained: [...retained, ...end.got], rebirths: line.rebirths() }
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
]

export const hostJudges: ReadonlyMap<string, Judge> = new Map(
  groups.flatMap(([ids, judge]) => ids.split(' ').map((id) => [id, judge] as const)),
)
