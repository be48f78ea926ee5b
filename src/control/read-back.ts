import type { Clock, MonotonicMs } from '../base/clock.ts'
import type { TagIndex, TagValue } from '../model/tag.ts'
import { type DevicePlace, type Errand, isWithin } from './errand.ts'
import { scaledValue, type TagTable } from './tag-table.ts'

/** Between two looks at values that are to be confirmed: soon at first, and rarer for a device that takes its time, so that its line is left to others. */
const pauseMs = { first: 5, max: 250 } as const
/** One read that takes longer is given up and begun anew, perhaps on a new connection. */
const readMs = 5_000

export interface ReadBackOptions {
  readonly table: TagTable
  readonly clock: Clock
}

export interface Look {
  readonly errand: Errand
  readonly untilMs: MonotonicMs
}

export interface Seen {
  /** What was read last; undefined where nothing was. */
  readonly value: TagValue | undefined
  readonly isConfirmed: boolean
}

/** Reads the tags of one device, all in one read, until each shows what was meant or its time is over. */
export async function readBack(looks: readonly Look[], place: DevicePlace, options: ReadBackOptions): Promise<readonly Seen[]> {
  const { clock } = options
  const seen = looks.map((): Seen => ({ value: undefined, isConfirmed: false }))
  const open = (): readonly number[] =>
    [...looks.keys()].filter((at) => seen[at]?.isConfirmed !== true && (looks[at]?.untilMs ?? 0) > clock.elapsed())
  let pause: number = pauseMs.first
  for (let waiting = open(); waiting.length > 0; waiting = open()) {
    const asked = waiting.flatMap((at) => looks[at] ?? [])
    const last = Math.max(...asked.map(({ untilMs }) => untilMs))
    const values = await readNow(
      asked.map(({ errand }) => errand.on.tag),
      { place, limitMs: Math.max(1, Math.min(readMs, last - clock.elapsed())), ...options },
    ).catch(() => []) // lost: it may be back before the limit
    for (const [position, at] of waiting.entries()) {
      const value = values[position]
      const look = looks[at]
      if (value !== undefined && look !== undefined) seen[at] = { value, isConfirmed: isWithin(value, look.errand.on) }
    }
    if (open().length === 0) break
    await clock.sleep(Math.max(1, Math.min(pause, last - clock.elapsed())))
    pause = Math.min(pauseMs.max, pause * 2)
  }
  return seen
}

export interface ReadNowOptions extends ReadBackOptions {
  readonly place: DevicePlace
  readonly limitMs: number
}

/**
 * What the device holds at this moment, in engineering units; undefined where it has no good value. Whoever looks at the tags then sees the same,
 * for it goes into the tag table first. Rejects where the device does not answer in time.
 */
export async function readNow(wanted: readonly TagIndex[], options: ReadNowOptions): Promise<readonly (TagValue | undefined)[]> {
  const { place, table, clock, limitMs } = options
  const tags = wanted.map((tag) => tag - place.first)
  const readings = await withinLimit((signal) => place.device.read(tags, signal), { clock, limitMs })
  table.take(place.first, readings, clock.now())
  table.flush()
  return readings.map(({ value, quality }, position) => {
    const isUsable = value !== null && (quality === 'good' || quality === 'uncertain')
    return isUsable ? scaledValue(value, table.metas[wanted[position] ?? -1]?.scale) : undefined
  })
}

/** How long somebody who was told to stop may take. */
const graceMs = 200

export interface Limit {
  readonly clock: Clock
  /** The work is told to stop after this long, */
  readonly limitMs: number
  /** with this reason, */
  readonly reason?: () => Error
  /** and left alone after this long: a driver that hangs must not hold up the road. Default: a moment after `limitMs`. */
  readonly giveUp?: { readonly ms: number; readonly reason: () => Error }
}

export async function withinLimit<Result>(work: (signal: AbortSignal) => Promise<Result>, options: Limit): Promise<Result> {
  const { clock, limitMs } = options
  const reason = options.reason ?? (() => new Error(`nothing came within ${limitMs} ms`))
  const giveUp = options.giveUp ?? { ms: limitMs + graceMs, reason }
  const limit = new AbortController()
  const late = Promise.withResolvers<never>()
  late.promise.catch(() => {}) // seen below, or nobody waits any more
  using _limit = clock.after(limitMs, () => limit.abort(reason()))
  using _late = clock.after(giveUp.ms, () => late.reject(giveUp.reason()))
  return await Promise.race([work(limit.signal), late.promise])
}
