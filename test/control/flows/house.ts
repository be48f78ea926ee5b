import { setTimeout as pause } from 'node:timers/promises'
import type { Packed } from '../../../src/base/packed.ts'
import { pack } from '../../../src/base/packed.ts'
import { BreakerPool } from '../../../src/control/breaker-pool.ts'
import type { TopicMessage } from '../../../src/control/contract.ts'
import type { FlowDefinition } from '../../../src/control/flows/definition.ts'
import { type Flows, startFlows } from '../../../src/control/flows/flows.ts'
import type { FlowsOptions } from '../../../src/control/flows/ports.ts'
import { TagTable } from '../../../src/control/tag-table.ts'
import type { SiteEvent } from '../../../src/model/event.ts'
import { asTagId, type TagMeta, type TagValue } from '../../../src/model/tag.ts'
import type { RunRecord } from '../../../src/store/contract.ts'
import type { Store } from '../../../src/store/store.ts'
import { type ManualClock, startManualClock } from '../../support/manual-clock.ts'
import { keptLog } from '../../support/quiet-log.ts'
import { makeStateFolder, type StateFolder } from '../../support/state-folder.ts'
import { openTestStore } from '../../support/store-samples.ts'

export interface HouseOptions {
  readonly flows: readonly FlowDefinition[]
  /** With their first values. */
  readonly tags?: Readonly<Record<string, TagValue>>
  /** An existing state folder, which stays; else one of its own. */
  readonly path?: string
}

/** All flows of a site on a real journal, with a plant that takes whatever is written to it. Its power can fail. */
export class House implements AsyncDisposable {
  readonly clock: ManualClock
  readonly store: Store
  /** In order: `plc/valve true`. */
  readonly writes: string[] = []
  readonly published: string[] = []
  readonly events: SiteEvent[] = []
  /** Calls of the store that are not answered, and not heard either: the power fails before them. */
  isDeaf: ((call: string, ask: unknown) => boolean) | undefined
  /** The disk is busy: no run is kept before this resolves. */
  held: Promise<void> | undefined
  table: TagTable
  flows!: Flows
  readonly #options: HouseOptions
  readonly #folder: StateFolder | undefined
  /** What the plant holds, whoever looks at it. */
  readonly #plant: Map<string, TagValue>
  #life = { isDead: false }
  /** Calls that the store has not answered. */
  #open = 0

  private constructor(options: HouseOptions, folder: StateFolder | undefined, store: Store) {
    this.#options = options
    this.#plant = new Map(Object.entries(options.tags ?? {}))
    this.#folder = folder
    this.store = store
    this.clock = startManualClock()
    this.table = this.#newTable()
  }

  static async start(options: HouseOptions): Promise<House> {
    const folder = options.path === undefined ? makeStateFolder() : undefined
    const house = new House(options, folder, await openTestStore(options.path ?? folder?.path ?? ''))
    await house.begin()
    return house
  }

