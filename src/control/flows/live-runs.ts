import { randomUUID } from 'node:crypto'
import { isoTime } from '../../base/clock.ts'
import { Fault, plainFault } from '../../base/fault.ts'
import { errorFields } from '../../base/log.ts'
import type { KeptRun } from '../../store/contract.ts'
import { BreakerPool } from '../breaker-pool.ts'
import { carryOut } from './carry-out.ts'
import type { CompiledFlow } from './compiled.ts'
import { StepFailure, Stopped } from './faults.ts'
import { groupOf, writtenTags } from './flow-facts.ts'
import { inputFor } from './inputs.ts'
import { type RunStart, startOf, startText } from './kept.ts'
import type { By } from './past.ts'
import { devicesHeard, type FlowsOptions } from './ports.ts'
import { Refusals, refusedAs, startRefused } from './refusals.ts'
import { Run } from './run.ts'
import type { RunEnd } from './run-end.ts'
import { type KeepRuns, RunJournal } from './run-journal.ts'
import { shadowPorts } from './shadow.ts'
import { Starts, type Verdict } from './starts.ts'
import type { ChildRun, StepPorts } from './step-ports.ts'
import { onAbort } from './stop.ts'
import { Telling } from './telling.ts'
import { Turn } from './turn.ts'

export interface LiveRunsOptions extends FlowsOptions {
  /** But for beginning other runs, which is done here. */
  readonly ports: Omit<StepPorts, 'runFlow'>
  readonly flowNamed: (name: string) => CompiledFlow | undefined
  readonly onEnd: (run: Run, end: RunEnd) => void
  readonly life: AbortSignal
}

export interface LiveRun {
  readonly run: Run
  state: 'queued' | 'running'
  /** Rejects with `Stopped` when the daemon ends before it. */
  readonly ended: Promise<RunEnd>
}

export interface Beginning {
  readonly flow: CompiledFlow
  readonly start: RunStart
  /** Where it follows from something else, so that asking twice begins once. */
  readonly id?: string
}

/** Records that wait for the disk: past them the machine is under pressure. */
const pressedRecords = 5_000

/** All runs that have begun and not ended. */
export class LiveRuns {
  readonly keep: KeepRuns
  readonly telling: Telling
  readonly refusals: Refusals
  readonly journal: RunJournal
  readonly starts: Starts
  /** A bug in one of them is a bug of ours: the control room must not go on as if nothing were. */
  readonly failure: Promise<never>
  readonly #options: LiveRunsOptions
  readonly #turn = new Turn()
  readonly #live = new Map<string, LiveRun>()
  readonly #ports: StepPorts
  /** What is only said to be done says nothing of whether a device answers. */
  readonly #shadowBreakers: BreakerPool
  readonly #bug = Promise.withResolvers<never>()

