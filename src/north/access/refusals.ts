import type { Clock } from '../../base/clock.ts'
import type { Log } from '../../base/log.ts'
import type { Metric } from '../../base/metric.ts'
import type { SiteEvent } from '../../model/event.ts'
import { networkOf } from './back-off.ts'

/** Somebody who was not let in. */
export interface Refusal {
  /** Of the gateway: `mqtt`, `api` or `opcua`. */
  readonly door: string
  readonly address: string
  /** As he called himself. */
  readonly user: string | undefined
  readonly code: string
  readonly remedy: string
}

export interface RefusalsOptions {
  readonly clock: Clock
  readonly log: Log
  /** Into the journal. */
  readonly record: (event: SiteEvent) => void
}

/** Each source is told once in this time, and at its end how often it has come. */
const periodMs = 10 * 60_000
/** Sources told by name in one period; the others are one more. With that a flood makes some forty rows in ten minutes. */
const sourcesMax = 20
const userLengthMax = 64

interface Source {
  readonly refusal: Refusal
  times: number
}

/** Who was refused at the doors: counted each time, told to the journal once for each source and period, to the log once for each door and period. */
export class Refusals implements Disposable {
  readonly #options: RefusalsOptions
  readonly #counts = new Map<string, number>()
  readonly #sources = new Map<string, Source>()
  readonly #logged = new Set<string>()
  #others: Source | undefined
  #period: Disposable | undefined

  constructor(options: RefusalsOptions) {
    this.#options = options
  }

  note(refusal: Refusal): void {
    const { door, address } = refusal
    this.#counts.set(door, (this.#counts.get(door) ?? 0) + 1)
    this.#period ??= this.#options.clock.after(periodMs, () => this.#endPeriod())
    this.#tellLog(refusal)
    const key = `${door} ${networkOf(address)}`
    const known = this.#sources.get(key) ?? (this.#sources.size < sourcesMax ? undefined : this.#others)
    if (known !== undefined) {
      known.times += 1
      return
    }
    const source = { refusal, times: 1 }
    if (this.#sources.size < sourcesMax) this.#sources.set(key, source)
    else this.#others = source
    this.#record(source)
  }

  metrics(): readonly Metric[] {
    const help = 'Those who were not let in, by door.'
    return [...this.#counts].map(([door, value]) => ({
      name: 'lineside_access_refused_total',
      help,
      type: 'counter',
      value,
      labels: { door },
    }))
  }

  [Symbol.dispose](): void {
    this.#period?.[Symbol.dispose]()
  }

  /** The broker tells the log itself. */
  #tellLog({ door, address, code, remedy }: Refusal): void {
    if (door === 'mqtt' || this.#logged.has(door)) return
    this.#logged.add(door)
    this.#options.log.warn('Somebody was not let in.', { door, address, code, remedy })
  }

  #endPeriod(): void {
    this.#period = undefined
    for (const source of [...this.#sources.values(), ...(this.#others === undefined ? [] : [this.#others])]) {
      if (source.times > 1) this.#record(source)
    }
    this.#sources.clear()
    this.#logged.clear()
    this.#others = undefined
  }

  #record(source: Source): void {
    const { refusal, times } = source
    const { door, address, user, code } = refusal
    const isNamed = source !== this.#others
    this.#options.record({
      type: 'access.refused',
      subject: door,
      timeMs: this.#options.clock.now(),
      data: isNamed
        ? { address, ...(user === undefined ? {} : { user: printable(user) }), code, times }
        : { address: 'many others', code, times },
    })
  }
}

/** Whatever somebody calls himself, it must not steer the terminal of who reads it. */
function printable(user: string): string {
  return user.slice(0, userLengthMax).replaceAll(/\p{Cc}/gu, '�')
}
