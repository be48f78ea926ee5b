import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { backoffMs, type Chance } from '../base/chance.ts'
import type { Clock } from '../base/clock.ts'
import { collectAfterStart } from '../base/collect.ts'
import { createDoor, type Door } from '../base/door.ts'
import { plainFault } from '../base/fault.ts'
import { errorFields, type Log, type LogLevel } from '../base/log.ts'
import type { Metric } from '../base/metric.ts'
import { type Running, startLoop } from '../base/running.ts'
import type { Health, RoomHealth } from '../base/thread.ts'
import type { SiteEvent } from '../model/event.ts'
import type { StoreCalls } from '../store/contract.ts'
import { Precedence } from './precedence.ts'
import { type RoomEntry, type RoomName, type RoomThread, type SpawnedRoom, spawnRoom } from './room-thread.ts'
import { startThrift } from './thrift.ts'

export interface DaemonOptions {
  /** In the order of starting: consumers before producers. */
  readonly rooms: readonly [store: RoomEntry, north: RoomEntry, control: RoomEntry]
  /** What each room is told. The threads load their code while this is being worked out; if it rejects, so does the start. */
  readonly data: Promise<Readonly<Record<RoomName, unknown>>>
  readonly clock: Clock
  readonly chance: Chance
  readonly log: Log
  readonly logLevel: LogLevel
  /** Whether V8 is to collect before it grows, as long as no room has much to do. */
  readonly savesMemory?: Promise<boolean>
  /** Gives the start up when it is aborted; once the daemon is started, it is for the owner to stop it. */
  readonly signal?: AbortSignal
}

/** The three rooms, running and watched. */
export interface Daemon extends Running {
  health(): Promise<Health>
  metrics(): Promise<readonly Metric[]>
  /** Rejects when one of the rooms' loops does not turn within `ms`: the watchdog is fed only otherwise. */
  ping(ms: number): Promise<void>
}

const restartBackoff = { firstMs: 200, maxMs: 10_000 }
/** A room that lived this long was sound: its next restart begins with the first back-off. */
const soundAfterMs = 60_000

/** Starts the rooms and the doors between them. North and store are restarted when they die; without control there is no daemon. */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  await using parts = new AsyncDisposableStack()
  const house = new House(options)
  const aborted = abortionOf(options.signal)
  const spawned = options.rooms.map((room) => parts.use(house.spawn(room)))
  const data = await Promise.race([options.data, aborted])
  const [store, north, control] = spawned.map((room) => ({ room, data: data[room.name] }))
  if (store === undefined || north === undefined || control === undefined) throw new Error('three rooms make a house')
  parts.use(await Promise.race([house.open([store]), aborted]))
  // Control need not wait for north, whose OPC UA server takes its time to open: whoever attaches later is told everything there is.
  parts.use(await Promise.race([house.open([north, control]), aborted]))
  const watch = parts.use(startLoop((signal) => house.watch(signal)))
  const savesMemory = (await options.savesMemory) ?? false
  if (savesMemory) parts.use(startThrift({ clock: options.clock, rooms: () => house.rooms }))
  collectAfterStart()
  const started = parts.move()
  return {
    failure: watch.failure,
    health: () => house.health(),
    metrics: () => house.metrics(),
    ping: (ms) => house.ping(ms),
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  }
}

/** Rejects with the signal's reason. */
function abortionOf(signal: AbortSignal | undefined): Promise<never> {
  const aborted = Promise.withResolvers<never>()
  aborted.promise.catch(() => {})
  if (signal?.aborted === true) aborted.reject(signal.reason)
  signal?.addEventListener('abort', () => aborted.reject(signal.reason), { once: true })
  return aborted.promise
}

class House {
  readonly #options: DaemonOptions
  readonly #rooms = new Map<string, RoomThread>()
  readonly #data = new Map<string, unknown>()
  readonly #restarts = new Map<string, number>()
  readonly #store: Door<StoreCalls>
  readonly #precedence: Precedence