  constructor(options: LiveRunsOptions) {
    const { store, clock, log, record, note = record, life } = options
    this.#options = options
    this.#ports = { ...options.ports, runFlow: (ask, stop) => this.#child(ask, stop) }
    this.#shadowBreakers = new BreakerPool({ record: () => {}, clock })
    this.telling = new Telling({ record: note, clock })
    this.refusals = new Refusals({ record: note, clock, life })
    const keepRuns: KeepRuns = async (records, events) => {
      await store.call('recordRuns', { records })
      for (const event of events) note(event)
    }
    this.keep = options.keepRuns ?? keepRuns
    this.journal = new RunJournal({ append: this.keep, clock, log, stop: life })
    this.starts = new Starts({ clock, pressure: () => this.#pressure(), cancel: (run) => this.#replace(run) })
    this.failure = this.#bug.promise
    this.failure.catch(() => {}) // seen by whoever watches the room
  }

  get all(): IterableIterator<LiveRun> {
    return this.#live.values()
  }

  find(run: string): LiveRun | undefined {
    return this.#live.get(run)
  }

  /** Throws where it may not begin now: `flow.overloaded`, `flow.dropped`. Where it may, `kept` resolves when it will survive a power cut. */
  begin({ flow, start: asked, id = randomUUID() }: Beginning): { readonly run: Run; readonly kept: Promise<void> } {
    const start: RunStart = flow.definition.mode === 'shadow' ? { ...asked, mode: 'shadow' } : asked
    const run = this.#open({ id, flow, start, begunMs: this.#options.clock.now(), records: [], isResumed: false })
    const begun = { kind: 'begun', flow: flow.name, definition: flow.text, input: startText(start) } as const
    let kept: Promise<void> | undefined
    const keep = (): Promise<void> => {
      kept ??= run.keep(begun)
      kept.catch(() => {}) // whoever waits for it is told; the run itself meets it at its next record
      return kept
    }
    const verdict = this.#offer(run, keep)
    if (verdict !== 'begun' && verdict !== 'queued') throw this.#refuse(run, verdict)
    return { run, kept: keep() }
  }

  /** Runs that another one waited for, which has ended without them: nobody wants any more what they do. */
  cancelOrphans(): void {
    for (const { run } of this.#live.values()) {
      const { parent } = run
      if (parent !== undefined && !this.#live.has(parent)) this.#cancelFor(run, parent)
    }
  }

  /** Takes up what an earlier life left open, or a person has reopened: who was under way has its place before those that wait for one. */
  resume(open: readonly { readonly kept: KeptRun; readonly flow: CompiledFlow }[]): readonly LiveRun[] {
    const runs = open.map(({ kept, flow }) => this.#open({ ...kept, id: kept.run, flow, start: startOf(kept), isResumed: true }))
    runs.sort((one, other) => Number(other.isUnderWay) - Number(one.isUnderWay))
    for (const run of runs) this.#offer(run, () => Promise.resolve())
    return runs.map((run) => this.#live.get(run.id) ?? { run, state: 'queued', ended: Promise.reject(new Stopped()) })
  }

  #open(of: {
    readonly id: string
    readonly flow: CompiledFlow
    readonly start: RunStart
    readonly begunMs: KeptRun['begunMs']
    readonly records: KeptRun['records']
    readonly isResumed: boolean
  }): Run {
    const { log, life } = this.#options
    const isShadow = of.flow.definition.mode === 'shadow'
    const ports = isShadow ? shadowPorts(this.#ports) : this.#ports
    return new Run({
      ...of,
      past: of.records,
      ports,
      journal: this.journal,
      breakers: isShadow ? this.#shadowBreakers : this.#options.breakers,
      turn: this.#turn,
      tell: (type, run, data) => this.telling.say(type, run, data),
      toldAtEnd: (run, end) => this.telling.end(run, end),
      log,
      life,
    })
  }

  #offer(run: Run, keep: () => Promise<void>): Verdict {
    const { flow, start } = run
    const { definition } = flow
    const ended = Promise.withResolvers<RunEnd>()
    ended.promise.catch(() => {}) // not everybody waits
    const live: LiveRun = { run, state: 'queued', ended: ended.promise }
    const begin = async (): Promise<void> => {
      live.state = 'running'
      void keep()
      await this.#carry(live, ended)
    }
    this.#live.set(run.id, live)
    const verdict = this.starts.offer({
      run: run.id,
      flow: flow.name,
      group: groupOf(flow, start),
      concurrency: definition.concurrency,
      priority: definition.priority,
      locks: definition.mode === 'shadow' ? definition.locks.map((lock) => `shadow ${lock}`) : definition.locks,
      holder: run.facts.holder,
      isExempt: run.isUnderWay,
      isKept: run.isResumed,
      begin,
      ...(run.past.isBlank ? { giveWay: () => void this.#giveWay(live, ended) } : {}),
    })
    if (verdict !== 'begun' && verdict !== 'queued') this.#live.delete(run.id)
    if (verdict === 'queued' && !run.hasWaited) this.telling.say('flow.queued', run, { waiting: this.starts.waitingOf(flow.name) })
    return verdict
  }

  async #carry({ run }: LiveRun, ended: PromiseWithResolvers<RunEnd>): Promise<void> {
    try {
      if (run.isResumed) await devicesHeard(writtenTags(run.flow.definition), this.#options)
      this.telling.say(run.isResumed && !run.past.isBlank ? 'flow.resumed' : 'flow.started', run, { trigger: run.start.trigger })
      this.#ended(run, await carryOut(run, () => this.#endBelow(run)), ended)
    } catch (error) {
      ended.reject(error)
      this.#broken(run, error)
    } finally {
      this.#live.delete(run.id)
      this.journal.forget(run.id)
    }
  }

  /** Before a run goes back, or ends, those that it waits for have done so. */
  async #endBelow(run: Run): Promise<void> {
    const below = [...this.#live.values().filter(({ run: { parent } }) => parent === run.id)]
    for (const child of below) this.#cancelFor(child.run, run.id)
    await Promise.allSettled(below.map(({ ended }) => ended))
    if (run.life.aborted) throw new Stopped()
  }

  #cancelFor(child: Run, parent: string): void {
    const above = this.#live.get(parent)?.run
    const { isUndone = true } = above?.cancelled ?? above?.past.cause ?? {} // where it ends as the plant stands, so do those it waits for
    this.#cancel(child, isUndone, { by: `run ${parent}` })
  }

  /** Nobody waits until it has ended. */
  #cancel(run: Run, isUndone: boolean, by: By): void {
    const cause = { state: 'cancelled', isUndone } as const
    if (run.past.isBlank && this.starts.withdraw(run.id, () => run.decide('*', { order: 'cancel', cause, ...by }))) return
    void run.cancel(cause, by).catch(() => {})
  }

  /** A bug that did not show in a run. */
  broke(error: unknown): void {
    this.#bug.reject(error)
  }

  #ended(run: Run, end: RunEnd, ended: PromiseWithResolvers<RunEnd>): void {
    const { log, onEnd } = this.#options
    if (end.state !== 'completed') log.warn('A run of a flow did not complete.', { flow: run.flow.name, run: run.id, ...end })
    onEnd(run, end)
    ended.resolve(end)
  }

  #broken(run: Run, error: unknown): void {
    const { log, life } = this.#options
    if (life.aborted) return
    const data = { flow: run.flow.name, run: run.id, ...errorFields(error) }
    if (!(error instanceof Fault)) {
      log.error('A run of a flow ended in a bug.', data)
      this.#bug.reject(error)
      return
    }
    // The journal does not take this run, today or ever: it ends here, and no other run must suffer for it.
    log.error('A run of a flow could not be kept, and was given up.', data)
    this.#options.onEnd(run, { state: 'failed', fault: plainFault(error) })
  }

  async #giveWay({ run }: LiveRun, ended: PromiseWithResolvers<RunEnd>): Promise<void> {
    this.#live.delete(run.id)
    const end: RunEnd = { state: 'cancelled' }
    await run.end(end).catch(() => {})
    this.#ended(run, end, ended)
  }

