import type { Clock, MonotonicMs } from '../../base/clock.ts'
import type { Log, LogFields } from '../../base/log.ts'
import type { Item } from './item.ts'
import type { Block } from './planner.ts'

interface Told {
  readonly code: number
  readonly toldAt: MonotonicMs
  /** Refused since it was told, without a word. */
  readonly times: number
  readonly isRefused: boolean
}

/** A request that is refused and given by turns is told of this often. */
const againAfterMs = 600_000
/** Of a device; its file holds fewer requests unless something is very wrong. */
const blocksMax = 1_000

/** What the log is told of requests that a device refuses. Outlives its connections: a device that breaks off each second must not tell all of it anew each time. */
export class RefusalNews {
  readonly #clock: Clock
  readonly #log: Log
  readonly #told = new Map<string, Told>()

  constructor({ clock, log }: { readonly clock: Clock; readonly log: Log }) {
    this.#clock = clock
    this.#log = log
  }

  refused(block: Block<Item>, { code, fields }: { readonly code: number; readonly fields: LogFields }): void {
    const key = keyOf(block)
    const now = this.#clock.elapsed()
    const before = this.#told.get(key)
    const isNews =
      before === undefined
        ? this.#told.size < blocksMax
        : now - before.toldAt >= againAfterMs && (!before.isRefused || before.code !== code)
    const times = (before?.times ?? 0) + 1
    if (isNews) {
      this.#told.set(key, { code, toldAt: now, times: 0, isRefused: true })
      this.#log.warn('The device refuses to be read.', { ...fieldsOf(block), ...fields, ...(times > 1 ? { times } : {}) })
    } else if (before !== undefined) this.#told.set(key, { ...before, times, isRefused: true })
  }

  given(block: Block<Item>): void {
    const before = this.#told.get(keyOf(block))
    if (before?.isRefused !== true) return
    this.#told.set(keyOf(block), { ...before, isRefused: false })
    if (before.times === 0) this.#log.info('The device gives again what it had refused.', fieldsOf(block))
  }
}

const ofDevices = new WeakMap<object, RefusalNews>()

/** One for each device file, which is one object over all connections. */
export function refusalNews(config: object, context: { readonly clock: Clock; readonly log: Log }): RefusalNews {
  const known = ofDevices.get(config) ?? new RefusalNews(context)
  ofDevices.set(config, known)
  return known
}

function keyOf({ unit, area, start, count }: Block<Item>): string {
  return `${unit}/${area}:${start}+${count}`
}

function fieldsOf(block: Block<Item>): LogFields {
  return { unit: block.unit, area: block.area, start: block.start, count: block.count, tags: block.items.length }
}
