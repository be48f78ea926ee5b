import { Stopped } from './faults.ts'
import { onAbort } from './stop.ts'

/** Work that goes on side by side and ends together: the first failure stops the rest, and is told when all of it has ended. */
export class Group {
  readonly #stop = new AbortController()
  readonly #above: Disposable
  readonly #ended = Promise.withResolvers<void>()
  #open = 0
  #isClosed = false
  #failure: { readonly error: unknown } | undefined

  constructor(above: AbortSignal) {
    this.#above = onAbort(above, () => this.#stop.abort())
  }

  add(work: (stop: AbortSignal) => Promise<void>): void {
    this.#open += 1
    work(this.#stop.signal).then(
      () => this.#leave(),
      (error: unknown) => {
        if (!(this.#isClosed && error instanceof Stopped)) this.#failure ??= { error }
        this.#stop.abort()
        this.#leave()
      },
    )
  }

  /** Enough is done: the rest is told to stop, and that it stops is no failure. */
  close(): void {
    this.#isClosed = true
    this.#stop.abort()
  }

  async ended(): Promise<void> {
    if (this.#open > 0) await this.#ended.promise
    this.#above[Symbol.dispose]()
    if (this.#failure !== undefined) throw this.#failure.error
  }

  #leave(): void {
    this.#open -= 1
    if (this.#open === 0) this.#ended.resolve()
  }
}
