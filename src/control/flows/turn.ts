import { setImmediate as nextTurn } from 'node:timers/promises'

/** What may begin in one turn of the loop: steps that wait for nothing must not keep the thread from its polls and from other flows. */
const stepsPerTurn = 32

export class Turn {
  #begun = 0
  #next: Promise<void> | undefined

  /** To be awaited where it is given. */
  spend(): Promise<void> | undefined {
    this.#begun += 1
    if (this.#begun < stepsPerTurn) return this.#next
    this.#next ??= nextTurn().then(() => {
      this.#begun = 0
      this.#next = undefined
    })
    return this.#next
  }
}
