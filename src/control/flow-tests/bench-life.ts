import type { Clock } from '../../base/clock.ts'
import type { Door } from '../../base/door.ts'
import { Fault } from '../../base/fault.ts'
import type { Log } from '../../base/log.ts'
import type { SiteEvent } from '../../model/event.ts'
import type { StoreCalls } from '../../store/contract.ts'
import { BreakerPool } from '../breaker-pool.ts'
import { recoverCommands } from '../command-recovery.ts'
import { CommandRoad } from '../command-road.ts'
import type { LocalMessage, NorthCalls } from '../contract.ts'
import type { DevicePlace } from '../errand.ts'
import { AllFlows } from '../flows/all-flows.ts'
import type { CompiledFlow } from '../flows/compiled.ts'
import type { FlowDefinition } from '../flows/definition.ts'
import { type FlowPort, flowPort } from '../flows/port.ts'
import type { FlowsData, FlowsOptions } from '../flows/ports.ts'
import type { ServiceAnswer, ServiceRequest } from '../flows/step-ports.ts'
import { compileInterlocks } from '../interlocks.ts'
import { TagTable } from '../tag-table.ts'
import type { BenchPlant } from './bench-plant.ts'
import type { BenchStore } from './bench-store.ts'

export interface BenchLifeOptions {
  /** Another one for each life. */
  readonly name: string
  readonly data: FlowsData
  readonly plant: BenchPlant
  readonly store: BenchStore
  readonly clock: Clock
  /** Something happened without the clock. */
  readonly stir: () => void
  readonly compile: (definition: FlowDefinition) => CompiledFlow
  readonly request: (ask: ServiceRequest, stop: AbortSignal) => Promise<ServiceAnswer>
  readonly published: (message: LocalMessage) => void
  readonly told: (event: SiteEvent) => void
  readonly broke: (error: unknown) => void
}

/**
 * One life of the gateway in a test, from power on to power off: the real flows, command road, rules and interlocks over a tag table and devices that a
 * test holds. When the power fails nothing of it does anything any more.
 */
export class BenchLife {
  readonly #options: BenchLifeOptions
  readonly #table: TagTable
  readonly #places = new Map<string, DevicePlace>()
  readonly #stop = new AbortController()
  #flows: AllFlows | undefined
  #port: FlowPort | undefined
  #isDead = false
  #uids = 0

  constructor(options: BenchLifeOptions) {
    this.#options = options
    this.#table = new TagTable(options.plant.metas, this.#mortalClock())
  }

  get isBusy(): boolean {
    const runs = this.#flows?.runs
    return !this.#isDead && runs !== undefined && !runs.all.next().done
  }

