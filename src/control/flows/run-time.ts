import type { EpochMs } from '../../base/clock.ts'

/** How long a run has been under way, by the wall clock. What it waited for its turn, and what a person held it up, does not count. */
export class RunTime {
  #sinceMs: EpochMs | undefined
  /** Before it began. */
  #pausedBeforeMs = 0
  #pausedMs = 0
  #pausedSinceMs: EpochMs | undefined

  get isPaused(): boolean {
    return this.#pausedSinceMs !== undefined
  }

  /** The first thing happens in it. */
  begin(nowMs: EpochMs): void {
    if (this.#sinceMs !== undefined) return
    this.#sinceMs = nowMs
    this.#pausedBeforeMs = this.#pausedUntil(nowMs)
  }

  /** A person lets it go on again, after its end: it waits for its turn, and begins anew then. */
  forget(nowMs: EpochMs): void {
    this.resume(nowMs)
    this.#sinceMs = undefined
  }

  pause(nowMs: EpochMs): void {
    this.#pausedSinceMs ??= nowMs
  }

  resume(nowMs: EpochMs): void {
    this.#pausedMs = this.#pausedUntil(nowMs)
    this.#pausedSinceMs = undefined
  }

  /** Of so much time: what is left of it. */
  leftMs(limitMs: number, nowMs: EpochMs): number {
    if (this.#sinceMs === undefined) return limitMs
    const tookMs = nowMs - this.#sinceMs - (this.#pausedUntil(nowMs) - this.#pausedBeforeMs)
    return Math.min(limitMs, Math.max(0, limitMs - tookMs))
  }

  /** In all its life, up to now. */
  #pausedUntil(nowMs: EpochMs): number {
    return this.#pausedMs + (this.#pausedSinceMs === undefined ? 0 : Math.max(0, nowMs - this.#pausedSinceMs))
  }
}
