import type { Clock, MonotonicMs } from '../../base/clock.ts'
import { Fault } from '../../base/fault.ts'
import type { SiteEvent } from '../../model/event.ts'
import { StepFailure } from './faults.ts'

export interface BreakersOptions {
  readonly clock: Clock
  readonly record: (event: SiteEvent) => void
}

/** Failures in a row that open it, and how long it then stays open before one attempt may look whether it is worth while again. */
const failuresMax = 5
const openMs = 10_000
/** Partners that have a history; whoever has failed least lately is forgotten first. */
const partnersMax = 1_000

interface Breaker {
  failures: number
  /** Since when it is open; absent: closed. */
  openedAt?: MonotonicMs
  isTrying: boolean
}

/**
 * One for each device, service and topic. A partner that has failed again and again is left alone for a while: steps fail at once, and hold no time,
 * no turn and no line that others need. Written here: a library would bring its own clock, and tests and replays own time.
 */
export class Breakers {
  readonly #options: BreakersOptions
  readonly #breakers = new Map<string, Breaker>()

  constructor(options: BreakersOptions) {
    this.#options = options
  }

  /** Rejects with `flow.breaker-open` without doing the work. */
  async through<Result>(partner: string | undefined, work: () => Promise<Result>): Promise<Result> {
    if (partner === undefined) return await work()
    this.#enter(partner)
    try {
      const result = await work()
      this.#succeeded(partner)
      return result
    } catch (error) {
      if (isTrouble(error)) this.#failed(partner)
      else this.#leave(partner)
      throw error
    }
  }

  /** Those that are not closed. */
  open(): readonly string[] {
    return [...this.#breakers].flatMap(([partner, { openedAt }]) => (openedAt === undefined ? [] : [partner]))
  }

  #enter(partner: string): void {
    const breaker = this.#breakers.get(partner)
    if (breaker?.openedAt === undefined) return
    const waitMs = breaker.openedAt + openMs - this.#options.clock.elapsed()
    if (waitMs > 0 || breaker.isTrying) throw leftAlone(partner, breaker.failures, waitMs)
    breaker.isTrying = true
    this.#tell('breaker.half-open', partner, breaker)
  }

  #succeeded(partner: string): void {
    const breaker = this.#breakers.get(partner)
    if (breaker === undefined) return
    this.#breakers.delete(partner)
    if (breaker.openedAt !== undefined) this.#tell('breaker.closed', partner, breaker)
  }

  /** It answered, if only with a no. */
  #leave(partner: string): void {
    const breaker = this.#breakers.get(partner)
    if (breaker?.openedAt === undefined) this.#breakers.delete(partner)
    else if (breaker.isTrying) this.#succeeded(partner)
  }

  #failed(partner: string): void {
    const breaker = this.#breakers.get(partner) ?? { failures: 0, isTrying: false }
    breaker.failures += 1
    breaker.isTrying = false
    this.#breakers.delete(partner)
    this.#breakers.set(partner, breaker)
    for (const [oldest] of this.#breakers) {
      if (this.#breakers.size <= partnersMax) break
      this.#breakers.delete(oldest)
    }
    if (breaker.failures < failuresMax) return
    breaker.openedAt = this.#options.clock.elapsed()
    this.#tell('breaker.opened', partner, breaker)
  }

  #tell(type: string, partner: string, { failures }: Breaker): void {
    const { clock, record } = this.#options
    record({ type, subject: partner, timeMs: clock.now(), data: { failures } })
  }
}

/** That it is away or does not answer; not that it says no. */
function isTrouble(error: unknown): boolean {
  if (error instanceof StepFailure)
    return error.status === 'unknown' || (error.fault.isRetryable && error.fault.code !== 'flow.unknown-value')
  return error instanceof Fault && error.isRetryable && error.code !== 'flow.unknown-value'
}

function leftAlone(partner: string, failures: number, waitMs: number): Fault {
  return new Fault(
    'flow.breaker-open',
    `The ${partner} has failed ${failures} times in a row and is left alone for ${Math.max(0, Math.ceil(waitMs))} ms more.`,
    {
      remedy: 'Look at it: flows try it again by themselves.',
      isRetryable: true,
    },
  )
}
