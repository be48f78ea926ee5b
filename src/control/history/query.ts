import { Fault } from '../../base/fault.ts'
import type { HistoryPage } from '../../model/history.ts'
import { asTagId, type TagMeta } from '../../model/tag.ts'
import type { QueryAction } from '../flows/definition.ts'
import { Stopped, unknownValue } from '../flows/faults.ts'
import type { TagTable } from '../tag-table.ts'
import { HistorySink, type HistorySinkOptions } from './sink.ts'
import { type Span, Tallies } from './tally.ts'

export type HistoryQuery = Omit<QueryAction, 'kind'>
type Answer = boolean | number | null

/** Of one tag in one question: more would hold the store and the flows up. */
const valuesMax = 2_000_000
const spansMax = 1_000

export interface HistoryOptions extends HistorySinkOptions {
  readonly table: TagTable
}

/** What chosen tags were, kept and asked. */
export class History {
  readonly sink: HistorySink
  readonly #options: HistoryOptions

  constructor(options: HistoryOptions) {
    this.#options = options
    this.sink = new HistorySink(options)
  }

  /** Each tag's number, or list of numbers, by its name; under `known` which share of the time is known. */
  async query(ask: HistoryQuery, stop: AbortSignal): Promise<Readonly<Record<string, unknown>>> {
    const metas = ask.tags.map((tag) => this.#metaOf(tag))
    await this.sink.flush()
    const spans = spansOf(ask, this.#options.clock.now())
    const answers: (readonly [string, unknown])[] = []
    const known: (readonly [string, number])[] = []
    for (const meta of metas) {
      const { values, share } = await this.#one(meta, { ask, spans, stop })
      answers.push([meta.id, ask.everyMs === undefined ? (values[0] ?? null) : values])
      known.push([meta.id, share])
    }
    const missing = answers.find(([, answer]) => answer === null)
    if (missing !== undefined) throw unknownValue('query', `nothing is known of ${missing[0]} in the last ${ask.lastMs / 1_000} s`)
    return { ...Object.fromEntries(answers), known: Object.fromEntries(known) }
  }

  #metaOf(tag: string): TagMeta {
    const { table } = this.#options
    const place = table.find(asTagId(tag))
    const meta = place === undefined ? undefined : table.metas[place]
    if (place !== undefined && meta !== undefined && this.sink.has(place)) return meta
    throw new Fault('flow.no-history', `No history is kept of ${tag.slice(0, 200)}.`, {
      remedy: 'Name it under `storage: { history: { tags: […] } }` in lineside.yaml.',
    })
  }

  async #one(
    { id, type }: TagMeta,
    { ask, spans, stop }: { readonly ask: HistoryQuery; readonly spans: readonly Span[]; readonly stop: AbortSignal },
  ): Promise<{ readonly values: readonly Answer[]; readonly share: number }> {
    const tallies = new Tallies(spans)
    const fromMs = spans[0]?.fromMs ?? 0
    const untilMs = spans.at(-1)?.untilMs ?? 0
    let count = 0
    for (let after: HistoryPage['next']; ; ) {
      const page = await this.#options.store.call('historyPage', { tag: id, fromMs, untilMs, ...(after === undefined ? {} : { after }) })
      if (stop.aborted) throw new Stopped()
      for (let at = 0; at < page.times.length; at += 1) tallies.take(page.times[at] ?? 0, page.values[at] ?? Number.NaN)
      count += page.times.length
      if (count > valuesMax) throw tooMuch(id)
      if (page.next === undefined) break
      after = page.next
    }
    tallies.end()
    const isSwitch = type === 'bool' && (ask.aggregate === 'first' || ask.aggregate === 'last')
    const values = tallies.all.map((tally) => answerOf(tally.result(ask.aggregate), isSwitch))
    const knownMs = tallies.all.reduce((sum, tally) => sum + tally.knownMs, 0)
    return { values, share: knownMs / Math.max(1, untilMs - fromMs) }
  }
}

function answerOf(result: number | undefined, isSwitch: boolean): Answer {
  if (result === undefined) return null
  return isSwitch ? result !== 0 : result
}

/** The last one ends now. */
function spansOf({ lastMs, everyMs = lastMs }: HistoryQuery, nowMs: number): readonly Span[] {
  const count = Math.min(spansMax, Math.ceil(lastMs / everyMs))
  return Array.from({ length: count }, (_, place) => {
    const untilMs = nowMs - (count - 1 - place) * everyMs
    return { fromMs: Math.max(nowMs - lastMs, untilMs - everyMs), untilMs }
  })
}

function tooMuch(tag: string): Fault {
  return new Fault('flow.too-large', `The history of ${tag} holds more than ${valuesMax} values in that time.`, {
    remedy: 'Ask for less time.',
  })
}
