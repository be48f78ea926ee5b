import { isoTime } from '../../base/clock.ts'
import { Fault } from '../../base/fault.ts'
import { errorFields } from '../../base/log.ts'
import type { Metric } from '../../base/metric.ts'
import type { SiteEvent } from '../../model/event.ts'
import type { KeptRun } from '../../store/contract.ts'
import type { PastEvent, StartAsk } from '../contract.ts'
import { History } from '../history/query.ts'
import { wantedTags } from '../history/wanted.ts'
import { type CompiledFlow, compileFlow } from './compiled.ts'
import type { FlowDefinition } from './definition.ts'
import { Stopped } from './faults.ts'
import { idFrom } from './id-from.ts'
import { inputFor } from './inputs.ts'
import { definitionOf } from './kept.ts'
import { LiveRuns } from './live-runs.ts'
import { type FlowsOptions, stepPorts, untilAnswered } from './ports.ts'
import { Replayed } from './replayed.ts'
import type { RunEnd } from './run-end.ts'
import { askService } from './services.ts'
import { StartRate } from './starts.ts'
import type { ServiceRequest, StepPorts } from './step-ports.ts'
import { TakenBefore } from './taken-before.ts'
import type { Fire, StartCause } from './triggers/told.ts'
import { Triggers } from './triggers/triggers.ts'
import { Watchers } from './watchers.ts'

/** What a route wants begun, and by which event. */
export interface RoutedStart {
  readonly flow: string
  readonly input: Readonly<Record<string, unknown>>
  readonly cause: { readonly route: string; readonly event: SiteEvent & { readonly uid: string } }
}

export interface Begun {
  readonly run: string
  /** Resolves when it will survive a power cut. */
  readonly kept: Promise<void>
}

/** What an event of the past began. */
export interface BegunOnce {
  readonly run: string
  /** As of a run; whether this very ask has begun it. */
  readonly kept: Promise<boolean>
}

export interface OneFlow {
  readonly compiled: CompiledFlow
  readonly rate: StartRate
  readonly ended: Record<RunEnd['state'], number>
  refused: number
}

export class AllFlows {
  readonly runs: LiveRuns
  readonly watchers: Watchers
  readonly triggers: Triggers
  readonly history: History
  readonly #replayed = new Replayed()
  readonly #takenBefore = new TakenBefore()
  /** Runs that follow from something else, and are not on the disk yet. */
  readonly #keeping = new Map<string, Promise<void>>()
  readonly #options: FlowsOptions
  readonly #life: AbortSignal
  readonly byName: ReadonlyMap<string, OneFlow>

