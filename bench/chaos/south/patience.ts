import { setTimeout as sleep } from 'node:timers/promises'

export interface PatienceOptions {
  /** Asked at each look where it depends on what happens meanwhile. */
  readonly limitMs: number | (() => number)
  /** A process that was held up for longer than this makes its own peers late: the time counts anew. */
  readonly stallMs: number
}

const lookEveryMs = 10
/** However busy the machine, by then there must have been a quiet moment. */
const heldUpMsMax = 60_000

/** Waits until it is so; the ms that it took, or undefined where it took longer than the limit. */
export async function patiently(isSo: () => boolean, { limitMs, stallMs }: PatienceOptions): Promise<number | undefined> {
  const sinceMs = performance.now()
  let [fromMs, lookedMs] = [sinceMs, sinceMs]
  while (!isSo()) {
    const nowMs = performance.now()
    if (nowMs - lookedMs > lookEveryMs + stallMs && nowMs - sinceMs < heldUpMsMax) fromMs = nowMs
    lookedMs = nowMs
    if (nowMs - fromMs > (typeof limitMs === 'number' ? limitMs : limitMs())) return undefined
    await sleep(lookEveryMs)
  }
  return performance.now() - fromMs
}

/** The same for work that ends by itself; it may go on. */
export async function settlesPatiently(work: Promise<unknown>, options: PatienceOptions): Promise<boolean> {
  const state = { isSettled: false }
  const settled = (): void => {
    state.isSettled = true
  }
  work.then(settled, settled)
  return (await patiently(() => state.isSettled, options)) !== undefined
}
