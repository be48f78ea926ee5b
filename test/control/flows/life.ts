import { epochMs } from '../../../src/base/clock.ts'
import type { PlainFault } from '../../../src/base/fault.ts'
import { BreakerPool } from '../../../src/control/breaker-pool.ts'
import { carryOut } from '../../../src/control/flows/carry-out.ts'
import { compileFlow } from '../../../src/control/flows/compiled.ts'
import type { FlowDefinition, FlowStep } from '../../../src/control/flows/definition.ts'
import type { Answer } from '../../../src/control/flows/past.ts'
import { Run } from '../../../src/control/flows/run.ts'
import type { RunEnd } from '../../../src/control/flows/run-end.ts'
import { RunJournal } from '../../../src/control/flows/run-journal.ts'
import type { StepPorts } from '../../../src/control/flows/step-ports.ts'
import { Turn } from '../../../src/control/flows/turn.ts'
import type { CommandResult } from '../../../src/model/command.ts'
import type { SiteEvent } from '../../../src/model/event.ts'
import type { Quality } from '../../../src/model/quality.ts'
import type { TagValue } from '../../../src/model/tag.ts'
import type { RunRecord, StepRecord } from '../../../src/store/contract.ts'
import { type ManualClock, startManualClock } from '../../support/manual-clock.ts'
import { keptLog } from '../../support/quiet-log.ts'
import { type Failing, failing } from './failing.ts'

/** What stays when the power fails: the plant, and whoever has been told something. */
export class World {
  readonly tags = new Map<string, { readonly value: TagValue | null; readonly quality: Quality }>()
  /** In order: `write filler/gate true`, `publish rejects {…}`, … */
  readonly effects: string[] = []
  readonly requestKeys: string[] = []
  readonly messageKeys: string[] = []
  /** What methods give. */
  outputs: readonly TagValue[] = [42]
  /** Who answers requests instead of the service that always says yes. */
  service: StepPorts['request'] | undefined
  /** The place in the run of each write and call that was carried out. */
  readonly done: string[] = []
  readonly events: SiteEvent[] = []
  /** What the command road has written down of how its commands ended. */
  readonly results = new Map<string, CommandResult>()
  /** How the plant answers an effect. */
  readonly react: ((world: World, effect: string) => void) | undefined

  constructor(tags: Readonly<Record<string, TagValue>> = {}, react?: (world: World, effect: string) => void) {
    this.react = react
    for (const [tag, value] of Object.entries(tags)) this.set(tag, value)
  }

  set(tag: string, value: TagValue | null, quality: Quality = 'good'): void {
    this.tags.set(tag, { value, quality })
  }

  value(tag: string): TagValue | null | undefined {
    return this.tags.get(tag)?.value
  }
}

/** The moment at which the power fails: around the n-th call to the journal or the n-th effect, from 0. */
export interface Cut {
  readonly at: 'journal' | 'effect'
  readonly place: number
  /** Whether it has been done by then. */
  readonly when: 'before' | 'after'
}

export interface LifeOptions {
  readonly world: World
  readonly flow: FlowDefinition
  readonly past?: readonly RunRecord[]
  readonly trigger?: Readonly<Record<string, unknown>>
  readonly input?: Readonly<Record<string, unknown>>
  readonly cut?: Cut
  /** Gives the fault of an effect that does not succeed; `unknown` where nobody can say. */
  readonly fail?: (effect: string) => 'failed' | 'unknown' | undefined
  /** Steps that fail without having done anything, by their place in the run. */
  readonly failing?: Failing
  /** What a person says where the run asks. */
  readonly answer?: Answer['verdict']
  readonly startMs?: number
}

const fault: PlainFault = { code: 'device.absent', message: 'no', remedy: 'look', isRetryable: true }

/** One life of a run: from a start, or from what the journal has kept, to its end or to the moment when the power fails. */
export class Life {
  readonly clock: ManualClock = startManualClock()
  readonly kept: RunRecord[]
  readonly run: Run
  readonly asked: string[] = []
  calls = 0
  acts = 0
  #isDead = false
  readonly #died = Promise.withResolvers<'dead'>()
  readonly #options: LifeOptions
  readonly #looks = new Set<() => void>()

