import { type Backoff, backoffMs, type Chance } from '../base/chance.ts'

/** An absent device costs one attempt in 0.35 to 0.7 s: soon enough to have it back within a second, rare enough to cost nothing. */
const absent: Backoff = { firstMs: 100, maxMs: 700 }
/** One that is there and breaks off again is left alone ever longer: connecting to it more often does not mend it. */
const broken: Backoff = { firstMs: 100, maxMs: 10_000 }
/** One that says nothing costs as many timeouts before it is given up, and may only hang for a moment. */
const silent: Backoff = { firstMs: 100, maxMs: 2_000 }
/** A device that answered for this long was well: the next loss starts from the first pause again. */
export const wellAfterMs = 5_000
/** One that sends rubbish every few seconds must not be left alone for longer than it is read: each second of answers takes one break back. */
const breakBackMs = 1_000
/** The pause grows no more after so many, and what is taken back is taken from them. */
const breaksMax = 8

/** How long to wait before a device is connected to again. */
export class ReconnectPace {
  readonly #chance: Chance
  #attempts = 0
  #breaks = 0
  #wait: Backoff = absent

  constructor(chance: Chance) {
    this.#chance = chance
  }

  /** Nothing was there. */
  missed(): void {
    this.#attempts += 1
    this.#wait = absent
  }

  /** Something was there, and answered for so long. */
  broke({ answeredMs, isSilent }: { readonly answeredMs: number; readonly isSilent: boolean }): void {
    this.#attempts = 0
    const takenBack = answeredMs >= wellAfterMs ? breaksMax : Math.floor(answeredMs / breakBackMs)
    this.#breaks = Math.min(breaksMax, Math.max(0, this.#breaks - takenBack) + 1)
    this.#wait = isSilent ? silent : broken
  }

  waitMs(): number {
    return backoffMs(this.#wait, this.#wait === absent ? this.#attempts : this.#breaks, this.#chance)
  }
}
