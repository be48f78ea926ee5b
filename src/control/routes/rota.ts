import { type RoutePriority, routePriorities } from './config.ts'

/** After so many turns of others the lowest goes first: it must not starve. */
const patienceTurns = 20

interface Waiting {
  readonly rank: number
  readonly work: () => void
  readonly since: number
}

/** Who of the routes has the thread next: one slice of work a turn of the loop, the highest priority first, so that polls and writes come in between. */
export class Rota {
  #waiting: Waiting[] = []
  #turns = 0
  #isScheduled = false

  ask(priority: RoutePriority, work: () => void): void {
    this.#waiting.push({ rank: routePriorities.indexOf(priority), work, since: this.#turns })
    this.#schedule()
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      this.#turns += 1
      this.#take()?.work()
      if (this.#waiting.length > 0) this.#schedule()
    })
  }

  #take(): Waiting | undefined {
    let best = 0
    for (const [place, waiting] of this.#waiting.entries()) {
      const first = this.#waiting[best]
      if (first !== undefined && this.#rank(waiting) < this.#rank(first)) best = place
    }
    return this.#waiting.splice(best, 1)[0]
  }

  #rank({ rank, since }: Waiting): number {
    return rank - Math.floor((this.#turns - since) / patienceTurns)
  }
}
