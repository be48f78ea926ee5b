import { type Clock, epochMs } from '../../base/clock.ts'
import { Fault } from '../../base/fault.ts'
import { startVirtualClock, type VirtualClock } from '../../base/virtual-clock.ts'
import type { SiteEvent } from '../../model/event.ts'
import type { Quality } from '../../model/quality.ts'
import { jsonSafe } from '../../model/template.ts'
import type { KeptRun } from '../../store/contract.ts'
import { compileFlow } from '../flows/compiled.ts'
import { type RunStart, startOf } from '../flows/kept.ts'
import type { RunEnd } from '../flows/run-end.ts'
import { BenchLife } from './bench-life.ts'
import { BenchPlant } from './bench-plant.ts'
import { type BenchSite, dataFor } from './bench-site.ts'
import { BenchStore } from './bench-store.ts'
import type { TestValue } from './definition.ts'

/** Something that happened in a plant, in the order of time. */
export type Recorded =
  | { readonly kind: 'tag'; readonly timeMs: number; readonly tag: string; readonly value: TestValue; readonly quality: Quality }
  | { readonly kind: 'event'; readonly timeMs: number; readonly event: Omit<SiteEvent, 'timeMs'> }
  | { readonly kind: 'message'; readonly timeMs: number; readonly topic: string; readonly payload: string }

export interface ReplayOptions {
  readonly site: BenchSite
  readonly flow: string
  readonly recorded: AsyncIterable<Recorded>
  readonly clock: Clock
}

/** A run that the flow would have had. */
export interface ReplayedRun {
  readonly beganMs: number
  readonly trigger: Readonly<Record<string, unknown>>
  readonly state: string
  readonly step?: string
  readonly code?: string
  readonly tookMs: number
  /** What each step would have done, in order: `push: true`. */
  readonly did: readonly string[]
}

export interface Replayed {
  readonly runs: readonly ReplayedRun[]
  readonly taken: number
  /** Of tags that the site does not have. */
  readonly strange: number
}

/** Runs that are kept for comparing; a flow that would start more often has been replayed enough. */
const runsMax = 100_000
const didMax = 50
/** How long after the last that was recorded runs may go on. */
const afterMs = 86_400_000

/** What a flow would have done with what was recorded, in virtual time: nothing is written, published or asked anywhere. */
export async function replayFlow(options: ReplayOptions): Promise<Replayed> {
  const replay = new Replay(options)
  for await (const one of options.recorded) await replay.take(one)
  return await replay.end()
}

class Replay {
  readonly #options: ReplayOptions
  readonly #store = new BenchStore()
  readonly #plant: BenchPlant
  readonly #known: ReadonlySet<string>
  readonly #runs: ReplayedRun[] = []
  #clock: VirtualClock | undefined
  #life: BenchLife | undefined
  #beganMs = 0
  #taken = 0
  #bug: unknown
  #strange = 0

  constructor(options: ReplayOptions) {
    this.#options = options
    this.#known = new Set(options.site.metas.map(({ id }) => id))
    this.#plant = new BenchPlant(options.site.metas, {
      wrote: () => {},
      called: () => [],
      changed: (device) => this.#life?.hear(device),
    })
  }

  async take(one: Recorded): Promise<void> {
    const clock = this.#clock ?? (await this.#begin(one.timeMs))
    await this.#passTo(clock, one.timeMs - this.#beganMs)
    this.#taken += 1
    if (this.#bug !== undefined) throw this.#bug
    switch (one.kind) {
      case 'tag':
        if (this.#known.has(one.tag)) this.#plant.set({ [one.tag]: { value: one.value, quality: one.quality } })
        else this.#strange += 1
        return
      case 'event':
        this.#life?.happens({ ...one.event, timeMs: epochMs(one.timeMs) })
        return
      case 'message':
        this.#life?.message(one.topic, one.payload)
        return
      default:
        one satisfies never
    }
  }

  async end(): Promise<Replayed> {
    const clock = this.#clock
    if (clock === undefined) return { runs: [], taken: 0, strange: 0 }
    await settled(clock)
    const most = clock.elapsed() + afterMs
    for (let next = clock.nextMs; this.#life?.isBusy === true && next !== undefined && next <= most; next = clock.nextMs) {
      clock.passTo(next)
      await settled(clock)
    }
    if (this.#bug !== undefined) throw this.#bug
    for (const run of this.#store.runsOf(this.#options.flow)) this.#keep(run)
    this.#life?.kill()
    return { runs: this.#runs.toSorted((one, other) => one.beganMs - other.beganMs), taken: this.#taken, strange: this.#strange }
  }

  async #begin(timeMs: number): Promise<VirtualClock> {
    const { site, flow } = this.#options
    this.#beganMs = timeMs
    const clock = startVirtualClock(epochMs(timeMs))
    this.#clock = clock
    const data = dataFor({ flow, beside: [] }, site.data)
    this.#life = new BenchLife({
      name: 'replay',
      data,
      plant: this.#plant,
      store: this.#store,
      clock,
      stir: () => clock.stir(),
      compile: compileFlow,
      request: async ({ expect: [status = 200] }) => ({ status, body: null }),
      published: () => {},
      told: (event) => this.#told(event),
      broke: (error) => {
        this.#bug ??= error
      },
    })
    await this.#life.start()
    return clock
  }

  /** What was recorded at one moment is heard together; what is told late is heard when it comes. */
  async #passTo(clock: VirtualClock, untilMs: number): Promise<void> {
    if (untilMs <= clock.elapsed()) return
    await settled(clock)
    for (let next = clock.nextMs; next !== undefined && next <= untilMs; next = clock.nextMs) {
      clock.passTo(next)
      await settled(clock)
    }
    clock.passTo(untilMs)
  }

  #told({ type, subject, data }: SiteEvent): void {
    if (!/^flow\.(completed|failed|cancelled|unsettled)$/.test(type)) return
    const run = String(data['run'])
    if (subject === this.#options.flow) {
      const kept = this.#store.runsOf(subject).find((one) => one.run === run)
      if (kept !== undefined) this.#keep(kept)
    }
    this.#store.forget(run)
  }

  #keep(run: KeptRun): void {
    if (this.#runs.length >= runsMax) {
      throw new Fault('replay.too-many-runs', `${run.flow} would have started more than ${runsMax} times.`, {
        remedy: 'Replay a shorter time.',
      })
    }
    const { step, fault } = JSON.parse(run.outcome ?? '{}') as Partial<RunEnd>
    // Its id is made up, and says nothing of what it would have done.
    const named = (data: string): string => data.replaceAll(run.run, 'RUN')
    const intents = run.records.flatMap((record) => (record.kind === 'intent' ? [`${record.step}: ${named(record.data)}`] : []))
    this.#runs.push({
      beganMs: run.begunMs,
      trigger: jsonSafe(startOf(run).trigger) as RunStart['trigger'],
      state: run.state ?? 'running',
      ...(step === undefined ? {} : { step }),
      ...(fault === undefined ? {} : { code: fault.code }),
      tookMs: (run.endedMs ?? run.begunMs) - run.begunMs,
      did: intents.slice(0, didMax),
    })
  }
}

async function settled(clock: VirtualClock): Promise<void> {
  if (await clock.settle()) return
  throw new Fault('test.restless', 'The flows go on and on without any time passing.', { remedy: 'Look whether they start each other.' })
}
