import type { EpochMs } from '../base/clock.ts'

/** Values of some tags, in the order of their times. */
export interface HistoryBatch {
  /** Of this life of the gateway: what the tags were since it was last alive, nobody knows. */
  readonly isFirst: boolean
  readonly aliveMs: EpochMs
  readonly tags: readonly string[]
  /** In `tags`. */
  readonly places: Uint16Array
  readonly times: Float64Array
  /** NaN where the value was not good. */
  readonly values: Float64Array
}

export interface HistoryAsk {
  readonly tag: string
  readonly fromMs: number
  readonly untilMs: number
  /** Of the page before. */
  readonly after?: HistoryPlace
}

interface HistoryPlace {
  readonly ms: number
  readonly id: number
}

export interface HistoryPage {
  readonly times: Float64Array
  readonly values: Float64Array
  /** There is more. */
  readonly next?: HistoryPlace
}