  constructor(options: LifeOptions) {
    this.#options = options
    const { past = [], flow, trigger = {}, input = {} } = options
    this.kept = [...past]
    if (options.startMs !== undefined) this.clock.setWall(epochMs(options.startMs))
    const life = new AbortController().signal
    const append = (records: readonly RunRecord[]): Promise<unknown> => this.#append(records)
    const record = (event: SiteEvent): void => this.#record(event)
    const compiled = compileFlow(flow)
    this.run = new Run({
      id: 'r1',
      flow: options.failing === undefined ? compiled : failing(compiled, options.failing),
      start: { trigger, input },
      begunMs: epochMs(options.startMs ?? this.clock.now()),
      past: past.filter((each): each is StepRecord => each.kind === 'intent' || each.kind === 'outcome' || each.kind === 'decision'),
      isResumed: past.length > 0,
      ports: this.#ports(),
      journal: new RunJournal({ append, clock: this.clock, log: keptLog(), stop: life }),
      breakers: new BreakerPool({ clock: this.clock, record }),
      turn: new Turn(),
      tell: (type, { id }, data) => {
        record({ type, subject: id, timeMs: this.clock.now(), data })
        if (type === 'step.asks') this.#answer(String(data['step']))
      },
      toldAtEnd: () => [],
      log: keptLog(),
      life,
    })
  }

  get isDead(): boolean {
    return this.#isDead
  }

  set(tag: string, value: TagValue): void {
    this.#options.world.set(tag, value)
    for (const look of this.#looks) look()
  }

  /** Lets time pass until the run has ended, or the power has failed. */
  async end(): Promise<RunEnd | 'dead'> {
    let over: RunEnd | 'dead' | { readonly error: unknown } | undefined
    void Promise.race([carryOut(this.run).catch((error: unknown) => ({ error })), this.#died.promise]).then((how) => {
      over = how
    })
    await this.clock.settle()
    for (let passed = 0; over === undefined && passed < 600; passed += 1) await this.clock.advance(passed < 100 ? 50 : 10_000)
    if (over === undefined) throw new Error('the run does not end')
    if (typeof over === 'object' && 'error' in over) throw over.error
    return over
  }

  async #append(records: readonly RunRecord[]): Promise<void> {
    const place = this.calls
    this.calls += 1
    await this.#point({ at: 'journal', place, when: 'before' })
    this.kept.push(...records)
    await this.#point({ at: 'journal', place, when: 'after' })
  }

  /** Does something to the world, unless the power fails before. */
  async #effect(name: string, work: () => void): Promise<'failed' | 'unknown' | undefined> {
    const place = this.acts
    this.acts += 1
    await this.#point({ at: 'effect', place, when: 'before' })
    const how = this.#options.fail?.(name)
    if (how === undefined) {
      this.#options.world.effects.push(name)
      work()
      this.#options.world.react?.(this.#options.world, name)
      for (const look of [...this.#looks]) look()
    }
    await this.#point({ at: 'effect', place, when: 'after' })
    return how
  }

  /** What has died says nothing any more. */
  #record(event: SiteEvent): void {
    if (!this.#isDead) this.#options.world.events.push(event)
  }

  /** A person needs a moment. */
  #answer(key: string): void {
    const { answer } = this.#options
    if (answer === undefined) return
    this.clock.after(1_000, () => void this.run.answer(key, { verdict: answer, by: 'anna' }))
  }

  /** Nothing goes on once the power has failed. */
  async #point(at: Cut): Promise<void> {
    const { cut } = this.#options
    if (cut?.at === at.at && cut.place === at.place && cut.when === at.when) {
      this.#isDead = true
      this.#died.resolve('dead')
    }
    if (this.#isDead) await new Promise(() => {})
  }

