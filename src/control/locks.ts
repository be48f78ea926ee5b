import { busyTag } from './command-faults.ts'

/** What somebody wants to have for himself, and what must not change while he looks at it. A name stands in one of them, once. */
export interface Turn {
  readonly mine: readonly string[]
  readonly looked: readonly string[]
}

interface Tail {
  /** The end of the last turn of somebody who had the name for himself. */
  owned: Promise<void>
  /** The end of all turns since in which it was looked at. */
  looked: Promise<void>
  waiting: number
  users: number
}

/** Turns by name: whoever asks for a name is served in the order of asking, one at a time; those who only look share it. */
export class Locks {
  readonly #waitingMax: number
  readonly #tails = new Map<string, Tail>()

  constructor(options: { readonly waitingMax: number }) {
    this.#waitingMax = options.waitingMax
  }

  /**
   * Works while it holds all of the names; `doneLooking` gives back early what is only looked at. All are queued for in one go, so that two who want
   * the same names in another order never wait for each other. Rejects with `command.busy` when too many wait to have one of them for themselves.
   */
  async hold<Result>({ mine, looked }: Turn, work: (doneLooking: () => void) => Promise<Result>): Promise<Result> {
    for (const name of mine) {
      const waiting = this.#tails.get(name)?.waiting ?? 0
      if (waiting >= this.#waitingMax) throw busyTag(waiting)
    }
    const turn = Promise.withResolvers<void>()
    const look = Promise.withResolvers<void>()
    const before = [...mine.map((name) => this.#own(name, turn.promise)), ...looked.map((name) => this.#look(name, look.promise))]
    let isLooking = true
    const doneLooking = (): void => {
      if (!isLooking) return
      isLooking = false
      for (const name of looked) this.#leave(name)
      look.resolve()
    }
    await Promise.all(before)
    try {
      return await work(doneLooking)
    } finally {
      for (const name of mine) this.#leave(name, 'owner')
      turn.resolve()
      doneLooking()
    }
  }

  #own(name: string, turn: Promise<void>): Promise<unknown> {
    const tail = this.#tailOf(name)
    const before = Promise.all([tail.owned, tail.looked])
    tail.owned = turn
    tail.looked = Promise.resolve()
    tail.waiting += 1
    return before
  }

  #look(name: string, turn: Promise<void>): Promise<void> {
    const tail = this.#tailOf(name)
    tail.looked = Promise.all([tail.looked, turn]).then(() => {})
    return tail.owned
  }

  #tailOf(name: string): Tail {
    const tail = this.#tails.get(name) ?? { owned: Promise.resolve(), looked: Promise.resolve(), waiting: 0, users: 0 }
    tail.users += 1
    this.#tails.set(name, tail)
    return tail
  }

  #leave(name: string, as?: 'owner'): void {
    const tail = this.#tails.get(name)
    if (tail === undefined) return
    tail.users -= 1
    if (as === 'owner') tail.waiting -= 1
    if (tail.users === 0) this.#tails.delete(name)
  }
}
