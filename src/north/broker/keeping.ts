import type { Clock } from '../../base/clock.ts'
import { Fault } from '../../base/fault.ts'
import type { Log } from '../../base/log.ts'
import type { Metric } from '../../base/metric.ts'
import type { Running } from '../../base/running.ts'
import type { MqttConfig } from './config.ts'
import { PendingChanges } from './pending-changes.ts'
import { Persistence } from './persistence.ts'
import { SessionKeeper, type SessionStore } from './session-keeper.ts'
import { Sessions } from './sessions.ts'

export interface KeepingOptions {
  readonly config: MqttConfig
  readonly clock: Clock
  readonly log: Log
  readonly store: SessionStore
  /** Retained topics below these are told anew at each start by who publishes them: they are not stored. */
  readonly transient: readonly string[]
  /** The store keeps again what it had refused to keep. */
  readonly onMended: () => void
}

interface OwnMessage {
  readonly topic: string
  readonly qos: number
  readonly isRetained: boolean
}

/** Sessions in memory, their way to the disk, and the face that aedes sees of them. */
export interface Keeping extends Running {
  readonly sessions: Sessions
  readonly keeper: SessionKeeper
  readonly persistence: Persistence
  /** Resolves when messages of our own are kept for whoever depends on them; rejects with `mqtt.not-kept` where that takes too long. */
  ownKept(messages: readonly OwnMessage[]): Promise<void>
  metrics(): readonly Metric[]
}

/** The broker opens without its sessions when they have not been read by then. */
const restoreMs = 3_000
/** How long a publisher within this gateway waits for the disk. */
const ownMs = 2_000

export async function startKeeping(options: KeepingOptions): Promise<Keeping> {
  const { config, clock, log, store, transient, onMended } = options
  const { limits } = config
  const pending = new PendingChanges()
  const sessions = new Sessions({ limits, pending, clock, transient, changed: () => keeper.changed() })
  const keeper = new SessionKeeper({ store, pending, memory: sessions, clock, log, onMended })
  const persistence = new Persistence({ sessions, kept: () => keeper.kept() })
  const running = keeper.start()
  await within(keeper.restored, { clock, ms: restoreMs })
  const isKept = ({ topic, qos, isRetained }: OwnMessage): boolean =>
    !transient.some((prefix) => topic.startsWith(prefix)) && (isRetained || (qos > 0 && sessions.subscriptions.match(topic).length > 0))
  return {
    sessions,
    keeper,
    persistence,
    ownKept: async (messages) => {
      if (!messages.some(isKept)) return
      if (keeper.isFailing || (await within(keeper.kept(), { clock, ms: ownMs })) === 'late') throw notKept()
    },
    metrics: () => metricsOf(sessions, keeper),
    failure: running.failure,
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  }
}

async function within(work: Promise<void>, { clock, ms }: { readonly clock: Clock; readonly ms: number }): Promise<'done' | 'late'> {
  const late = Promise.withResolvers<'late'>()
  using _ = clock.after(ms, () => late.resolve('late'))
  return await Promise.race([work.then(() => 'done' as const), late.promise])
}

function metricsOf({ retained, counts }: Sessions, keeper: SessionKeeper): readonly Metric[] {
  return [
    gauge('lineside_mqtt_retained', 'Retained messages, without tag values.', retained.size),
    gauge('lineside_mqtt_retained_bytes', 'Their size.', retained.bytes),
    counter('lineside_mqtt_retained_refused_total', 'Messages passed on, but not retained: no room.', retained.refused),
    gauge('lineside_mqtt_offline_messages', 'Messages kept for sessions until they are acknowledged.', counts.messages),
    gauge('lineside_mqtt_offline_bytes', 'Their size.', counts.bytes),
    counter('lineside_mqtt_offline_lost_total', 'Messages not kept for a session: no room.', counts.lost),
    counter('lineside_mqtt_sessions_expired_total', 'Sessions that ended because their client was away for too long.', counts.expired),
    gauge('lineside_mqtt_is_failing', '1 while sessions and retained messages cannot be kept on the disk.', keeper.isFailing ? 1 : 0),
    counter('lineside_mqtt_keep_failures_total', 'Tries to keep them that failed.', keeper.failures),
  ]
}

function gauge(name: string, help: string, value: number): Metric {
  return { name, help, type: 'gauge', value }
}

function counter(name: string, help: string, value: number): Metric {
  return { name, help, type: 'counter', value }
}

function notKept(): Fault {
  return new Fault('mqtt.not-kept', 'A message was passed on, but it is not on the disk for those of its readers who are away.', {
    remedy: 'Look for a full or broken disk under the state folder; what is waiting is kept as soon as it is mended.',
    isRetryable: true,
  })
}
