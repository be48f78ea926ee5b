/** A number in [0, 1). */
export type Chance = () => number

/** mulberry32: small, fast, and the same line again from the same seed. */
export function seededChance(seed: number): Chance {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Normally distributed around 0 with standard deviation 1 (Box and Muller). */
export function gauss(chance: Chance): number {
  return Math.sqrt(-2 * Math.log(1 - chance())) * Math.cos(2 * Math.PI * chance())
}

export function between(chance: Chance, from: number, to: number): number {
  return from + (to - from) * chance()
}

/** Whether something that happens `perSecond` times a second on average happens in this step. */
export function happens(chance: Chance, perSecond: number, dtS: number): boolean {
  return chance() < perSecond * dtS
}

export interface Wander {
  readonly mean: number
  /** How far it strays, one standard deviation. */
  readonly deviation: number
  /** How long it takes to forget where it was. */
  readonly tauS: number
}

/** Sensor noise and slow drift alike: an Ornstein-Uhlenbeck step, which looks the same whatever the size of the step. */
export function wander(value: number, { mean, deviation, tauS }: Wander, dtS: number, chance: Chance): number {
  const kept = Math.exp(-dtS / tauS)
  return mean + (value - mean) * kept + deviation * Math.sqrt(1 - kept * kept) * gauss(chance)
}

/** First-order lag: how a temperature or a drive follows what it is heading for. */
export function approach(value: number, target: number, tauS: number, dtS: number): number {
  return target + (value - target) * Math.exp(-dtS / tauS)
}

export function clamp(value: number, min: number, max: number): number {
  return Math.min(max, Math.max(min, value))
}