  /** A life of the daemon: with the flows that are said, or those of before. */
  async begin(flows = this.#options.flows): Promise<void> {
    const life = { isDead: false }
    this.#life = life
    this.table = this.#newTable()
    const journalled: (() => void)[] = []
    const store = { call: (name: keyof Store & string, ask: unknown) => this.#call(life, { name, ask, journalled }) }
    const record = (event: SiteEvent): void => this.#record(event, { life, journalled })
    const mortal = async <Answer>(act: () => Answer): Promise<Answer> => {
      if (life.isDead) return await new Promise(() => {})
      return act()
    }
    const options = {
      data: { site: 'a/b', node: 'n', flows, tags: this.table.metas, devices: [] },
      table: this.table,
      devices: new Map(),
      road: {
        write: ({ id, tag, value }) =>
          mortal(() => {
            this.writes.push(`${tag} ${String(value)}`)
            this.set(tag, value as TagValue)
            return { id, status: 'done', tookMs: 1 }
          }),
        recent: { find: () => undefined },
      },
      store: store as unknown as FlowsOptions['store'],
      north: {
        call: (_name: string, messages: readonly { readonly topic: string; readonly payload: string }[]) =>
          mortal(() => void this.published.push(...messages.map(({ topic, payload }) => `${topic} ${payload}`))),
        onAttach: () => {},
        isOpen: false,
      } as unknown as FlowsOptions['north'],
      outbox: { acceptMessage: () => mortal(() => undefined) },
      breakers: new BreakerPool({ clock: this.clock, record }),
      record,
      journalled,
      keepRuns: (records, events) => this.#keepRuns({ records, events }, { life, journalled }),
      clock: this.clock,
      chance: () => 0.5,
      log: keptLog(),
    } satisfies FlowsOptions
    this.flows = await startFlows(options)
    this.table.onChanges((batch) => !life.isDead && this.flows.take(batch))
  }

  /** Nothing of this life is heard of any more. */
  powerFails(): void {
    this.#life.isDead = true
  }

  get isDead(): boolean {
    return this.#life.isDead
  }

  /** Two seconds pass, in which the disk is waited for however slow it is. */
  async settled(): Promise<void> {
    for (let round = 0; round < 8; round += 1) {
      await this.clock.advance(250)
      while (this.#open > 0) {
        await pause(1)
        await this.clock.settle()
      }
    }
  }

  set(tag: string, value: TagValue): void {
    this.#plant.set(tag, value)
    const place = this.table.find(asTagId(tag)) ?? -1
    this.table.take(0, [{ tag: place, value, quality: 'good' }], this.clock.now())
    this.table.flush()
  }

  /** As the broker's taps bring them; the answer is the acknowledgement. */
  message(topic: string, payload: unknown, more: Partial<TopicMessage> = {}): Promise<void> {
    const row = { topic, timeMs: this.clock.now(), hops: 0, ...more }
    const batch: Packed<TopicMessage> = pack([{ row, payload: Buffer.from(JSON.stringify(payload)) }])
    return this.flows.messages(batch)
  }

  async event(event: SiteEvent): Promise<void> {
    await this.#call(this.#life, { name: 'append', ask: [event], journalled: [] })
  }

  /** How the runs of a flow have ended, oldest first; those that have not: undefined. */
  async states(flow: string): Promise<readonly (string | undefined)[]> {
    const rows = await this.store.runs({ flow, rowsMax: 1_000 })
    return rows.toReversed().map(({ state }) => state)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#life.isDead) {
      const ended = this.flows[Symbol.asyncDispose]()
      await this.clock.advance(1_000)
      await ended
    }
    await this.store[Symbol.asyncDispose]()
    this.#folder?.[Symbol.dispose]()
  }

  async #call(
    life: { readonly isDead: boolean },
    { name, ask, journalled }: { readonly name: keyof Store & string; readonly ask: unknown; readonly journalled: readonly (() => void)[] },
  ): Promise<unknown> {
    const isLost = (): boolean => life.isDead
    if (name === 'recordRuns') await this.held
    if (this.isDeaf?.(name, ask) === true) this.powerFails()
    if (isLost()) return await new Promise(() => {})
    this.#open += 1
    const answer = await (this.store[name] as (ask: unknown) => Promise<unknown>)(ask).finally(() => {
      this.#open -= 1
    })
    if (isLost()) return await new Promise(() => {})
    if (name === 'append' || name === 'recordRuns') for (const tell of journalled) tell()
    return answer
  }

  #record(
    event: SiteEvent,
    { life, journalled }: { readonly life: { readonly isDead: boolean }; readonly journalled: readonly (() => void)[] },
  ): void {
    if (life.isDead) return
    this.events.push(event)
    void this.#call(life, { name: 'append', ask: [event], journalled })
  }

  async #keepRuns(
    ask: { readonly records: readonly RunRecord[]; readonly events: readonly SiteEvent[] },
    { life, journalled }: { readonly life: { readonly isDead: boolean }; readonly journalled: readonly (() => void)[] },
  ): Promise<void> {
    await this.#call(life, { name: 'recordRuns', ask, journalled })
    this.events.push(...ask.events)
  }

  #newTable(): TagTable {
    const tags = [...this.#plant]
    const metas = tags.map(([id]): TagMeta => {
      const [device = '', ...path] = id.split('/')
      return { id: asTagId(id), device, path: path.join('/'), scan: 'normal' }
    })
    const table = new TagTable(metas, this.clock)
    table.take(
      0,
      tags.map(([, value], tag) => ({ tag, value, quality: 'good' })),
      this.clock.now(),
    )
    return table
  }
}