  #ports(): StepPorts {
    const { world } = this.#options
    const { clock } = this
    const watch = (_tags: readonly string[], look: () => void): Disposable => {
      this.#looks.add(look)
      return { [Symbol.dispose]: () => this.#looks.delete(look) }
    }
    const act = async (name: string, work: () => void = () => {}): Promise<void> => {
      const how = await this.#effect(name, work)
      if (how !== undefined) throw Object.assign(new Error('failed'), { status: how })
    }
    return {
      clock,
      chance: () => 0.5,
      tags: { sampleOf: (id) => ({ value: null, quality: 'bad', sourceMs: epochMs(0), receivedMs: epochMs(0), ...world.tags.get(id) }) },
      watch,
      write: async ({ id, tag, value }) => {
        const how = await this.#effect(`write ${tag} ${String(value)}`, () => {
          world.done.push(id.replace(/#\d+$/, ''))
          world.set(tag, value)
        })
        const result: CommandResult = how === undefined ? { id, status: 'done', tookMs: 1 } : { id, status: how, ...fault, tookMs: 1 }
        world.results.set(id, result)
        return result
      },
      outcomeOf: async ({ id }) => world.results.get(id),
      readsNow: async (tag, value) => world.value(tag) === value,
      readFresh: async (tags) => tags.map((tag) => world.value(tag) ?? undefined),
      publish: ({ topic, payload, key }) => act(`publish ${topic} ${payload}`, () => void world.messageKeys.push(key)),
      record: (event) => this.#record(event),
      call: async (device, { method, args }) => {
        const name = `call ${device} ${method} ${JSON.stringify(args)}`
        await act(name, () => void world.done.push(name))
        return { outcome: 'done', values: world.outputs }
      },
      request: async (ask, stop) => {
        const { service, method, path, headers } = ask
        await act(`request ${method} ${service}${path}`)
        world.requestKeys.push(headers['idempotency-key'] ?? '')
        if (world.service !== undefined) return await world.service(ask, stop)
        return { status: 200, body: { ok: true } }
      },
      query: async ({ tags, aggregate }) => Object.fromEntries(tags.map((tag) => [tag, `${aggregate} of ${tag}`])),
      runFlow: async ({ flow, id }) => {
        await act(`run ${flow} ${id}`)
        return { state: 'completed', output: { from: flow } }
      },
      devicesWith: (capability) => [
        { device: `${capability}-1`, isHealthy: false, load: 0 },
        { device: `${capability}-2`, isHealthy: true, load: 3 },
        { device: `${capability}-3`, isHealthy: true, load: 1 },
      ],
    }
  }
}

type Loose = { readonly id: string; readonly kind: FlowStep['kind'] } & Readonly<Record<string, unknown>>

/** A step with what a file may leave out. */
export function step(loose: Loose): FlowStep {
  const isConfirmed = loose.kind === 'write' ? { isConfirmed: true } : {}
  const isRetained = loose.kind === 'publish' ? { isRetained: false } : {}
  return { needs: [], undo: [], ...isConfirmed, ...isRetained, ...loose } as unknown as FlowStep
}

/** Each after the one above, where it says nothing else. */
export function chain(...steps: readonly Loose[]): readonly FlowStep[] {
  return steps.map((loose, place) => step({ needs: place === 0 ? [] : [steps[place - 1]?.id], ...loose }))
}

export function flowOf(steps: readonly FlowStep[], more: Partial<FlowDefinition> = {}): FlowDefinition {
  return {
    flow: 'reject',
    version: 1,
    priority: 'normal',
    mode: 'live',
    on: [],
    input: {},
    concurrency: { limit: 1, overflow: 'queue', queueMax: 100 },
    locks: [],
    steps,
    ...more,
  }
}

export function write(tag: string, value: unknown, id = `write-${tag.replace('/', '-')}`): Loose {
  return { id, kind: 'write', writes: [{ tag, value }] }
}

export function publish(topic: string, payload: unknown, id = `publish-${topic}`): Loose {
  return { id, kind: 'publish', topic, payload }
}

/** A write with the one that takes it back. */
export function undoable(tag: string, value: unknown, back: unknown): Loose {
  const forward = write(tag, value)
  return { ...forward, undo: [step({ ...write(tag, back), id: `${forward.id}-undo` })] }
}
