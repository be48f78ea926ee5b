/** One at a time for each unit of a line, whoever asks: between reading a register and writing it back nothing of ours may come. */
export class UnitLocks {
  /** The end of the last turn; absent while nobody has one. */
  readonly #turns = new Map<number, Promise<void>>()

  async hold<Result>(unit: number, work: () => Promise<Result>): Promise<Result> {
    const before = this.#turns.get(unit) ?? Promise.resolve()
    const result = before.then(work)
    const turn = result.then(
      () => {},
      () => {},
    )
    this.#turns.set(unit, turn)
    try {
      return await result
    } finally {
      if (this.#turns.get(unit) === turn) this.#turns.delete(unit)
    }
  }
}
