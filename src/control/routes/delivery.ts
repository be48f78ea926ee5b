import type { Clock, EpochMs } from '../../base/clock.ts'
import { Fault, type PlainFault, plainFault } from '../../base/fault.ts'
import { errorFields, type Log } from '../../base/log.ts'
import type { Breaker } from '../breaker.ts'
import type { RouteConfig } from './config.ts'
import type { RoutedEvent } from './item.ts'
import type { Lane } from './lane.ts'
import type { Outgoing, Target } from './targets.ts'

/** Where an item waits on the disk until it is done. */
export interface Place {
  readonly consumer: string
  readonly lane: Lane
  readonly id: number
  /** Of an inbox it is taken out; of the journal a cursor moves. */
  readonly kind: 'inbox' | 'journal'
}

export interface Offered {
  readonly event: RoutedEvent
  /** None: it is the latest value of a tag, and there will be another. */
  readonly place: Place | undefined
  /** Since when it waits. */
  readonly sinceMs: EpochMs
}

export interface Item extends Offered, Outgoing {}

/** How items ended. Whoever hears it keeps it; resolves when it is kept. */
export type Ending =
  | { readonly outcome: 'delivered' | 'overtaken' }
  | { readonly outcome: 'dead'; readonly fault: PlainFault; readonly attempts: number }

export interface DeliveryOptions {
  readonly config: Pick<RouteConfig, 'route' | 'retry' | 'withinMs'>
  readonly target: Target
  readonly breaker: Breaker
  readonly end: (items: readonly Offered[], ending: Ending) => Promise<void>
  readonly onRetry: (items: number, fault: PlainFault) => void
  readonly clock: Clock
  readonly log: Log
}

/** Keys of a route that are served at once. */
const strandsMax = 16
/** Batches of a key that are delivered, and not yet known to be done on the disk: after a power cut they go once more. */
const unkeptMax = 32
const deliverMs = 30_000
/** A delay of ours, not a failure of the target's. */
const pacing = new Set(['command.rate', 'command.busy', 'command.road-full', 'door.busy', 'route.disk-behind', 'store.overloaded'])
/** It may have been done, so it is not asked for again; but the target has not answered. */
const hanging = new Set(['command.timeout', 'command.not-read-back', 'command.not-confirmed'])

/** Delivers the items of one route: those of one key one after another, several keys at once, each until it is delivered or given up. */
export class Delivery {
  readonly #options: DeliveryOptions
  readonly #stop = new AbortController()
  readonly #strands = new Map<string, Item[]>()
  readonly #ready: string[] = []
  readonly #running = new Set<Promise<void>>()

  constructor(options: DeliveryOptions) {
    this.#options = options
  }

  add(key: string, item: Item): void {
    const strand = this.#strands.get(key)
    if (strand === undefined) {
      this.#strands.set(key, [item])
      this.#ready.push(key)
      this.#next()
      return
    }
    const older = item.place === undefined ? strand.findIndex(({ event }) => event.subject === item.event.subject) : -1
    const [overtaken] = older < 0 ? [] : strand.splice(older, 1, item)
    if (overtaken === undefined) strand.push(item)
    else void this.#options.end([overtaken], { outcome: 'overtaken' })
  }

