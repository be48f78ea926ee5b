import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads'
import type { Clock } from '../base/clock.ts'
import { createDoor, type Door } from '../base/door.ts'
import { Fault, faultOf } from '../base/fault.ts'
import type { LogLevel } from '../base/log.ts'
import type { Metric } from '../base/metric.ts'
import type { Running } from '../base/running.ts'
import type { Health, RoomBirth, RoomCalls, RuntimeCalls } from '../base/thread.ts'

export interface RoomPlan {
  readonly name: 'store' | 'north' | 'control'
  readonly entry: URL
  readonly data: unknown
}

export interface RoomThreadOptions {
  readonly plan: RoomPlan
  /** Doors to the rooms that run already, by name. */
  readonly ports: Readonly<Record<string, MessagePort>>
  readonly logLevel: LogLevel
  readonly clock: Clock
  readonly metricsOfAll: () => Promise<readonly Metric[]>
  readonly health: () => Health
}

/** A room in its thread, ready. Its failure rejects when the thread ends in any way that was not asked for. */
export interface RoomThread extends Running {
  readonly name: string
  attach(room: string, port: MessagePort): Promise<unknown>
  /** Rejects when the room's loop does not turn within `ms`. */
  ping(ms: number): Promise<void>
  metrics(): Promise<readonly Metric[]>
}

const readyMs = 30_000
/** A room that has not ended by then is ended: the whole daemon has 5 s. */
const stopMs = 1_400
const metricsMs = 1_000

/** Small young generations: three threads with the default would cost 48 MB of memory that is only garbage. */
const resourceLimits = { maxYoungGenerationSizeMb: 3, maxOldGenerationSizeMb: 512 }

export async function startRoomThread(options: RoomThreadOptions): Promise<RoomThread> {
  const { plan, clock } = options
  const channel = new MessageChannel()
  const ready = Promise.withResolvers<void>()
  const died = Promise.withResolvers<never>()
  died.promise.catch(() => {})
  const door = createDoor<RoomCalls, RuntimeCalls>(
    {
      ready: () => {
        ready.resolve()
        return null
      },
      failed: (fault) => {
        died.reject(faultOf(fault))
        return null
      },
      metricsOfAll: options.metricsOfAll,
      health: options.health,
    },
    { name: `runtime to ${plan.name}`, unansweredMax: 64 },
  )
  door.attach(channel.port1)
  const { logLevel, ports } = options
  const birth: RoomBirth<unknown> = { room: plan.name, logLevel, runtime: channel.port2, ports, data: plan.data }
  const transferList = [channel.port2, ...Object.values(ports)]
  const worker = new Worker(plan.entry, { workerData: birth, transferList, resourceLimits, name: plan.name })
  worker.on('error', died.reject)
  worker.once('exit', () => died.reject(ended(plan.name)))
  try {
    await within(Promise.race([ready.promise, died.promise]), { ms: readyMs, clock, what: `${plan.name} to be ready` })
  } catch (error) {
    await worker.terminate()
    throw error
  }
  return {
    name: plan.name,
    failure: died.promise,
    attach: (room, port) => door.call('attach', { room, port }, [port]),
    ping: async (ms) => void (await within(door.call('ping', null), { ms, clock, what: `${plan.name} to answer` })),
    metrics: () => within(door.call('metrics', null), { ms: metricsMs, clock, what: `${plan.name} to tell its metrics` }),
    [Symbol.asyncDispose]: () => stop({ door, worker, clock, name: plan.name }),
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
  await worker.terminate()
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
