import { type Clock, type EpochMs, isoTime } from '../../base/clock.ts'
import { Fault, type PlainFault, plainFault } from '../../base/fault.ts'
import { errorFields, type Log } from '../../base/log.ts'
import type { Metric } from '../../base/metric.ts'
import type { SiteEvent } from '../../model/event.ts'
import type { Breaker } from '../breaker.ts'
import type { RouteRow } from '../contract.ts'
import type { TagTable } from '../tag-table.ts'
import { type RouteConfig, sourceText, targetText } from './config.ts'
import { Delivery, type Ending, type Offered, type Place } from './delivery.ts'
import type { RoutedEvent } from './item.ts'
import { judgeOf, type Verdict } from './judging.ts'
import type { Rota } from './rota.ts'
import type { Settling } from './settling.ts'
import type { Target } from './targets.ts'

export interface RouteOptions {
  readonly config: RouteConfig
  readonly target: Target
  readonly breaker: Breaker
  readonly settling: Settling
  readonly rota: Rota
  readonly table: TagTable
  readonly record: (event: SiteEvent) => void
  readonly clock: Clock
  readonly log: Log
}

/** Items that a route may hold in memory. */
const openMax = 1_000
/** Items looked at in one turn of the loop: less than a millisecond. */
const sliceMax = 100
const newsPauseMs = 60_000

/** One route: what comes in is judged and mapped, and delivered in the order of its key; what cannot be delivered harms nobody else. */
export class Route {
  readonly config: RouteConfig
  readonly #options: RouteOptions
  readonly #judge: (event: RoutedEvent) => Verdict
  readonly #delivery: Delivery
  readonly #counts = { taken: 0, passedOver: 0, delivered: 0, retried: 0, overtaken: 0, unknown: 0, dead: 0, dropped: 0, looped: 0 }
  readonly #incoming: Offered[] = []
  readonly #latest = new Map<string, Offered>()
  /** Items taken and not ended. */
  #open = 0
  #isAsking = false
  #last: { delivered?: EpochMs; fault?: PlainFault } = {}
  #toldAtMs = Number.NEGATIVE_INFINITY
  #untold = 0