  constructor(options: FlowsOptions, life: AbortSignal) {
    const { data, clock, table } = options
    this.#options = options
    this.#life = life
    this.watchers = new Watchers(table)
    this.history = historyFor(options)
    this.triggers = new Triggers({ ...options, watchers: this.watchers, life })
    this.byName = new Map(data.flows.map((definition) => [definition.flow, oneFlow(this.#compile(definition), clock)]))
    const ports = {
      ...stepPorts(options, { watchers: this.watchers, life }),
      request: options.proof?.request ?? ((ask: ServiceRequest, stop: AbortSignal) => askService(data.services ?? {}, ask, stop)),
      takenBefore: (flow: string, step: string) => this.#takenBefore.of(flow, step),
      query: (ask: Parameters<StepPorts['query']>[0], stop: AbortSignal) => this.history.query(ask, stop),
    }
    this.runs = new LiveRuns({
      ...options,
      ports,
      life,
      flowNamed: (name) => this.byName.get(name)?.compiled,
      onEnd: ({ flow }, { state }) => {
        const known = this.byName.get(flow.name)
        if (known !== undefined) known.ended[state] += 1
      },
    })
  }

  async listen(): Promise<void> {
    for (const flow of this.byName.values()) {
      const fire: Fire = (trigger, cause) => this.#fire(flow, trigger, cause)
      await this.triggers.listen(flow.compiled.definition, fire, (fault) => this.#refused(flow, fault))
    }
  }

  /** In the order in which they began; those that had not yet done anything wait for their turn as they did. */
  async resume(): Promise<void> {
    const { store, clock, log, data } = this.#options
    await this.#takenBefore.read(data.flows, { options: this.#options, life: this.#life })
    const what = 'The store does not tell the open runs yet.'
    const open: { readonly kept: KeptRun; readonly flow: CompiledFlow }[] = []
    for (let afterId = 0; ; ) {
      const page = await untilAnswered(() => store.call('openRuns', { afterId }), { clock, log, stop: this.#life, what })
      const compiled = new Map(Object.entries(page.definitions).map(([version, text]) => [version, this.compiled(text)]))
      for (const kept of page.runs) {
        const flow = compiled.get(kept.version)
        if (flow !== undefined) open.push({ kept, flow })
      }
      if (page.isEnd) break
      afterId = page.nextAfterId
    }
    this.runs.resume(open)
    this.runs.cancelOrphans()
  }

  startFlow(name: string, input: unknown, trigger: Readonly<Record<string, unknown>>, id?: string): Begun {
    const flow = this.byName.get(name)
    if (flow === undefined) throw unknownFlow(name, [...this.byName.keys()])
    const { compiled } = flow
    const start = { trigger, input: inputFor(compiled.definition, input) }
    if (!flow.rate.take()) throw this.#flooded(flow, trigger)
    try {
      const { run, kept } = this.runs.begin({ flow: compiled, start, ...(id === undefined ? {} : { id }) })
      if (id !== undefined) this.#keep(id, kept)
      return { run: run.id, kept }
    } catch (error) {
      flow.refused += 1
      throw error
    }
  }

  async startRouted({ flow: name, input, cause: { route, event } }: RoutedStart): Promise<void> {
    const id = idFrom(`${route} ${event.uid}`)
    const { uid: _, timeMs, ...told } = event
    await this.#once(id, () => this.startFlow(name, input, { kind: 'route', route, ...told, time: isoTime(timeMs) }, id).kept)
  }

  /** What happened before begins one run by this way, however often it is given. */
  replay(ask: StartAsk & { readonly event: PastEvent }): BegunOnce {
    const { flow: name, event } = ask
    const flow = this.byName.get(name)
    if (flow === undefined) throw unknownFlow(name, [...this.byName.keys()])
    const trigger = this.#replayed.triggerFor(flow.compiled.definition, ask)
    const run = idFrom(`replay ${name} ${event.uid}`)
    return { run, kept: this.#once(run, () => this.startFlow(name, {}, trigger, run).kept) }
  }

  metrics(): readonly Metric[] {
    const each = [...this.byName.values()].flatMap((flow) => flowMetrics(flow, this.runs.starts.waitingOf(flow.compiled.name)))
    return [
      ...each,
      { name: 'lineside_flow_runs_under_way', help: 'Runs that have begun and not ended.', type: 'gauge', value: this.runs.starts.running },
      {
        name: 'lineside_flow_records_waiting',
        help: 'Records of runs that wait for the disk.',
        type: 'gauge',
        value: this.runs.journal.waiting,
      },
      {
        name: 'lineside_flow_breakers_open',
        help: 'Devices, services and topics that flows leave alone for a while.',
        type: 'gauge',
        value: this.#options.breakers.open().length,
      },
      ...this.runs.telling.metrics(),
      ...this.triggers.metrics(),
      ...this.history.sink.metrics(),
    ]
  }

  #compile(definition: FlowDefinition): CompiledFlow {
    return (this.#options.proof?.compile ?? compileFlow)(definition)
  }

  /** Resolves when the run is kept, or refused, which is told. The same cause once more begins no other run. */
  async #fire(flow: OneFlow, trigger: Readonly<Record<string, unknown>>, cause?: StartCause): Promise<void> {
    const { name } = flow.compiled
    const id = cause === undefined ? undefined : idFrom(`${name} ${cause.key}`)
    try {
      const begin = (): Promise<void> => this.startFlow(name, {}, trigger, id).kept
      if (id !== undefined && cause?.isRepeated === true) await this.#once(id, begin)
      else await begin()
    } catch (error) {
      if (!(error instanceof Fault)) {
        if (!(error instanceof Stopped)) this.runs.broke(error)
        throw error
      }
      if (!toldAlready.has(error.code)) this.#refused(flow, error)
    }
  }

  #refused({ compiled }: OneFlow, { code, message }: Fault): void {
    this.runs.refusals.tell(compiled.name, { type: 'flow.refused', why: { code }, data: { message } })
  }

  /** Begins what has not begun, and tells whether. Resolves when it is kept, whoever began it: who hears that it is done may forget what it followed from. */
  async #once(id: string, begin: () => Promise<void>): Promise<boolean> {
    if (this.runs.find(id) === undefined && (await this.#isKept(id))) return false
    const isNew = this.runs.find(id) === undefined
    await (isNew ? begin() : this.#keeping.get(id))
    return isNew
  }

  #keep(id: string, kept: Promise<void>): void {
    this.#keeping.set(id, kept)
    const forget = (): void => void this.#keeping.delete(id)
    kept.then(forget, forget)
  }

  async #isKept(id: string): Promise<boolean> {
    const { store, clock, log } = this.#options
    const what = 'The store does not tell whether a run was begun; the start of a flow waits.'
    return (await untilAnswered(() => store.call('run', { run: id }), { clock, log, stop: this.#life, what })) !== null
  }

  #flooded(flow: OneFlow, trigger: Readonly<Record<string, unknown>>): Fault {
    flow.refused += 1
    this.runs.refusals.tell(flow.compiled.name, { type: 'flow.overloaded', why: { reason: 'flood' }, data: { trigger } })
    return new Fault('flow.overloaded', `${flow.compiled.name} is being started far too often.`, {
      remedy: 'Look at what starts it: a condition that trembles wants a `deadband` or `for`, and two flows must not start each other.',
      isRetryable: true,
    })
  }

  /** A definition that is still the site's own is not compiled twice. */
  compiled(text: string): CompiledFlow | undefined {
    try {
      const definition = definitionOf(text)
      const own = this.byName.get(definition.flow)?.compiled
      return own?.text === text ? own : this.#compile(definition)
    } catch (error) {
      this.#options.log.error('A run of an earlier version cannot be understood, and stays as it is.', errorFields(error))
      return undefined
    }
  }
}

const toldAlready: ReadonlySet<string> = new Set(['flow.overloaded', 'flow.dropped'])

function historyFor({ data: { flows, history }, table, store, clock, log }: FlowsOptions): History {
  const names = table.metas.map(({ id }) => id)
  const { places, tooMany } = wantedTags(names, { flows, filters: history?.tags ?? [] })
  if (tooMany > 0) log.error('The history of some tags is not kept: there are too many.', { tags: tooMany, kept: places.length })
  return new History({ table, tags: table.metas, wanted: places, store, clock, log })
}

function oneFlow(compiled: CompiledFlow, clock: FlowsOptions['clock']): OneFlow {
  return { compiled, rate: new StartRate(clock), ended: { completed: 0, failed: 0, cancelled: 0, unsettled: 0 }, refused: 0 }
}

function flowMetrics({ compiled, ended, refused }: OneFlow, waiting: number): readonly Metric[] {
  const labels = { flow: compiled.name }
  const runs = 'Runs by how they ended.'
  return [
    ...Object.entries(ended).map(
      ([state, value]): Metric => ({ name: 'lineside_flow_runs_total', help: runs, type: 'counter', value, labels: { ...labels, state } }),
    ),
    {
      name: 'lineside_flow_refused_total',
      help: 'Starts refused because too many waited or came.',
      type: 'counter',
      value: refused,
      labels,
    },
    { name: 'lineside_flow_waiting', help: 'Starts that wait for their turn.', type: 'gauge', value: waiting, labels },
  ]
}

function unknownFlow(name: string, known: readonly string[]): Fault {
  return new Fault('flow.unknown', `There is no flow "${name}" here.`, {
    remedy: known.length === 0 ? 'This site has none: write one into flows/.' : `Name one of: ${known.slice(0, 20).join(', ')}.`,
  })
}
