import { randomUUID } from 'node:crypto'
import { type Clock, epochMs } from '../../base/clock.ts'
import type { Door } from '../../base/door.ts'
import type { Log } from '../../base/log.ts'
import type { Metric } from '../../base/metric.ts'
import { type Packed, unpack } from '../../base/packed.ts'
import { firstFailure, type Running, startLoop } from '../../base/running.ts'
import type { SiteEvent } from '../../model/event.ts'
import type { DeadLetterOrder, InboxItem } from '../../model/journal.ts'
import { pathGlob } from '../../model/path-glob.ts'
import type { ChangeBatch } from '../../model/sample.ts'
import type { TagIndex } from '../../model/tag.ts'
import { matchesFilter } from '../../model/topic.ts'
import type { StoreCalls } from '../../store/contract.ts'
import type { BreakerPool } from '../breaker-pool.ts'
import type { RouteRow, TopicMessage } from '../contract.ts'
import type { RouteConfig } from './config.ts'
import type { Place } from './delivery.ts'
import { changeEvent, messageReceived, type RoutedEvent } from './item.ts'
import { RouteKeeping } from './keeping.ts'
import { Lane, type LaneOptions } from './lane.ts'
import { Rota } from './rota.ts'
import { Route } from './route.ts'
import { Settling } from './settling.ts'
import { openTarget, type RoutePorts } from './targets.ts'

export interface RoutesOptions {
  readonly routes: readonly RouteConfig[]
  readonly ports: RoutePorts
  readonly store: Door<StoreCalls>
  readonly record: (event: SiteEvent) => void
  readonly clock: Clock
  readonly log: Log
  /** Shared with flows. */
  readonly breakers: BreakerPool
}

export interface Routes extends Running {
  take(batch: ChangeBatch): void
  /** Messages of the embedded broker that a route wants; resolves when they are kept. */
  messages(batch: Packed<TopicMessage>): Promise<void>
  /** The journal has grown. */
  journalled(): void
  rows(): readonly RouteRow[]
  /** Letters were sent on their way again, or away; how many. */
  orderDeadLetters(order: DeadLetterOrder): Promise<number>
  metrics(): readonly Metric[]
}

/** The store and the runtime journal events of their own, of which nobody tells. */
const lookPauseMs = 1_000
/** Routes that one message may pass. */
const hopsMax = 8

/** Starts every route, beginning with what an earlier life has left. */
export async function startRoutes(options: RoutesOptions): Promise<Routes> {
  const { ports, store, clock, log } = options
  await using parts = new AsyncDisposableStack()
  const settling = parts.use(new Settling({ consumed: (asks) => store.call('consumed', asks), clock, log }))
  const open = openRoutes(options, settling, parts)
  const onKept = (consumer: string, id: number, event: RoutedEvent): void => open.get(consumer)?.inbox.offer({ id, ...event })
  const keeping = parts.use(
    new RouteKeeping({ enqueue: (items) => store.call('enqueue', items), hurry: () => settling.hurry(), onKept, clock, log }),
  )
  const all = [...open.values()]
  const takers = takersByTag(all, { ...options, keep: (item) => keeping.push(item) })
  const topical = all.filter(({ route }) => route.config.from.kind === 'topic')
  const journalled = (): void => {
    for (const { journal } of all) journal?.ring()
  }
  const looking = parts.use(startLoop((signal) => lookForever(journalled, clock, signal)))
  const started = parts.move()
  return {
    failure: firstFailure([
      settling,
      keeping,
      looking,
      ...all.flatMap(({ inbox, journal }) => [inbox, ...(journal === undefined ? [] : [journal])]),
    ]),
    take: (batch) => {
      for (const { tag, sample } of batch) {
        const meta = ports.table.metas[tag]
        const wanting = takers.get(tag)
        if (wanting === undefined || meta === undefined) continue
        const event = changeEvent(meta, sample)
        for (const take of wanting) take(event)
      }
    },
    messages: async (batch) => await keeping.keep(itemsOf(batch, topical)),
    journalled,
    rows: () => all.map(({ route }) => route.row()),
    orderDeadLetters: async (order) => {
      const taken = await store.call('orderDeadLetters', order)
      for (const consumer of Object.keys(taken)) open.get(consumer)?.inbox.ring()
      return Object.values(taken).reduce((sum, count) => sum + count, 0)
    },
    metrics: () => [...all.flatMap(({ route }) => route.metrics()), ...keepingMetrics(keeping)],
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  }
}

interface OpenRoute {
  readonly route: Route
  readonly inbox: Lane
  /** Of a route that begins at events. */
  readonly journal: Lane | undefined
}

/** By the name under which the store knows them as consumers. */
function openRoutes(options: RoutesOptions, settling: Settling, parts: AsyncDisposableStack): ReadonlyMap<string, OpenRoute> {
  const { ports, log } = options
  const rota = new Rota()
  return new Map(
    options.routes.map((config) => {
      const target = openTarget(config, ports)
      const route = new Route({
        ...options,
        config,
        target,
        breaker: options.breakers.of(target.name),
        settling,
        rota,
        table: ports.table,
        log,
      })
      const lanes = openLanes(route, options)
      parts.use(lanes.inbox)
      if (lanes.journal !== undefined) parts.use(lanes.journal)
      parts.defer(() => route.close())
      return [consumerOf(config), { route, ...lanes }]
    }),
  )
}

