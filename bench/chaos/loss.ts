/** A promise that was broken. */
export interface Loss {
  readonly what: string
  /** Begins the run with the very round that found it. */
  readonly seed: number
}

export interface ChaosOptions {
  readonly minutes: number
  readonly seed: number
  say(text: string): void
}

export type Chaos = (options: ChaosOptions) => Promise<readonly Loss[]>