  constructor(options: DaemonOptions) {
    this.#options = options
    this.#store = createDoor<StoreCalls, Record<never, never>>({}, { name: 'runtime to store', unansweredMax: 100 })
    this.#precedence = new Precedence(options.log)
  }

  get rooms(): Iterable<RoomThread> {
    return this.#rooms.values()
  }

  spawn(room: RoomEntry): SpawnedRoom {
    const { clock, logLevel } = this.#options
    return spawnRoom({ room, logLevel, clock, metricsOfAll: () => this.metrics(), health: () => this.health() })
  }

  /** Starts rooms side by side, connects them with each other and with those that run, and gives what stops whatever stands in their places at the end. */
  async open(rooms: readonly { readonly room: SpawnedRoom; readonly data: unknown }[]): Promise<AsyncDisposable> {
    for (const { room, data } of rooms) this.#data.set(room.name, data)
    await this.#start(rooms.map(({ room }) => room))
    const stop = async (): Promise<void> => {
      for (const { room } of rooms.toReversed()) await this.#rooms.get(room.name)?.[Symbol.asyncDispose]()
    }
    return { [Symbol.asyncDispose]: stop }
  }

  /** Ends only by rejecting: when control dies, for then nobody talks to the plant any more. */
  async watch(signal: AbortSignal): Promise<void> {
    const [store, north, control] = this.#options.rooms
    const stopped = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
    const lost = this.#rooms.get(control.name)?.failure ?? Promise.resolve()
    await Promise.race([stopped, lost, this.#keep(store, signal), this.#keep(north, signal)])
  }

  async health(): Promise<Health> {
    const rooms = Object.fromEntries(
      await Promise.all(this.#options.rooms.map(async ({ name }) => [name, await this.#healthOf(name)] as const)),
    )
    return { isReady: Object.values(rooms).every(({ state, fault }) => state === 'up' && fault === undefined), rooms }
  }

  async metrics(): Promise<readonly Metric[]> {
    const answers = await Promise.allSettled([...this.#rooms.values()].map((room) => room.metrics()))
    return [...answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : [])), ...this.#ownMetrics()]
  }

  async ping(ms: number): Promise<void> {
    await Promise.all(
      this.#options.rooms.map(({ name }) => this.#rooms.get(name)?.ping(ms) ?? Promise.reject(new Error(`${name} is not up`))),
    )
  }

  async #healthOf(name: string): Promise<RoomHealth> {
    const restarts = this.#restarts.get(name) ?? 0
    const room = this.#rooms.get(name)
    if (room === undefined) return { state: 'starting', restarts }
    const fault = await room.trouble().catch(() => null) // too busy to answer is no trouble yet: the watchdog sees to rooms that hang
    return { state: 'up', restarts, ...(fault === null ? {} : { fault }) }
  }

  #ownMetrics(): readonly Metric[] {
    const rss = process.memoryUsage.rss()
    const { user, system } = process.cpuUsage()
    return [
      { name: 'process_resident_memory_bytes', help: 'Resident memory of the whole daemon.', type: 'gauge', value: rss },
      { name: 'process_cpu_seconds_total', help: 'CPU time of the whole daemon.', type: 'counter', value: (user + system) / 1e6 },
      ...this.#options.rooms.map(
        ({ name }): Metric => ({
          name: 'lineside_room_restarts_total',
          help: 'How often a thread was restarted.',
          type: 'counter',
          value: this.#restarts.get(name) ?? 0,
          labels: { room: name },
        }),
      ),
    ]
  }

  async #start(spawned: readonly SpawnedRoom[]): Promise<void> {
    const known = new Set(this.#rooms.values())
    const doors = new Map(spawned.map(({ name }): [string, Record<string, MessagePort>] => [name, {}]))
    const attached = spawned.flatMap(({ name }) =>
      [...this.#rooms.values()].map((running) => this.#connect(running, { name, ports: doors.get(name) })),
    )
    for (const [place, one] of spawned.entries()) {
      for (const other of spawned.slice(place + 1)) {
        const { port1, port2 } = new MessageChannel()
        Object.assign(doors.get(one.name) ?? {}, { [other.name]: port1 })
        Object.assign(doors.get(other.name) ?? {}, { [one.name]: port2 })
      }
    }
    const begun = await Promise.all(
      spawned.map(async ({ name, begin }) => ({ name, room: await begin(this.#data.get(name), doors.get(name) ?? {}) })),
    )
    this.#precedence.give()
    // Two rooms that died together come back together: who is ready last knows of the other, and connects them.
    const strangers = [...this.#rooms.values()].filter((room) => !known.has(room))
    for (const { name, room } of begun) this.#rooms.set(name, room)
    attached.push(...begun.flatMap(({ room }) => strangers.map((stranger) => this.#join(room, stranger))))
    await Promise.all(attached)
    const store = spawned.find(({ name }) => name === 'store') && this.#rooms.get('store')
    if (store !== undefined) await this.#connectStore(store)
  }

  /** A running room may call the new one at once: what it sends waits in the port until the new one listens. */
  async #connect(
    running: RoomThread,
    { name, ports }: { readonly name: string; readonly ports: Record<string, MessagePort> | undefined },
  ): Promise<void> {
    const { port1, port2 } = new MessageChannel()
    if (ports !== undefined) ports[running.name] = port1
    await running.attach(name, port2).catch((error: unknown) => this.#unconnected(error))
  }

  async #join(one: RoomThread, other: RoomThread): Promise<void> {
    const { port1, port2 } = new MessageChannel()
    await Promise.all([one.attach(other.name, port1), other.attach(one.name, port2)]).catch((error: unknown) => this.#unconnected(error))
  }

  /** The other room is dying just now: it will be connected when it is back. */
  #unconnected(error: unknown): void {
    this.#options.log.warn('Two rooms could not be connected.', errorFields(error))
  }

  async #connectStore(thread: RoomThread): Promise<void> {
    const { port1, port2 } = new MessageChannel()
    this.#store.attach(port1)
    await thread.attach('runtime', port2)
  }

  /** Restarts a room for as long as the daemon lives. */
  async #keep(plan: RoomEntry, signal: AbortSignal): Promise<void> {
    const { clock, chance, log } = this.#options
    for (let attempt = 1; !signal.aborted; attempt += 1) {
      const bornAt = clock.elapsed()
      const failure = await this.#endOf(plan.name, signal)
      if (signal.aborted) return
      if (clock.elapsed() - bornAt > soundAfterMs) attempt = 1
      const waitMs = Math.round(backoffMs(restartBackoff, attempt, chance))
      log.error('A part of Lineside died; it is started again.', { room: plan.name, waitMs, ...errorFields(failure) })
      await clock.sleep(waitMs, signal)
      await this.#restart(plan, failure)
    }
  }

  async #endOf(name: string, signal: AbortSignal): Promise<unknown> {
    const room = this.#rooms.get(name)
    if (room === undefined) return undefined // its last start failed already
    const stopped = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
    try {
      await Promise.race([room.failure, stopped])
      return undefined
    } catch (error) {
      this.#rooms.delete(name)
      await room[Symbol.asyncDispose]()
      return error
    }
  }

  async #restart(plan: RoomEntry, failure: unknown): Promise<void> {
    const { clock, log } = this.#options
    this.#restarts.set(plan.name, (this.#restarts.get(plan.name) ?? 0) + 1)
    try {
      await this.#start([this.spawn(plan)])
    } catch (error) {
      log.error('A part of Lineside could not be started again.', { room: plan.name, ...errorFields(error) })
      return
    }
    const event: SiteEvent = {
      type: 'runtime.room-restarted',
      subject: plan.name,
      timeMs: clock.now(),
      data: { fault: plainFault(failure) },
    }
    await this.#store.call('append', [event]).catch((error: unknown) => log.warn('Could not journal a restart.', errorFields(error)))
  }
}