function consumerOf({ route }: RouteConfig): string {
  return `route/${route}`
}

function openLanes(route: Route, { store, clock, log }: RoutesOptions): Omit<OpenRoute, 'route'> {
  const { config } = route
  const consumer = consumerOf(config)
  const lane = (kind: Place['kind'], more: Pick<LaneOptions, 'start' | 'fetch'>): Lane => {
    const opened: Lane = new Lane({
      ...more,
      room: () => route.room,
      take: (events) => route.take(events.map(({ id, ...event }) => ({ event, place: { consumer, lane: opened, id, kind } }))),
      clock,
      log,
    })
    return opened
  }
  const inbox = lane('inbox', {
    fetch: async (afterId, rowsMax) => {
      const events = await store.call('inbox', { consumer, afterId, rowsMax })
      return { events, cursor: events.at(-1)?.id ?? afterId, isEnd: events.length < rowsMax }
    },
  })
  const { from } = config
  if (from.kind !== 'event') return { inbox, journal: undefined }
  const subject = from.subject === undefined ? {} : { subject: from.subject }
  const journal = lane('journal', {
    start: async () => {
      const cursor = await store.call('consumerCursor', { consumer })
      if (cursor.isNew === true) await store.call('consumed', [{ consumer, done: [], dead: [], cursor }])
      return cursor
    },
    fetch: async (cursor, rowsMax) => {
      const page = await store.call('eventsPage', { types: [from.event], ...subject, order: 'oldest', cursor, rowsMax })
      return { ...page, events: page.events.filter((event) => !isOwnNews(event, config)) }
    },
  })
  return { inbox, journal }
}

/** What a route says of its own trouble does not go its own way: it would be the next trouble. */
function isOwnNews({ type, subject }: SiteEvent, { route, to }: RouteConfig): boolean {
  if (type.startsWith('route.')) return subject === route
  return type.startsWith('breaker.') && to.kind === 'service' && subject === `service ${to.service}`
}

type TakeChange = (event: RoutedEvent) => void

function takersByTag(
  all: readonly OpenRoute[],
  { ports, keep }: Pick<RoutesOptions, 'ports'> & { readonly keep: (item: InboxItem) => void },
): ReadonlyMap<TagIndex, readonly TakeChange[]> {
  const takers = new Map<TagIndex, TakeChange[]>()
  for (const { route } of all) {
    const { from, isEvery } = route.config
    if (from.kind !== 'tag') continue
    const consumer = consumerOf(route.config)
    const take: TakeChange = isEvery ? (event) => keep({ consumer, event }) : (event) => route.takeLatest(event)
    const glob = pathGlob(from.tag)
    for (const [place, { id }] of ports.table.metas.entries()) {
      if (id !== from.tag && !glob.matches(id.split('/'))) continue
      const tag = place as TagIndex
      takers.set(tag, [...(takers.get(tag) ?? []), take])
    }
  }
  return takers
}

function itemsOf(batch: Packed<TopicMessage>, topical: readonly OpenRoute[]): readonly InboxItem[] {
  const items: InboxItem[] = []
  for (const { row, payload } of unpack(batch)) {
    const wanting = topical.filter(({ route: { config } }) => config.from.kind === 'topic' && matchesFilter(row.topic, config.from.topic))
    if (row.hops >= hopsMax) {
      for (const { route } of wanting) route.looped()
      continue
    }
    const event = messageEvent(row, payload)
    for (const { route } of wanting) items.push({ consumer: consumerOf(route.config), event })
  }
  return items
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function messageEvent({ topic, timeMs, hops }: TopicMessage, payload: Uint8Array): RoutedEvent {
  const more = hops === 0 ? {} : { hops }
  return { uid: randomUUID(), type: messageReceived, subject: topic, timeMs: epochMs(timeMs), data: { ...payloadData(payload), ...more } }
}

function payloadData(payload: Uint8Array): Readonly<Record<string, string>> {
  try {
    return { payload: utf8.decode(payload) }
  } catch {
    return { base64: Buffer.from(payload).toString('base64') }
  }
}

async function lookForever(look: () => void, clock: Clock, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await clock.sleep(lookPauseMs, signal)
    look()
  }
}

function keepingMetrics({ counts }: RouteKeeping): readonly Metric[] {
  const lost = 'Changes and messages that could not be kept to be routed: no room while the store was away.'
  const dropped = 'The oldest of what waited for a route, dropped because too much did.'
  return [
    { name: 'lineside_routes_lost_total', help: lost, type: 'counter', value: counts.lost },
    { name: 'lineside_routes_dropped_total', help: dropped, type: 'counter', value: counts.dropped },
  ]
}
