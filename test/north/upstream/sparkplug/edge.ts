import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import mqtt from 'mqtt'
import { epochMs, systemClock } from '../../../../src/base/clock.ts'
import type { CommandRoad } from '../../../../src/control/contract.ts'
import type { Command, CommandResult } from '../../../../src/model/command.ts'
import { samplePayload } from '../../../../src/model/payload.ts'
import type { Quality } from '../../../../src/model/quality.ts'
import type { RefusedCommand } from '../../../../src/model/refused-command.ts'
import type { Sample } from '../../../../src/model/sample.ts'
import { asTagId, asTagIndex, type TagMeta, type TagValue } from '../../../../src/model/tag.ts'
import { LiveTagsCopy } from '../../../../src/north/live-tags.ts'
import { upstreamConfigSchema } from '../../../../src/north/upstream/config.ts'
import type { OwnDoor } from '../../../../src/north/upstream/own-broker.ts'
import { startEdgeNode } from '../../../../src/north/upstream/sparkplug/edge-node.ts'
import { memoryLog, tagMeta } from '../../broker/gateway.ts'
import { MemoryOutbox } from '../memory-outbox.ts'

const site = 'acme/munich/packaging/line-1'

const write = { confirmMs: 0, tolerance: 0, role: 'operator', ratePerSecondMax: 10 } as const

const metas: readonly TagMeta[] = [
  tagMeta('press-07/hydraulics/pressure', { type: 'f32', unit: 'bar', range: [0, 250] }),
  tagMeta('press-07/recipe/setpoint', { write }),
  tagMeta('press-07/motor/running', { type: 'bool', write }),
  tagMeta('press-07/zones', { type: 'i16', length: 3 }),
  tagMeta('press-07/started', { type: 'time' }),
  tagMeta('press-07/recipe/name', { type: 'string', description: 'What is made' }),
  tagMeta('filler/count', { type: 'u64', write }),
  tagMeta('filler/level', { type: 'i8' }),
  { id: asTagId('filler/guess'), device: 'filler', path: 'guess', scan: 'normal' },
]

const first: Readonly<Record<string, TagValue | null>> = {
  'press-07/hydraulics/pressure': 120.5,
  'press-07/recipe/setpoint': 100,
  'press-07/motor/running': true,
  'press-07/zones': [1, -2, 3],
  'press-07/started': '2026-11-21T02:30:00.123Z',
  'press-07/recipe/name': 'Öl ✓',
  'filler/count': 2n ** 63n + 1n,
  'filler/level': null,
  'filler/guess': null,
}

export interface EdgeOptions {
  readonly url: string
  readonly sparkplug?: object
  readonly config?: object
  readonly stateFolder: string
  readonly outbox?: MemoryOutbox
  readonly result?: Partial<CommandResult>
  readonly ownDoors?: readonly OwnDoor[]
}

/** An edge node with two devices; the test is control and store to it. */
export function startEdge({ url, sparkplug, config, stateFolder, outbox = new MemoryOutbox(), result, ownDoors = [] }: EdgeOptions) {
  const live = new LiveTagsCopy(metas)
  const log = memoryLog()
  const asked: Command[] = []
  const refused: RefusedCommand[] = []
  const commands: CommandRoad = {
    noteRefused: (one) => void refused.push(one),
    write: async (command) => {
      asked.push(command)
      return { id: command.id, status: 'done', value: command.value, tookMs: 3, ...result }
    },
  }
  const parsed = upstreamConfigSchema.parse({
    ...{ url, format: 'sparkplug', keepalive: '1s', send: [`${site}/#`], ...config },
    sparkplug: { group: 'munich', role: 'operator', ...sparkplug },
  })
  if (parsed.sparkplug === undefined) throw new Error('no sparkplug')
  const node = 'edge-07'
  const base = { name: 'plant', site, node, stateFolder, live, commands, outbox, ownDoors, clock: systemClock, chance: () => 0.25, log }
  const edge = startEdgeNode({ ...base, config: { ...parsed, sparkplug: parsed.sparkplug } })
  let lastMs = 0
  /** As control does: on the disk, and to the live tags. */
  const set = (id: string, value: TagValue | null, { quality = 'good' as Quality, isOnDiskOnly = false } = {}): void => {
    const place = metas.findIndex((meta) => meta.id === id)
    const meta = metas[place]
    if (meta === undefined) throw new Error(`no tag ${id}`)
    lastMs = Math.max(Date.now(), lastMs + 1)
    const sample: Sample = { value, quality, sourceMs: epochMs(lastMs), receivedMs: epochMs(lastMs) }
    const row = { kind: 'sample', subject: id, body: JSON.stringify(samplePayload(meta, sample)), timeMs: sample.receivedMs } as const
    if (!isOnDiskOnly) live.take([{ tag: asTagIndex(place), sample }])
    outbox.accept(row)
  }
  const devices = (state: 'online' | 'connecting', ...names: readonly string[]): void =>
    edge.devices(names.map((device) => ({ device, state, sinceMs: epochMs(Date.now()) })))
  for (const [id, value] of Object.entries(first)) set(id, value)
  devices('online', 'press-07', 'filler')
  return {
    edge,
    outbox,
    asked,
    refused,
    log,
    set,
    devices,
    metric: (name: string) => edge.metrics().find((metric) => metric.name === `lineside_${name}`)?.value,
    [Symbol.asyncDispose]: () => edge[Symbol.asyncDispose](),
  }
}

export type Edge = ReturnType<typeof startEdge>

export async function stateFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'lineside-sparkplug-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) }
}

/** A way to the broker that can be cut, again and again. */
export async function startCable(port: number) {
  const sockets = new Set<Socket>()
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1')
    for (const socket of [near, far]) sockets.add(socket.on('error', () => {}))
    near.pipe(far).pipe(near)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  return {
    port: typeof address === 'object' ? (address?.port ?? 0) : 0,
    cut: () => {
      for (const socket of sockets) socket.destroy()
      sockets.clear()
    },
    [Symbol.asyncDispose]: async () => {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

/** A host application, as far as it talks. */
export async function startHost(port: number) {
  const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${port}`, { clientId: `host-${port}`, reconnectPeriod: 50 })
  return {
    publish: (topic: string, payload: Uint8Array) => client.publishAsync(topic, Buffer.from(payload), { qos: 0 }),
    state: (host: string, online: boolean, timestamp: number) =>
      client.publishAsync(`spBv1.0/STATE/${host}`, JSON.stringify({ online, timestamp }), { qos: 1, retain: true }),
    [Symbol.asyncDispose]: () => client.endAsync(true),
  }
}
