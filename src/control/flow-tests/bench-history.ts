import type { HistoryAsk, HistoryBatch, HistoryPage } from '../../model/history.ts'

interface Value {
  readonly timeMs: number
  readonly value: number
}

const valuesMax = 100_000

/** What tags were in a test, in memory: it outlives the lives of the gateway as the disk does in a plant. */
export class BenchHistory {
  readonly #byTag = new Map<string, Value[]>()
  #aliveMs: number | undefined

  keep({ isFirst, aliveMs, tags, places, times, values }: HistoryBatch): null {
    const endedMs = isFirst ? this.#aliveMs : undefined
    if (endedMs !== undefined) for (const known of this.#byTag.values()) known.push({ timeMs: endedMs + 1, value: Number.NaN })
    for (const [at, place] of places.entries()) {
      const tag = tags[place] ?? ''
      const known = this.#byTag.get(tag) ?? []
      known.push({ timeMs: times[at] ?? 0, value: values[at] ?? Number.NaN })
      if (known.length > valuesMax) known.splice(0, valuesMax / 2)
      this.#byTag.set(tag, known)
    }
    this.#aliveMs = aliveMs
    return null
  }

  page({ tag, untilMs }: HistoryAsk): HistoryPage {
    const known = (this.#byTag.get(tag) ?? []).filter(({ timeMs }) => timeMs < untilMs)
    return { times: Float64Array.from(known, ({ timeMs }) => timeMs), values: Float64Array.from(known, ({ value }) => value) }
  }
}
