import { Fault } from '../base/fault.ts'

/** Turns by name: whoever asks for a name is served in the order of asking, one at a time. */
export class Locks {
  readonly #waitingMax: number
  readonly #tails = new Map<string, { last: Promise<void>; waiting: number }>()

  constructor(options: { readonly waitingMax: number }) {
    this.#waitingMax = options.waitingMax
  }

  /** Rejects with `command.busy` when too many wait for that name already. */
  async hold<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
    const tail = this.#tails.get(name) ?? { last: Promise.resolve(), waiting: 0 }
    if (tail.waiting >= this.#waitingMax) throw busy(tail.waiting)
    const turn = Promise.withResolvers<void>()
    const before = tail.last
    tail.last = turn.promise
    tail.waiting += 1
    this.#tails.set(name, tail)
    await before
    try {
      return await work()
    } finally {
      tail.waiting -= 1
      if (tail.waiting === 0) this.#tails.delete(name)
      turn.resolve()
    }
  }
}

function busy(waiting: number): Fault {
  return new Fault('command.busy', `${waiting} commands for this tag already wait.`, {
    remedy: 'Ask less often, or wait for each answer.',
    isRetryable: true,
  })
}
