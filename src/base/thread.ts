import { type MessagePort, workerData } from 'node:worker_threads'
import { systemClock } from './clock.ts'
import { collectAfterStart } from './collect.ts'
import { createDoor, type Door, type Handlers } from './door.ts'
import { Fault, type PlainFault, plainFault } from './fault.ts'
import { errorFields, type Log, type LogLevel, openLog } from './log.ts'
import type { Metric } from './metric.ts'
import type { Running } from './running.ts'

/** What the runtime may ask of every room. */
export interface RoomCalls {
  /** Starts the room: its own data, and doors to the rooms that run already. Answered when it is ready. */
  begin(ask: { readonly data: unknown; readonly ports: Readonly<Record<string, MessagePort>> }): null
  /** Answered only by a thread whose loop turns: the watchdog's question. */
  ping(ask: null): null
  metrics(ask: null): readonly Metric[]
  /** Why the room cannot do its work, though it runs. */
  trouble(ask: null): PlainFault | null
  /** Ends the room in good order; answered when it has ended. */
  stop(ask: null): null
  /** A new port to another room, by that room's name; the old one is dead. */
  attach(ask: { readonly room: string; readonly port: MessagePort }): null
}

/** What a room tells the runtime. */
export interface RuntimeCalls {
  failed(ask: PlainFault): null
  /** All metrics of the process, for whoever serves them. */
  metricsOfAll(ask: null): readonly Metric[]
  health(ask: null): Health
}

/** Ready means that all three rooms run and can do their work; an absent device or upstream is no reason to be unready. */
export interface Health {
  readonly isReady: boolean
  readonly rooms: Readonly<Record<string, RoomHealth>>
}

export interface RoomHealth {
  readonly state: 'up' | 'starting'
  readonly restarts: number
  /** Of a room that runs, and cannot do its work. */
  readonly fault?: PlainFault
}

/** What each thread gets at birth. Its room begins later: modules load while the site is still being read. */
export interface RoomBirth {
  readonly room: string
  readonly logLevel: LogLevel
  readonly runtime: MessagePort
}

export interface RoomContext<Data> {
  readonly data: Data
  readonly log: Log
  readonly runtime: Door<RuntimeCalls>
  /** Says which door leads to `room`: it is attached now if that room runs, and again whenever it is back from the dead. */
  connect(room: string, door: { attach(port: MessagePort): void }): void
}

/** A room that runs. */
export interface Room extends Running {
  metrics(): readonly Metric[]
  /** Absent where nothing but its end can keep it from its work. */
  trouble?(): Fault | undefined
}

/** The entry of a room's thread: starts it when told, answers the runtime, and dies loudly when the room does. */
export function runRoom<Data>(start: (context: RoomContext<Data>) => Promise<Room>): void {
  const birth = workerData as RoomBirth
  const log = openLog(birth.logLevel).with({ room: birth.room })
  const starting = Promise.withResolvers<Room>()
  starting.promise.catch(() => {}) // told by `begin`
  const doors = new Map<string, { attach(port: MessagePort): void }>()
  const handlers: Handlers<RoomCalls> = {
    begin: async ({ data, ports }) => {
      try {
        const room = await start({ data: data as Data, log, runtime, connect: connector(doors, ports) })
        room.failure.catch(die)
        starting.resolve(room)
        collectAfterStart()
      } catch (error) {
        starting.reject(error)
        if (error instanceof Fault) leave(error)
        else die(error) // the runtime tells of a fault, but never sees a stack
        throw error
      }
      return null
    },
    ping: () => null,
    metrics: async () => (await starting.promise).metrics(),
    trouble: async () => {
      const fault = (await starting.promise).trouble?.()
      return fault === undefined ? null : plainFault(fault)
    },
    stop: async () => {
      await (await starting.promise)[Symbol.asyncDispose]()
      return null
    },
    attach: async ({ room, port }) => {
      await starting.promise
      doors.get(room)?.attach(port)
      return null
    },
  }
  const runtime = createDoor<RuntimeCalls, RoomCalls>(handlers, { name: `${birth.room} to runtime`, unansweredMax: 64 })
  const die = (error: unknown): void => {
    log.error('This part of Lineside failed.', errorFields(error))
    leave(error)
  }
  const leave = (error: unknown): void => {
    runtime.call('failed', plainFault(error)).catch(() => {})
    systemClock.after(100, () => process.exit(1)) // the fault must have left before the thread does
  }
  process.on('uncaughtException', die)
  process.on('unhandledRejection', die)
  runtime.attach(birth.runtime)
}

function connector(
  doors: Map<string, { attach(port: MessagePort): void }>,
  ports: Readonly<Record<string, MessagePort>>,
): RoomContext<unknown>['connect'] {
  return (name, door) => {
    doors.set(name, door)
    const port = ports[name]
    if (port !== undefined) door.attach(port)
  }
}
