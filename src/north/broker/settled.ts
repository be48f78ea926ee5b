/** A result that is there already, in the place of a promise: who waits for it goes on in the same turn, so that no message overtakes another in a queue of microtasks. */
export class Settled<Value> implements PromiseLike<Value> {
  readonly #value: Value

  constructor(value: Value) {
    this.#value = value
  }

  // biome-ignore lint/suspicious/noThenProperty: being awaited is what it is for
  then<Result = Value, Never = never>(
    fulfilled?: ((value: Value) => Result | PromiseLike<Result>) | null,
    _rejected?: ((reason: unknown) => Never | PromiseLike<Never>) | null,
  ): PromiseLike<Result | Never> {
    const result = fulfilled?.(this.#value)
    return isThenable(result) ? result : new Settled(result as Result)
  }
}

function isThenable<Result>(result: Result | PromiseLike<Result> | undefined): result is PromiseLike<Result> {
  return typeof result === 'object' && result !== null && 'then' in result
}
