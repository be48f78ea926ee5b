import { Breaker, type BreakerOptions } from './breaker.ts'

/** Breakers that are kept though nothing is wrong with them; the one asked for longest ago goes first. */
const idleMax = 1_000

/** One breaker for each device, service and topic, whoever asks it: what a route has found out, a flow need not find out again. */
export class BreakerPool {
  readonly #options: Omit<BreakerOptions, 'name'>
  readonly #byName = new Map<string, Breaker>()

  constructor(options: Omit<BreakerOptions, 'name'>) {
    this.#options = options
  }

  of(name: string): Breaker {
    const known = this.#byName.get(name) ?? new Breaker({ ...this.#options, name })
    this.#byName.delete(name)
    this.#byName.set(name, known)
    if (this.#byName.size > idleMax) this.#forget()
    return known
  }

  /** The names of those that are not closed. */
  open(): readonly string[] {
    return [...this.#byName].flatMap(([name, { state }]) => (state === 'closed' ? [] : [name]))
  }

  #forget(): void {
    for (const [name, { state }] of this.#byName) {
      if (state !== 'closed') continue
      this.#byName.delete(name)
      return
    }
  }
}
