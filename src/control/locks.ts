import { busyTag } from './command-faults.ts'

/** Turns by name: whoever asks for a name is served in the order of asking, one at a time. */
export class Locks {
  readonly #waitingMax: number
  readonly #tails = new Map<string, { last: Promise<void>; waiting: number }>()

  constructor(options: { readonly waitingMax: number }) {
    this.#waitingMax = options.waitingMax
  }

  /**
   * Works while it holds all of the names, each of which may stand there once. All are queued for in one go, so that two who want the same
   * names in another order never wait for each other. Rejects with `command.busy` when too many wait for one of them already.
   */
  async hold<Result>(names: readonly string[], work: () => Promise<Result>): Promise<Result> {
    for (const name of names) {
      const waiting = this.#tails.get(name)?.waiting ?? 0
      if (waiting >= this.#waitingMax) throw busyTag(waiting)
    }
    const turn = Promise.withResolvers<void>()
    const before = names.map((name) => this.#queue(name, turn.promise))
    await Promise.all(before)
    try {
      return await work()
    } finally {
      for (const name of names) this.#leave(name)
      turn.resolve()
    }
  }

  #queue(name: string, turn: Promise<void>): Promise<void> {
    const tail = this.#tails.get(name) ?? { last: Promise.resolve(), waiting: 0 }
    const before = tail.last
    tail.last = turn
    tail.waiting += 1
    this.#tails.set(name, tail)
    return before
  }

  #leave(name: string): void {
    const tail = this.#tails.get(name)
    if (tail === undefined) return
    tail.waiting -= 1
    if (tail.waiting === 0) this.#tails.delete(name)
  }
}
