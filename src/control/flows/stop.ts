import type { Clock } from '../../base/clock.ts'
import { Stopped } from './faults.ts'

export function onAbort(signal: AbortSignal, callback: () => void): Disposable {
  if (signal.aborted) callback()
  else signal.addEventListener('abort', callback, { once: true })
  return { [Symbol.dispose]: () => signal.removeEventListener('abort', callback) }
}

/** Rejects with `Stopped` where it is told to stop. */
export async function sleep(ms: number, { clock, stop }: { readonly clock: Clock; readonly stop: AbortSignal }): Promise<void> {
  const over = Promise.withResolvers<void>()
  using _stopped = onAbort(stop, () => over.reject(new Stopped()))
  using _timer = clock.after(ms, over.resolve)
  await over.promise
}
