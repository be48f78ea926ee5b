/** A thing that exists is running: it was ready when its `start…()` returned, and disposing of it stops it. */
export interface Running extends AsyncDisposable {
  /** Stays pending while all is well; rejects if the part dies on its own. */
  readonly failure: Promise<never>
}

/** Starts a loop that must not end by itself; disposing aborts it and waits until it has ended. */
export function startLoop(loop: (signal: AbortSignal) => Promise<void>): Running {
  const stop = new AbortController()
  const ended = loop(stop.signal)
  const failure = ended.then(
    () => new Promise<never>(() => {}),
    (error: unknown) => (stop.signal.aborted ? new Promise<never>(() => {}) : Promise.reject(error)),
  )
  failure.catch(() => {}) // seen by whoever watches; a loop nobody watches yet is no unhandled rejection
  return {
    failure,
    [Symbol.asyncDispose]: async () => {
      stop.abort()
      await ended.catch(() => {})
    },
  }
}

/** The failure of whichever part fails first. */
export function firstFailure(parts: readonly Pick<Running, 'failure'>[]): Promise<never> {
  const failure = Promise.race([new Promise<never>(() => {}), ...parts.map((part) => part.failure)])
  failure.catch(() => {})
  return failure
}