  /** What people may do. */
  get port(): FlowPort {
    if (this.#port === undefined)
      throw new Fault('test.no-power', 'The gateway has no power now.', { remedy: 'Let it come back first: look at `kill`.' })
    return this.#port
  }

  get flows(): AllFlows | undefined {
    return this.#isDead ? undefined : this.#flows
  }

  async start(): Promise<void> {
    const { plant, store, stir } = this.#options
    const clock = this.#mortalClock()
    let first = 0
    for (const device of plant.devices) {
      this.#places.set(device, { device: this.#mortalDevice(plant.device(device, clock.now)), first })
      first += plant.tagsOf(device).length
    }
    const table = this.#table
    const record = (event: SiteEvent): void => this.#record(event)
    const door = store.door((answer) => this.#alive(async () => answer()))
    const road = await this.#road(clock, door)
    const options: FlowsOptions = {
      data: this.#options.data,
      table,
      devices: this.#places,
      road: { write: (command) => this.#alive(() => road.write(command)), recent: road.recent },
      journalled: [],
      store: door,
      north: this.#north(),
      outbox: { acceptMessage: async () => {} },
      breakers: new BreakerPool({ clock, record }),
      record,
      clock,
      chance: () => 0.5,
      log: silent,
      proof: {
        compile: this.#options.compile,
        request: (ask, stop) => this.#alive(() => this.#options.request(ask, stop)),
      },
    }
    const flows = new AllFlows(options, this.#stop.signal)
    this.#flows = flows
    flows.runs.failure.catch((error: unknown) => this.#options.broke(error))
    await flows.resume()
    await flows.listen()
    this.#port = flowPort(flows, options)
    table.onChanges((batch) => {
      stir()
      if (this.#isDead) return
      flows.watchers.take(batch)
      flows.history.sink.take(batch)
      if (!flows.history.sink.isEmpty) void flows.history.sink.flush()
    })
    for (const device of plant.devices) this.hear(device)
  }

  async #road(clock: Clock, store: Door<StoreCalls>): Promise<CommandRoad> {
    const around = { table: this.#table, devices: this.#places, clock, log: silent }
    const journal = async (event: SiteEvent): Promise<void> => this.#record(event)
    const road = new CommandRoad({ ...around, journal, interlocks: compileInterlocks(this.#table) })
    await recoverCommands({ ...around, road, events: (ask) => store.call('events', ask) })
    return road
  }

  /** What a device reads has changed. */
  hear(device: string): void {
    const place = this.#places.get(device)
    if (this.#isDead || place === undefined) return
    const { plant, stir } = this.#options
    stir()
    this.#table.take(place.first, plant.readings(device), this.#options.clock.now())
    if (plant.isAway(device)) this.#table.stale(place.first, plant.tagsOf(device))
  }

  happens(event: SiteEvent): void {
    this.#record(event)
  }

  message(topic: string, payload: string): void {
    this.#uids += 1
    const cause = { key: `${this.#options.name}-${this.#uids}`, isRepeated: false }
    if (!this.#isDead) this.#flows?.triggers.message({ topic, payload }, cause).catch(() => {})
  }

  /** The power fails. */
  kill(): void {
    this.#isDead = true
    this.#port = undefined
  }

  #record(event: SiteEvent): void {
    const { stir, store, told } = this.#options
    if (this.#isDead) return
    stir()
    this.#uids += 1
    // The journal is what the gateway hears events from; here there is nothing between the two.
    this.#flows?.triggers.hear({ ...event, uid: `${this.#options.name}-${this.#uids}` }).catch(() => {})
    store.append(event)
    told(event)
  }

  /** Work that the power must last for: what it gives is never heard of by the dead. */
  async #alive<Result>(work: () => Promise<Result>): Promise<Result> {
    const { stir } = this.#options
    stir()
    if (this.#isDead) return await new Promise<never>(() => {})
    try {
      const result = await work()
      if (this.#isDead) await new Promise<never>(() => {})
      return result
    } catch (error) {
      if (this.#isDead) await new Promise<never>(() => {})
      throw error
    } finally {
      stir()
    }
  }

  #mortalClock(): Clock {
    const { clock } = this.#options
    return {
      ...clock,
      after: (ms, callback) =>
        clock.after(ms, () => {
          if (!this.#isDead) callback()
        }),
      sleep: (ms, signal) => this.#alive(() => clock.sleep(ms, signal)),
    }
  }

  #mortalDevice(device: DevicePlace['device']): DevicePlace['device'] {
    return {
      ...device,
      read: (tags, stop) => this.#alive(() => device.read(tags, stop)),
      write: (writes, stop) => this.#alive(() => device.write(writes, stop)),
      call: (call, stop) => this.#alive(() => device.call(call, stop)),
    }
  }

  #north(): Door<NorthCalls> {
    const call = async (name: string, ask: readonly LocalMessage[]): Promise<null> =>
      await this.#alive(async () => {
        if (name === 'publish') for (const message of ask) this.#options.published(message)
        return null
      })
    return {
      call,
      tell: () => true,
      attach: () => {},
      onAttach: () => {},
      isOpen: true,
      unanswered: 0,
      close: () => {},
    } as Door<NorthCalls>
  }
}

const silent: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, with: () => silent }
