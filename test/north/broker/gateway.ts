import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt'
import { type Clock, epochMs, systemClock } from '../../../src/base/clock.ts'
import type { Log } from '../../../src/base/log.ts'
import type { CommandRoad } from '../../../src/control/contract.ts'
import type { Command } from '../../../src/model/command.ts'
import type { SiteEvent } from '../../../src/model/event.ts'
import type { RefusedCommand } from '../../../src/model/refused-command.ts'
import type { Sample } from '../../../src/model/sample.ts'
import { asTagId, asTagIndex, type TagMeta, type TagValue } from '../../../src/model/tag.ts'
import { openAccess } from '../../../src/north/access/access.ts'
import { openUsers } from '../../../src/north/access/users.ts'
import { startBroker } from '../../../src/north/broker/broker.ts'
import { mqttConfigSchema } from '../../../src/north/broker/config.ts'
import type { SessionStore } from '../../../src/north/broker/session-keeper.ts'
import { startTagTopics } from '../../../src/north/broker/topics.ts'
import { LiveTagsCopy } from '../../../src/north/live-tags.ts'
import { forgetfulStore } from '../../support/session-store.ts'

export interface LogLine {
  readonly level: string
  readonly message: string
  readonly fields: unknown
}

export function memoryLog(lines: LogLine[] = []): Log & { readonly lines: LogLine[] } {
  const write = (level: string) => (message: string, fields?: unknown) => void lines.push({ level, message, fields })
  return { lines, debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error'), with: () => memoryLog(lines) }
}

export const site = 'acme/munich/packaging/line-1'
export const node = 'edge-07'

export function tagMeta(id: string, more: Partial<TagMeta> = {}): TagMeta {
  const [device = '', ...path] = id.split('/')
  return { id: asTagId(id), device, path: path.join('/'), type: 'f64', scan: 'normal', ...more }
}

const write = { confirmMs: 0, tolerance: 0, role: 'operator', ratePerSecondMax: 10 } as const

/** A broker with the topics of two devices, and a command road that notes what it is asked. */
export async function startGateway(
  options: {
    readonly metas?: readonly TagMeta[]
    readonly mqtt?: object
    readonly stateFolder?: string
    readonly store?: SessionStore
    readonly clock?: Clock
  } = {},
) {
  const metas = options.metas ?? [
    tagMeta('press-07/hydraulics/pressure', { unit: 'bar' }),
    tagMeta('press-07/recipe/setpoint', { write }),
    tagMeta('press-07/motor/running', { type: 'bool', write }),
    tagMeta('filler/count', { type: 'u64', write }),
    tagMeta('filler/recipe', { type: 'string', write }),
  ]
  const config = mqttConfigSchema.parse({ port: 0, anonymous: { role: 'operator' }, ...options.mqtt })
  const log = memoryLog()
  const { clock = systemClock } = options
  const asked: Command[] = []
  const events: SiteEvent[] = []
  const refused: RefusedCommand[] = []
  const commands: CommandRoad = {
    noteRefused: (one) => void refused.push(one),
    write: async (command) => {
      asked.push(command)
      return { id: command.id, status: 'done', value: command.value, tookMs: 3 }
    },
  }
  const tags = new LiveTagsCopy(metas)
  const stack = new AsyncDisposableStack()
  const { stateFolder } = options
  const users = stateFolder === undefined ? {} : { users: stack.use(openUsers({ stateFolder, clock, log })) }
  const list = openAccess({ ...users, clock, gateway: { site, node } })
  const access = list.at('mqtt', config.anonymous)
  const broker = stack.use(
    await startBroker({
      config,
      access,
      clock,
      log,
      record: (event) => events.push(event),
      store: options.store ?? forgetfulStore(),
      transient: [`lineside/${node}/`],
    }),
  )
  const topics = stack.use(await startTagTopics({ broker, site, node, tags, commands, clock, log }))
  return {
    broker,
    topics,
    tags,
    log,
    asked,
    refused,
    events,
    access: list,
    port: broker.port,
    /** Lets a tag have a new value. */
    set: (id: string, value: TagValue) => tags.take([{ tag: tags.find(asTagId(id)) ?? asTagIndex(-1), sample: sample(value) }]),
    metric: (name: string, labels?: Readonly<Record<string, string>>) =>
      broker.metrics().find((metric) => metric.name === name && (labels === undefined || metric.labels?.['kind'] === labels['kind']))
        ?.value,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

export type Gateway = Awaited<ReturnType<typeof startGateway>>

const takenAt = epochMs(1_700_000_000_000)

export function sample(value: TagValue): Sample {
  return { value, quality: 'good', sourceMs: takenAt, receivedMs: takenAt }
}

export interface TestClient extends AsyncDisposable {
  readonly mqtt: MqttClient
  readonly got: { readonly topic: string; readonly payload: string; readonly qos: number; readonly isRetained: boolean }[]
}

/** MQTT.js as a client of ours. */
export async function connectClient(gateway: { readonly port: number }, options: IClientOptions = {}): Promise<TestClient> {
  const client = mqtt.connect(`mqtt://127.0.0.1:${gateway.port}`, { reconnectPeriod: 0, ...options })
  const got: TestClient['got'] = []
  client.on('message', (topic, payload, packet) =>
    got.push({ topic, payload: payload.toString(), qos: packet.qos, isRetained: packet.retain }),
  )
  const connected = Promise.withResolvers<void>()
  client.once('connect', () => connected.resolve())
  client.once('close', () => connected.reject(new Error('the broker refused the connection')))
  client.on('error', () => {})
  await connected.promise
  return { mqtt: client, got, [Symbol.asyncDispose]: () => client.endAsync(true) }
}

/** A bare socket, for what no client library would send. */
export async function connectSocket(gateway: { readonly port: number }): Promise<Socket> {
  const socket = connect(gateway.port, '127.0.0.1')
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}

/** CONNECT of MQTT 3.1.1. */
export function connectPacket(clientId: string, flags = 0x02): Buffer {
  const id = Buffer.from(clientId)
  const body = Buffer.concat([Buffer.from([0, 4]), Buffer.from('MQTT'), Buffer.from([4, flags, 0, 0, 0, id.length]), id])
  return Buffer.concat([Buffer.from([0x10, body.length]), body])
}

/** SUBSCRIBE to one filter at QoS 0. */
export function subscribePacket(filter: string): Buffer {
  const text = Buffer.from(filter)
  const body = Buffer.concat([Buffer.from([0, 1, 0, text.length]), text, Buffer.from([0])])
  return Buffer.concat([Buffer.from([0x82, body.length]), body])
}
