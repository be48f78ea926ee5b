import type { HostState } from '../../../model/sparkplug/state.ts'

/** What is known of the primary host at one server. A word that is older than the last one counts for nothing. */
export class HostWatch {
  #timestampMs = Number.NEGATIVE_INFINITY
  #isOnline = false

  get isOnline(): boolean {
    return this.#isOnline
  }

  /** A new connection: its retained word is still to come. */
  begin(): void {
    this.#isOnline = false
  }

  take({ isOnline, timestampMs }: HostState): void {
    if (timestampMs < this.#timestampMs) return
    this.#timestampMs = timestampMs
    this.#isOnline = isOnline
  }
}
