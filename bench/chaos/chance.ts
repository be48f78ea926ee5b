/** Everything that a plan leaves to chance comes from here: the same seed, the same plan. */
export interface SeededChance {
  /** In [0, 1). */
  next(): number
  isLikely(probability: number): boolean
  /** Whole, from low to high, both included. */
  between(low: number, high: number): number
  pick<Item>(items: readonly [Item, ...Item[]]): Item
  some<Item>(items: readonly Item[], count: number): readonly Item[]
}

export function seededChance(seed: number): SeededChance {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x9e37_79b9) >>> 0
    return mixed(state) / 2 ** 32
  }
  const between = (low: number, high: number): number => low + Math.floor(next() * (high - low + 1))
  return {
    next,
    between,
    isLikely: (probability) => next() < probability,
    pick: ([first, ...others]) => [first, ...others][between(0, others.length)] ?? first,
    some: (items, count) => {
      const left = [...items]
      const taken: (typeof items)[number][] = []
      while (taken.length < count && left.length > 0) taken.push(...left.splice(between(0, left.length - 1), 1))
      return taken
    },
  }
}

/** All 32 bits of the result depend on all of the input's (the finaliser of MurmurHash3). */
export function mixed(value: number): number {
  let hash = value >>> 0
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
