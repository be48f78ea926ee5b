import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads'
import { type Clock, lastResort } from '../base/clock.ts'
import { createDoor, type Door } from '../base/door.ts'
import { Fault, faultOf, type PlainFault } from '../base/fault.ts'
import type { LogLevel } from '../base/log.ts'
import type { Metric } from '../base/metric.ts'
import type { Running } from '../base/running.ts'
import type { Health, RoomBirth, RoomCalls, RuntimeCalls } from '../base/thread.ts'

export type RoomName = 'store' | 'north' | 'control'

export interface RoomEntry {
  readonly name: RoomName
  readonly entry: URL
}

export interface SpawnOptions {
  readonly room: RoomEntry
  readonly logLevel: LogLevel
  readonly clock: Clock
  readonly metricsOfAll: () => Promise<readonly Metric[]>
  readonly health: () => Promise<Health>
}

/** A thread that loads its code and waits to be told what its room is about. */
export interface SpawnedRoom extends AsyncDisposable {
  readonly name: RoomName
  /** Resolves when the room is ready; when it cannot start, its thread is gone. `ports` are doors to the rooms that run already. */
  begin(data: unknown, ports: Readonly<Record<string, MessagePort>>): Promise<RoomThread>
}

/** A room in its thread, ready. Its failure rejects when the thread ends in any way that was not asked for. */
export interface RoomThread extends Running {
  readonly name: string
  attach(room: string, port: MessagePort): Promise<unknown>
  /** Rejects when the room's loop does not turn within `ms`. */
  ping(ms: number): Promise<void>
  metrics(): Promise<readonly Metric[]>
  trouble(): Promise<PlainFault | null>
  /** The share of the time since the last question in which the thread was at work. */
  utilization(): number
}

/** For the cause of a thread's end to arrive, when its door has closed or the thread is gone. */
const causeMs = 200
const readyMs = 30_000
/** A room that has not ended by then is ended: the whole daemon has 5 s. */
const stopMs = 1_300
const endMs = 100
const metricsMs = 1_000

/**
 * Small young generations: three threads with the default would cost 48 MB of memory that is only garbage. They grow only where memory is not saved
 * (thrift.ts): 10,000 OPC UA values at once, in a generation that they overflow, cost more to collect than to take in.
 */
const youngMbMax: Readonly<Record<RoomName, number>> = { store: 6, north: 16, control: 32 }
const oldMbMax = 512

export function spawnRoom(options: SpawnOptions): SpawnedRoom {
  const { room, clock, logLevel } = options
  const { name } = room
  const channel = new MessageChannel()
  const died = Promise.withResolvers<never>()
  died.promise.catch(() => {})
  const door = createDoor<RoomCalls, RuntimeCalls>(
    {
      failed: (fault) => {
        died.reject(faultOf(fault))
        return null
      },
      metricsOfAll: options.metricsOfAll,
      health: options.health,
    },
    { name: `runtime to ${name}`, unansweredMax: 64 },
  )
  door.attach(channel.port1)
  const birth: RoomBirth = { room: name, logLevel, runtime: channel.port2 }
  const resourceLimits = { maxYoungGenerationSizeMb: youngMbMax[name], maxOldGenerationSizeMb: oldMbMax }
  const worker = new Worker(room.entry, { workerData: birth, transferList: [channel.port2], resourceLimits, name })
  worker.on('error', died.reject)
  // What it said last may be heard after its end, where this thread had other things to do.
  worker.once('exit', () => lastResort(causeMs, () => died.reject(ended(name))))
  const thread = runningRoom({ door, worker, clock, name, failure: died.promise })
  return {
    name,
    begin: async (data, ports) => {
      const begun = door.call('begin', { data, ports }, Object.values(ports)).catch(async (error: unknown) => {
        if (error instanceof Fault && error.code === 'door.closed') await clock.sleep(causeMs) // it closes before it is known why
        throw error
      })
      await within(Promise.race([begun, died.promise]), { ms: readyMs, clock, what: `${name} to be ready` }).catch(
        async (error: unknown) => {
          await end(worker, clock)
          throw error
        },
      )
      return thread
    },
    [Symbol.asyncDispose]: () => end(worker, clock),
  }
}

function runningRoom({ door, worker, clock, name, failure }: StopOptions & { readonly failure: Promise<never> }): RoomThread {
  let last = worker.performance.eventLoopUtilization()
  return {
    name,
    failure,
    utilization: () => {
      const now = worker.performance.eventLoopUtilization()
      const { utilization } = worker.performance.eventLoopUtilization(now, last)
      last = now
      return utilization
    },
    attach: (room, port) => door.call('attach', { room, port }, [port]),
    ping: async (ms) => void (await within(door.call('ping', null), { ms, clock, what: `${name} to answer` })),
    metrics: () => within(door.call('metrics', null), { ms: metricsMs, clock, what: `${name} to tell its metrics` }),
    trouble: () => within(door.call('trouble', null), { ms: metricsMs, clock, what: `${name} to tell how it is` }),
    [Symbol.asyncDispose]: () => stop({ door, worker, clock, name }),
  }
}

interface StopOptions {
  readonly door: Door<RoomCalls>
  readonly worker: Worker
  readonly clock: Clock
  readonly name: string
}

async function stop({ door, worker, clock, name }: StopOptions): Promise<void> {
  await within(door.call('stop', null), { ms: stopMs, clock, what: `${name} to stop` }).catch(() => {}) // terminated below either way
  door.close()
  await end(worker, clock)
}

/** A thread that is stuck in the system (a disk that does not answer) cannot be ended: nobody must wait for it. */
async function end(worker: Worker, clock: Clock): Promise<void> {
  await within(worker.terminate(), { ms: endMs, clock, what: 'a thread to end' }).catch(() => {})
}

/** Waits for work, but no longer than `ms`. */
async function within<Result>(
  work: Promise<Result>,
  limit: { readonly ms: number; readonly clock: Clock; readonly what: string },
): Promise<Result> {
  const late = Promise.withResolvers<never>()
  using _timer = limit.clock.after(limit.ms, () => late.reject(tooLate(limit)))
  return await Promise.race([work, late.promise])
}

function tooLate(limit: { readonly ms: number; readonly what: string }): Fault {
  return new Fault('runtime.timeout', `Waited ${limit.ms} ms for ${limit.what}, in vain.`, {
    remedy: 'Look in the log for what that part was doing; the machine may be overloaded.',
    isRetryable: true,
  })
}

function ended(name: string): Fault {
  return new Fault('runtime.room-ended', `The thread of ${name} ended on its own.`, {
    remedy: 'Look in the log for what it said last.',
    isRetryable: true,
  })
}