  #replace(id: string): void {
    const run = this.#live.get(id)?.run
    if (run !== undefined) this.#cancel(run, true, { by: 'a newer start', why: 'overflow: replace' })
  }

  #pressure(): string | undefined {
    return this.journal.waiting > pressedRecords ? 'the journal is behind' : undefined
  }

  #refuse(run: Run, verdict: Exclude<Verdict, 'begun' | 'queued'>): Fault {
    const waiting = this.starts.waitingOf(run.flow.name)
    const data = { waiting, trigger: run.start.trigger }
    this.refusals.tell(run.flow.name, { type: refusedAs(verdict), why: { reason: verdict }, data })
    return startRefused(run.flow.name, verdict, waiting)
  }

  /** For a step that runs another flow. */
  async #child(ask: ChildRun, stop: AbortSignal): Promise<RunEnd | undefined> {
    const live = this.#live.get(ask.id) ?? (await this.#beginChild(ask))
    if (!('ended' in live)) return live
    if (!ask.isAwaited) return undefined
    using _stop = onAbort(stop, () => this.#cancelFor(live.run, ask.parent.run))
    const end = await live.ended
    if (stop.aborted) throw new Stopped()
    return end
  }

  async #beginChild({ id, flow: name, input, parent, isAwaited }: ChildRun): Promise<LiveRun | RunEnd> {
    const { store, flowNamed } = this.#options
    const known = await store.call('run', { run: id })
    if (known?.state !== undefined) return JSON.parse(known.outcome ?? '{}') as RunEnd
    const flow = flowNamed(name)
    if (flow === undefined)
      throw new StepFailure('failed', {
        code: 'flow.unknown',
        message: `There is no flow ${name} here.`,
        remedy: 'Look at `run:` in the flow.',
        isRetryable: false,
      })
    const by = this.#live.get(parent.run)?.run.flow.name
    const trigger = { kind: 'run', flow: by, run: parent.run, time: isoTime(this.#options.clock.now()) }
    const start: RunStart = { trigger, input: inputFor(flow.definition, input), ...(isAwaited ? { parent } : {}) }
    const { run, kept } = this.begin({ flow, start, id })
    await kept
    return this.#live.get(run.id) ?? { state: 'completed' }
  }
}