  constructor(options: RouteOptions) {
    this.config = options.config
    this.#options = options
    this.#judge = judgeOf(options.config, options)
    this.#delivery = new Delivery({
      ...options,
      end: (items, ending) => this.#end(items, ending),
      onRetry: (items, fault) => {
        this.#counts.retried += items
        this.#last = { ...this.#last, fault }
      },
    })
  }

  /** How many more items it takes. */
  get room(): number {
    return openMax - this.#open
  }

  /** What waits on the disk, in its order. */
  take(items: readonly { readonly event: RoutedEvent; readonly place: Place }[]): void {
    for (const { event, place } of items) this.#incoming.push({ event, place, sinceMs: sinceOf(event) })
    this.#open += items.length
    this.#ask()
  }

  /** The current value of a tag: the newer takes the place of the older. */
  takeLatest(event: RoutedEvent): void {
    if (this.#latest.has(event.subject)) this.#counts.overtaken += 1
    this.#latest.set(event.subject, { event, place: undefined, sinceMs: this.#options.clock.now() })
    this.#ask()
  }

  /** A message came that has passed too many routes already. */
  looped(): void {
    this.#counts.looped += 1
    this.#tellOf('route.loop', {})
  }

  row(): RouteRow {
    const { delivered, fault } = this.#last
    return {
      route: this.config.route,
      from: sourceText(this.config),
      to: targetText(this.config),
      breaker: this.#options.breaker.state,
      waiting: this.#open + this.#latest.size,
      counts: { ...this.#counts },
      ...(delivered === undefined ? {} : { delivered: isoTime(delivered) }),
      ...(fault === undefined ? {} : { lastFault: fault }),
    }
  }

  metrics(): readonly Metric[] {
    const { route, breaker, waiting, counts } = this.row()
    const labels = { route }
    const help = 'What routes have taken in, and what became of it.'
    const isOpen = breaker === 'closed' ? 0 : 1
    return [
      ...Object.entries(counts).map(([outcome, value]): Metric => {
        return { name: 'lineside_route_items_total', help, type: 'counter', value, labels: { ...labels, outcome } }
      }),
      { name: 'lineside_route_waiting', help: 'Items of a route in memory.', type: 'gauge', value: waiting, labels },
      { name: 'lineside_route_breaker_open', help: '1 while the target is not asked.', type: 'gauge', value: isOpen, labels },
    ]
  }

  async close(): Promise<void> {
    await this.#delivery.close()
  }

  #ask(): void {
    if (this.#isAsking) return
    this.#isAsking = true
    this.#options.rota.ask(this.config.priority, () => this.#slice())
  }

  #slice(): void {
    this.#isAsking = false
    for (const offered of this.#incoming.splice(0, sliceMax)) this.#pass(offered)
    // Values wait here, where newer ones take their place, for as long as the target is busy.
    for (const [subject, offered] of this.#latest) {
      if (this.#open >= sliceMax) break
      this.#latest.delete(subject)
      this.#open += 1
      this.#pass(offered)
    }
    if (this.#incoming.length > 0) this.#ask()
  }

  #pass(offered: Offered): void {
    const { route, from } = this.config
    this.#counts.taken += 1
    try {
      const verdict = this.#judge(offered.event)
      if (verdict === 'passOver') {
        this.#counts.passedOver += 1
        void this.#finish([offered])
      } else if (verdict !== 'unknown') this.#delivery.add(verdict.key, { ...offered, ...verdict.outgoing })
      else {
        this.#counts.unknown += 1
        // A tag is just not good at this moment; of a message or event nobody will ever know more.
        if (from.kind === 'tag') void this.#finish([offered])
        else void this.#end([offered], { outcome: 'dead', fault: plainFault(unknownValue(route)), attempts: 0 })
      }
    } catch (error) {
      this.#options.log.error('A route could not judge an item: a bug.', { route, ...errorFields(error) })
      void this.#end([offered], { outcome: 'dead', fault: plainFault(error), attempts: 0 })
    }
  }

  async #end(items: readonly Offered[], ending: Ending): Promise<void> {
    // Of a tag whose latest value alone counts nothing is kept: there will be another.
    const isKept = items.some(({ place }) => place !== undefined)
    this.#counts[ending.outcome === 'dead' && !isKept ? 'dropped' : ending.outcome] += items.length
    if (ending.outcome === 'delivered') this.#last = { ...this.#last, delivered: this.#options.clock.now() }
    if (ending.outcome !== 'dead') return await this.#finish(items)
    const { fault, attempts } = ending
    this.#last = { ...this.#last, fault }
    this.#untold += items.length
    this.#tellOf(isKept ? 'route.dead-letter' : 'route.dropped', {
      code: fault.code,
      reason: fault.message,
      remedy: fault.remedy,
      attempts,
    })
    await this.#finish(items, { fault, attempts })
  }

  /** They are done with, on the disk too. */
  async #finish(items: readonly Offered[], letter?: { readonly fault: PlainFault; readonly attempts: number }): Promise<void> {
    this.#open -= items.length
    const places = items.flatMap(({ place, event }) => (place === undefined ? [] : [{ place, event }]))
    for (const { place } of places) place.lane.done(place.id)
    if (this.#latest.size > 0) this.#ask()
    const groups = [...Map.groupBy(places, ({ place }) => place.lane).values()]
    await Promise.all(groups.map((group) => this.#settle(group, letter)))
  }

  async #settle(
    group: readonly { readonly place: Place; readonly event: RoutedEvent }[],
    letter: { readonly fault: PlainFault; readonly attempts: number } | undefined,
  ): Promise<void> {
    const [first] = group
    if (first === undefined) return
    const { settling, target, clock } = this.#options
    const { consumer, kind, lane } = first.place
    const dead = letter === undefined ? [] : group.map(({ event }) => ({ event, deadMs: clock.now(), ...letterOf(letter) }))
    const done = kind === 'inbox' ? group.map(({ place }) => place.id) : []
    // Whoever takes many at once may be given the last of them once more; who takes one by one waits until it is known to be done.
    const when = target.batchMax > 1 && letter === undefined ? 'soon' : 'now'
    await settling.settle({ consumer, done, dead, ...(kind === 'journal' ? { cursor: lane.cursor() } : {}) }, when)
  }

  /** Not of each one: a target that takes nothing would fill the journal. */
  #tellOf(type: string, data: Readonly<Record<string, unknown>>): void {
    const { clock, record } = this.#options
    const now = clock.elapsed()
    if (now - this.#toldAtMs < newsPauseMs) return
    this.#toldAtMs = now
    record({ type, subject: this.config.route, timeMs: clock.now(), data: { ...data, items: this.#untold } })
    this.#untold = 0
  }
}

function letterOf({ fault, attempts }: { readonly fault: PlainFault; readonly attempts: number }) {
  return { attempts, code: fault.code, reason: `${fault.message} ${fault.remedy}`.slice(0, 1_000) }
}

/** A value's source may have taken it long ago; it waits since we have it. */
function sinceOf({ timeMs, data }: RoutedEvent): EpochMs {
  const { receivedMs } = data
  return typeof receivedMs === 'number' ? (receivedMs as EpochMs) : timeMs
}

function unknownValue(route: string): Fault {
  return new Fault('route.unknown-value', `A value that ${route} needs is missing, not good, or of another type.`, {
    remedy: 'Compare `map` of the route with what came; pass it over with `where` if it is not meant.',
  })
}
