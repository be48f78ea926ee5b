import type { Clock } from '../../base/clock.ts'
import type { Door } from '../../base/door.ts'
import type { Log } from '../../base/log.ts'
import type { Metric } from '../../base/metric.ts'
import type { Packed } from '../../base/packed.ts'
import type { Running } from '../../base/running.ts'
import type { Command, CommandResult } from '../../model/command.ts'
import type { SiteEvent } from '../../model/event.ts'
import type { DeadLetterOrder } from '../../model/journal.ts'
import type { ChangeBatch } from '../../model/sample.ts'
import type { StoreCalls } from '../../store/contract.ts'
import type { BreakerPool } from '../breaker-pool.ts'
import type { NorthCalls, RouteRow, TopicMessage } from '../contract.ts'
import type { TagTable } from '../tag-table.ts'
import type { RouteConfig } from './config.ts'
import type { ServiceConfig } from './service-config.ts'
import type { StartFlow } from './targets.ts'

/** What north may ask of the routes. */
export interface RouteCalls {
  messages(batch: Packed<TopicMessage>): Promise<null>
  routes(): readonly RouteRow[]
  orderDeadLetters(order: DeadLetterOrder): Promise<number>
}

export interface RoutesPart extends Running {
  readonly calls: RouteCalls
  take(batch: ChangeBatch): void
  metrics(): readonly Metric[]
}

export interface RouteSurroundings {
  readonly data: {
    readonly site: string
    readonly routes: readonly RouteConfig[]
    readonly services: Readonly<Record<string, ServiceConfig>>
  }
  readonly north: Door<NorthCalls>
  readonly store: Door<StoreCalls>
  readonly table: TagTable
  readonly road: { write(command: Command): Promise<CommandResult> }
  readonly outbox: { acceptMessage(topic: string, payload: string): Promise<unknown> | undefined }
  /** Where to be told that the journal has grown. */
  readonly journalled: (() => void)[]
  /** How a route starts a flow. Absent: it cannot. */
  readonly startFlow?: StartFlow
  readonly breakers: BreakerPool
  readonly record: (event: SiteEvent) => void
  readonly clock: Clock
  readonly log: Log
}

/** The routes of a site. A site without any loads none of their code; letters of routes that are gone can be looked after all the same. */
export async function openRoutes(around: RouteSurroundings): Promise<RoutesPart> {
  const { data, north, store, table, road, outbox, record, clock, log } = around
  if (data.routes.length === 0) return noRoutes(store)
  const { startRoutes } = await import('./routes.ts')
  const routes = await startRoutes({
    routes: data.routes,
    ports: {
      ...data,
      table,
      write: (command) => road.write(command),
      publish: (messages) => north.call('publish', messages),
      offer: async (topic, payload) => void (await outbox.acceptMessage(topic, payload)),
      accept: (messages) => store.call('accept', messages),
      startFlow: around.startFlow,
    },
    store,
    breakers: around.breakers,
    record,
    clock,
    log,
  })
  around.journalled.push(() => routes.journalled())
  return {
    failure: routes.failure,
    calls: {
      messages: async (batch) => {
        await routes.messages(batch)
        return null
      },
      routes: () => routes.rows(),
      orderDeadLetters: (order) => routes.orderDeadLetters(order),
    },
    take: (batch) => routes.take(batch),
    metrics: () => routes.metrics(),
    [Symbol.asyncDispose]: () => routes[Symbol.asyncDispose](),
  }
}

function noRoutes(store: Door<StoreCalls>): RoutesPart {
  return {
    failure: new Promise(() => {}),
    calls: {
      messages: async () => null,
      routes: () => [],
      orderDeadLetters: async (order) => {
        const taken = await store.call('orderDeadLetters', order)
        return Object.values(taken).reduce((sum, count) => sum + count, 0)
      },
    },
    take: () => {},
    metrics: () => [],
    [Symbol.asyncDispose]: async () => {},
  }
}