  /** What is under way is left where it is. */
  async close(): Promise<void> {
    this.#stop.abort()
    await Promise.all(this.#running)
  }

  #next(): void {
    while (this.#running.size < strandsMax && !this.#stop.signal.aborted) {
      const key = this.#ready.shift()
      if (key === undefined) return
      const running = this.#serve(key).finally(() => {
        this.#running.delete(running)
        this.#next()
      })
      this.#running.add(running)
    }
  }

  async #serve(key: string): Promise<void> {
    const { target, log, config } = this.#options
    const strand = this.#strands.get(key) ?? []
    const onTheirWay: Promise<unknown>[] = []
    try {
      while (strand.length > 0 && !this.#stop.signal.aborted) {
        const keeping: Promise<void>[] = []
        await this.#deliver(strand.splice(0, target.batchMax), { strand, keeping })
        // Of those that go one by one the next waits until this one is known to be done on the disk; of batches some may be on their way there.
        onTheirWay.push(Promise.all(keeping))
        if (target.batchMax === 1 || onTheirWay.length > unkeptMax) await onTheirWay.shift()
      }
    } catch (error) {
      if (!this.#stop.signal.aborted) log.error('A route failed: a bug.', { route: config.route, ...errorFields(error) })
    }
    if (strand.length === 0) this.#strands.delete(key)
    else if (!this.#stop.signal.aborted) this.#ready.push(key)
  }

  /** Until all are delivered or given up; rejects when the route is stopped. */
  async #deliver(batch: readonly Item[], work: Work): Promise<void> {
    const { config, end, onRetry, clock } = this.#options
    const { retry } = config
    for (let attempt = 1; ; attempt += 1) {
      const live = this.#current(batch, attempt - 1, work)
      if (live.length === 0) return
      const fault = await this.#try(live)
      if (fault === undefined) {
        work.keeping.push(end(live, { outcome: 'delivered' }))
        return
      }
      if (!fault.isRetryable && live.length > 1) {
        for (const item of live) await this.#deliver([item], work) // one of them is at fault
        return
      }
      if (!fault.isRetryable || attempt >= retry.attempts) {
        work.keeping.push(end(live, { outcome: 'dead', fault, attempts: attempt }))
        return
      }
      onRetry(live.length, fault)
      const waitMs = Math.min(retry.maxMs, retry.waitMs * retry.factor ** Math.min(attempt - 1, 60))
      await clock.sleep(waitMs, this.#stop.signal)
    }
  }

  /** Those that are still wanted: not too old, and of a tag's values the newest. */
  #current(batch: readonly Item[], attempts: number, { strand, keeping }: Work): readonly Item[] {
    const { config, end, clock } = this.#options
    const { withinMs } = config
    return batch.filter((item) => {
      if (item.place === undefined && strand.some(({ event }) => event.subject === item.event.subject)) {
        keeping.push(end([item], { outcome: 'overtaken' }))
        return false
      }
      if (withinMs === undefined || clock.now() - item.sinceMs <= withinMs) return true
      keeping.push(end([item], { outcome: 'dead', fault: plainFault(tooOld(config.route, withinMs)), attempts }))
      return false
    })
  }

  /** Why not; undefined when it is delivered. */
  async #try(items: readonly Item[]): Promise<PlainFault | undefined> {
    const { breaker, target, clock, config, log } = this.#options
    const { signal } = this.#stop
    await breaker.admitted(signal)
    const late = Promise.withResolvers<never>()
    try {
      using _timer = clock.after(deliverMs, () => late.reject(noAnswer(target.name)))
      await Promise.race([target.deliver(items, signal), late.promise])
      breaker.succeeded()
      return undefined
    } catch (error) {
      if (signal.aborted) {
        breaker.abandoned()
        throw error
      }
      if (!(error instanceof Fault)) log.error('A target of a route failed in a bug.', { route: config.route, ...errorFields(error) })
      const fault = plainFault(error)
      if (pacing.has(fault.code)) breaker.abandoned()
      else if (fault.isRetryable || hanging.has(fault.code)) breaker.failed(fault)
      else breaker.succeeded() // it is there, and says no to this one item
      return fault
    }
  }
}

interface Work {
  /** What comes after it in the same order. */
  readonly strand: readonly Item[]
  /** Ends that are on their way to the disk. */
  readonly keeping: Promise<void>[]
}

function tooOld(route: string, withinMs: number): Fault {
  return new Fault('route.too-old', `What ${route} was to deliver is older than ${withinMs} ms.`, {
    remedy: 'Look why it waited; `within` of the route says how old an item may be.',
  })
}

function noAnswer(target: string): Fault {
  return new Fault('route.no-answer', `The ${target} has not answered for ${deliverMs} ms.`, {
    remedy: 'Look at the log around this moment.',
    isRetryable: true,
  })
}
