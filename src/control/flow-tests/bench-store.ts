import type { Door } from '../../base/door.ts'
import { Fault } from '../../base/fault.ts'
import type { AnyEvent } from '../../model/event.ts'
import type { Consumed, ConsumerCursor, JournalEvent } from '../../model/journal.ts'
import type { RunState } from '../../model/run-state.ts'
import type { KeptRun, RunRecord, StepRecord, StoreCalls } from '../../store/contract.ts'
import { BenchHistory } from './bench-history.ts'

type Begun = Extract<RunRecord, { readonly kind: 'begun' }>

interface BenchRun {
  readonly id: number
  readonly begun: Begun
  readonly records: StepRecord[]
  end: Extract<RunRecord, { readonly kind: 'ended' }> | undefined
  isSettled: boolean
}

/** What a restart asks for is no more than half of it. */
const eventsMax = 10_000

/** The journal as far as flows and commands need it, in memory: it outlives the lives of the gateway in a test as the disk does in a plant. */
export class BenchStore {
  readonly events: JournalEvent[] = []
  readonly #runs = new Map<string, BenchRun>()
  readonly #cursors = new Map<string, ConsumerCursor>()
  readonly #history = new BenchHistory()
  #lastId = 0

  append(event: AnyEvent): void {
    this.#lastId += 1
    const id = this.#lastId
    const data = typeof event.data === 'string' ? (JSON.parse(event.data) as JournalEvent['data']) : event.data
    this.events.push({ ...event, data, id, uid: event.uid ?? `e${id}` })
    if (this.events.length > eventsMax) this.events.splice(0, eventsMax / 2)
  }

  /** It has been looked at, and will not be asked for. */
  forget(run: string): void {
    this.#runs.delete(run)
  }

  /** In the order in which they began. */
  runsOf(flow: string): readonly KeptRun[] {
    return [...this.#runs.values()].filter(({ begun }) => begun.flow === flow).map(keptOf)
  }

  record(record: RunRecord): void {
    if (record.kind === 'begun') {
      if (!this.#runs.has(record.run)) {
        this.#runs.set(record.run, { id: this.#runs.size + 1, begun: record, records: [], end: undefined, isSettled: false })
      }
      return
    }
    const run = this.#runs.get(record.run)
    if (run === undefined) throw new Fault('store.run-unknown', `The journal knows no run "${record.run}".`, { remedy: 'Begin it first.' })
    if (record.kind === 'ended') run.end ??= record
    else if (record.kind === 'settled') run.isSettled = run.end?.state === 'unsettled'
    else if (record.kind === 'reopened') run.end = undefined
    else run.records.push(record)
  }

  /** The door as one life of the gateway sees it: `through` lets a call pass, or never answers where the power is gone. */
  door(through: <Answer>(answer: () => Answer) => Promise<Answer>): Door<StoreCalls> {
    const calls: Partial<{ readonly [Name in keyof StoreCalls]: (ask: Parameters<StoreCalls[Name]>[0]) => ReturnType<StoreCalls[Name]> }> =
      {
        recordRuns: ({ records, events = [] }) => {
          for (const record of records) this.record(record)
          for (const event of events) this.append(event)
          return null
        },
        openRuns: () => this.#open(),
        runs: ({ flow, state, rowsMax }) =>
          [...this.#runs.values()]
            .map(keptOf)
            .filter((run) => (flow === undefined || run.flow === flow) && (state === undefined || run.state === state))
            .reverse()
            .slice(0, rowsMax),
        run: ({ run }) => {
          const known = this.#runs.get(run)
          return known === undefined ? null : { ...keptOf(known), definition: known.begun.definition }
        },
        append: (events) => {
          for (const event of events) this.append(event)
          return null
        },
        events: ({ type, rowsMax }) =>
          this.events
            .filter((event) => type === undefined || event.type === type)
            .slice(-rowsMax)
            .reverse(),
        consumerCursor: ({ consumer }) => this.#cursors.get(consumer) ?? { lastId: this.#lastId, ahead: [], isNew: true },
        keepHistory: (batch) => this.#history.keep(batch),
        historyPage: (ask) => this.#history.page(ask),
        consumed: (asks) => this.#consumed(asks),
      }
    const call = (name: keyof StoreCalls, ask: never): Promise<never> => {
      const answer = calls[name] as ((ask: never) => never) | undefined
      if (answer === undefined) throw new Error(`a flow under test asked the store for ${name}`)
      return through(() => answer(ask))
    }
    return {
      call,
      tell: () => true,
      attach: () => {},
      onAttach: () => {},
      isOpen: true,
      unanswered: 0,
      close: () => {},
    } as Door<StoreCalls>
  }

  #consumed(asks: readonly Consumed[]): null {
    for (const { consumer, cursor } of asks) if (cursor !== undefined) this.#cursors.set(consumer, cursor)
    return null
  }

  #open(): ReturnType<StoreCalls['openRuns']> {
    const open = [...this.#runs.values()].filter(({ end }) => end === undefined)
    return {
      runs: open.map(keptOf),
      definitions: Object.fromEntries(open.map((run) => [versionOf(run), run.begun.definition])),
      nextAfterId: open.at(-1)?.id ?? 0,
      isEnd: true,
    }
  }
}

function versionOf({ begun }: BenchRun): string {
  return begun.definition
}

function keptOf(run: BenchRun): KeptRun {
  const { id, begun, records, end, isSettled } = run
  const state: RunState | undefined = isSettled ? 'settled' : end?.state
  return {
    id,
    run: begun.run,
    flow: begun.flow,
    version: versionOf(run),
    begunMs: begun.timeMs,
    input: begun.input,
    records: [...records],
    ...(end === undefined || state === undefined ? {} : { endedMs: end.timeMs, state, outcome: end.data }),
  }
}
