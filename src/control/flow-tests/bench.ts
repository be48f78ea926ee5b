import { type Clock, epochMs, isoTime, parseIsoTime } from '../../base/clock.ts'
import { Fault } from '../../base/fault.ts'
import { startVirtualClock, type VirtualClock } from '../../base/virtual-clock.ts'
import type { SiteEvent } from '../../model/event.ts'
import type { TagValue } from '../../model/tag.ts'
import { fullFilter } from '../../model/topic.ts'
import type { LocalMessage } from '../contract.ts'
import { allSteps } from '../flows/all-steps.ts'
import { type CompiledFlow, compileFlow } from '../flows/compiled.ts'
import type { FlowDefinition } from '../flows/definition.ts'
import type { FlowsData } from '../flows/ports.ts'
import { Answers } from './bench-answers.ts'
import { BenchLife } from './bench-life.ts'
import { obey } from './bench-people.ts'
import { BenchPlant } from './bench-plant.ts'
import { type BenchSite, dataFor } from './bench-site.ts'
import { BenchStore } from './bench-store.ts'
import { Chronicle, shown } from './chronicle.ts'
import type { Deed, FlowTestCase, FlowTestFile, Moment } from './definition.ts'
import { failing } from './fail-steps.ts'

export interface BenchOptions {
  readonly site: BenchSite
  readonly file: FlowTestFile
  readonly case: FlowTestCase
  /** The clock of the machine: a case that takes too long of our own time is given up. */
  readonly clock: Clock
}

/** What a case has shown: whoever compares it with what was expected looks at this. */
export interface Shown {
  readonly chronicle: Chronicle
  readonly store: BenchStore
  readonly plant: BenchPlant
  readonly life: BenchLife
  /** Why it could not be carried out to its end. */
  readonly trouble: string | undefined
  readonly lastedMs: number
}

/** A case without a bound of its own lasts no longer than this; a person who does not answer ends it. */
const lastsMs = 86_400_000
/** Of our own time. */
const realMs = 10_000

/** Carries one case out, in a world of its own. */
export async function carryOutCase(options: BenchOptions): Promise<Shown> {
  return await new Bench(options).carryOut()
}

class Bench {
  readonly #options: BenchOptions
  readonly #clock: VirtualClock
  readonly #store = new BenchStore()
  readonly #plant: BenchPlant
  readonly #chronicle: Chronicle
  readonly #answers: Answers
  readonly #attempts = new Map<string, number>()
  readonly #reactions: readonly Deed[]
  readonly #spent = new Set<Deed>()
  readonly #patienceMs: number
  readonly #data: FlowsData
  #life: BenchLife
  /** Deeds whose moment has come, and whose time has not. */
  #due = 0
  #lives = 0
  #trouble: string | undefined

  constructor(options: BenchOptions) {
    const { file, case: own, site } = options
    this.#options = options
    this.#clock = startVirtualClock(parseIsoTime(own.time ?? file.time) ?? epochMs(0))
    this.#data = dataFor(file, site.data)
    this.#chronicle = new Chronicle({ elapsed: () => this.#clock.elapsed(), site: site.data.site })
    this.#answers = new Answers({
      file,
      case: own,
      clock: this.#clock,
      chronicle: this.#chronicle,
      timeoutMs: (service) => this.#data.services?.[service]?.timeoutMs ?? Number.POSITIVE_INFINITY,
      asked: (service) => this.#react((on) => on.request === service),
    })
    this.#plant = new BenchPlant(site.metas, {
      wrote: (tag, value) => this.#wrote(tag, value),
      called: (device, call) => this.#answers.method(device, call),
      changed: (device) => this.#life.hear(device),
    })
    this.#reactions = [...file.plant, ...own.do.filter(({ on }) => on !== undefined)]
    this.#patienceMs = Math.max(
      0,
      ...this.#data.flows.flatMap(({ on }) => on.map((trigger) => ('forMs' in trigger ? (trigger.forMs ?? 0) : 0))),
    )
    this.#life = this.#newLife()
  }

  async carryOut(): Promise<Shown> {
    const { case: own, file, clock } = this.#options
    const limitMs = clock.elapsed() + realMs
    try {
      this.#plant.put(own.devices)
      this.#plant.set({ ...file.tags, ...own.tags })
      await this.#life.start()
      await this.#rest()
      for (const deed of own.do.filter(({ on }) => on === undefined)) {
        await this.#pass(this.#clock.elapsed() + deed.afterMs, limitMs)
        await this.#perform(deed)
        await this.#rest()
      }
      await this.#passUntilQuiet(own, limitMs)
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      this.#trouble ??= error.message
    }
    const { life, chronicle, store, plant } = { life: this.#life, chronicle: this.#chronicle, store: this.#store, plant: this.#plant }
    return { life, chronicle, store, plant, trouble: this.#trouble, lastedMs: this.#clock.elapsed() }
  }

  #newLife(): BenchLife {
    this.#lives += 1
    return new BenchLife({
      name: `life ${this.#lives}`,
      data: this.#data,
      plant: this.#plant,
      store: this.#store,
      clock: this.#clock,
      stir: () => this.#clock.stir(),
      compile: (definition) => this.#compiled(definition),
      request: (ask, stop) => this.#answers.service(ask, stop),
      published: (message) => this.#published(message),
      told: (event) => this.#told(event),
      broke: (error) => {
        this.#trouble ??= `The flow ended in a bug of Lineside: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`
      },
    })
  }

  #compiled(definition: FlowDefinition): CompiledFlow {
    const { fail } = this.#options.case
    const { compiled: known } = this.#options.site
    const compiled = known.get(definition) ?? compileFlow(definition)
    // A pick in turn knows whose turn it is: each case begins with the first.
    if (!allSteps(definition.steps).some(({ kind }) => kind === 'pick')) known.set(definition, compiled)
    return Object.keys(fail).length === 0 ? compiled : failing(compiled, (step) => this.#mustFail(step, fail[step] ?? 0))
  }

  #mustFail(step: string, times: number): boolean {
    const before = this.#attempts.get(step) ?? 0
    this.#attempts.set(step, before + 1)
    return before < times
  }

  async #rest(): Promise<void> {
    if (await this.#clock.settle()) return
    throw new Fault('test.restless', 'The flows go on and on without any time passing.', { remedy: 'Look whether they start each other.' })
  }

  /** Time passes until then, with all that falls due on the way. */
  async #pass(untilMs: number, limitMs: number): Promise<void> {
    for (let next = this.#clock.nextMs; next !== undefined && next <= untilMs; next = this.#clock.nextMs) {
      this.#clock.passTo(next)
      await this.#rest()
      this.#mindLimit(limitMs)
    }
    this.#clock.passTo(untilMs)
    await this.#rest()
  }

  /** Until no run is under way, nothing that was scheduled is left, and no trigger still watches its time go by. */
  async #passUntilQuiet({ forMs }: FlowTestCase, limitMs: number): Promise<void> {
    const clock = this.#clock
    const most = Math.max(forMs, clock.elapsed() + lastsMs)
    let quietMs: number | undefined
    while (clock.elapsed() < most) {
      const isQuiet = !this.#life.isBusy && this.#due === 0
      quietMs = isQuiet ? (quietMs ?? clock.elapsed()) : undefined
      const endMs = quietMs === undefined ? most : Math.max(forMs, quietMs + this.#patienceMs)
      const next = clock.nextMs
      if (next === undefined || next > endMs) {
        if (quietMs !== undefined || forMs > clock.elapsed())
          await this.#pass(Math.min(most, quietMs === undefined ? forMs : endMs), limitMs)
        return
      }
      clock.passTo(next)
      await this.#rest()
      this.#mindLimit(limitMs)
    }
  }

  #mindLimit(limitMs: number): void {
    if (this.#options.clock.elapsed() < limitMs) return
    throw new Fault(
      'test.too-long',
      `The case does not end: after ${realMs / 1_000} s of work it has come to ${isoTime(this.#clock.now())}.`,
      {
        remedy: 'Give the flow a timeout, or the case an end.',
      },
    )
  }

  /** What `on` names has happened. */
  #react(isIt: (on: Moment) => boolean): void {
    for (const deed of this.#reactions) {
      if (deed.on === undefined || this.#spent.has(deed) || !isIt(deed.on)) continue
      if (deed.killMs !== undefined) this.#spent.add(deed)
      if (deed.afterMs === 0 && isPlants(deed)) {
        void this.#perform(deed) // at this very moment: before the step acts, or with what it wrote
        continue
      }
      this.#due += 1
      this.#clock.after(deed.afterMs, () => {
        this.#due -= 1
        void this.#perform(deed).then(() => this.#clock.stir())
      })
    }
  }

  async #perform(deed: Deed): Promise<void> {
    const { set, devices, event, message, alarm, killMs } = deed
    if (devices !== undefined) {
      this.#chronicle.say(`devices ${shown(devices)}`)
      this.#plant.put(devices)
    }
    if (set !== undefined) {
      this.#chronicle.say(
        `set ${Object.entries(set)
          .map(([tag, { value, quality }]) => `${tag} = ${shown(value)}${quality === 'good' ? '' : ` (${quality})`}`)
          .join(', ')}`,
      )
      this.#plant.set(set)
    }
    if (event !== undefined) this.#life.happens({ ...event, timeMs: this.#clock.now() })
    if (alarm !== undefined) this.#life.happens({ type: `alarm.${alarm.state}`, subject: alarm.alarm, timeMs: this.#clock.now(), data: {} })
    if (message !== undefined) this.#deliver(message)
    if (!isPlants(deed))
      await obey(deed, { life: this.#life, chronicle: this.#chronicle, store: this.#store, flow: this.#options.file.flow })
    if (killMs !== undefined) this.#kill(killMs) // with nothing awaited before it: not even a record is kept any more
  }

  #deliver({ topic, payload }: NonNullable<Deed['message']>): void {
    const text = typeof payload === 'string' ? payload : JSON.stringify(payload)
    this.#chronicle.say(`message ${topic} ${shown(payload)}`)
    this.#life.message(fullFilter(topic, this.#data.site), text)
  }

  #kill(forMs: number): void {
    this.#chronicle.say(forMs === 0 ? 'the power fails, and comes back' : `the power fails for ${forMs} ms`)
    this.#life.kill()
    this.#due += 1
    this.#clock.after(forMs, () => {
      this.#due -= 1
      if (forMs > 0) this.#chronicle.say('the power is back')
      this.#life = this.#newLife()
      void this.#life.start().then(() => this.#clock.stir())
    })
  }

  #wrote(tag: string, value: TagValue): void {
    this.#chronicle.wrote(tag, value)
    this.#react((on) => on.write === tag && (on.value === undefined || JSON.stringify(on.value) === JSON.stringify(value)))
  }

  #published(message: LocalMessage): void {
    const topic = this.#chronicle.published(message)
    this.#react((on) => on.publish === topic)
  }

  #told(event: SiteEvent): void {
    this.#chronicle.told(event)
    const step = String(event.data['step'] ?? '')
      .replace(/@.*$/, '')
      .split('~')
      .at(-1)
    if (event.type === 'step.started') this.#react((on) => on.step !== undefined && on.step === step)
  }
}

/** What needs nobody but the plant and the power. */
function isPlants({ start, answer, order, event, message, alarm }: Deed): boolean {
  return [start, answer, order, event, message, alarm].every((one) => one === undefined)
}
