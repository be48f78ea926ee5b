import packageFile from '../../../package.json' with { type: 'json' }
import type { Clock, MonotonicMs } from '../../base/clock.ts'
import { matchesFilter } from '../../model/topic.ts'

/** What mosquitto counts, counted here; all since the start but for the gauges. */
export interface SysCounts {
  readonly clientsConnected: number
  readonly clientsMaximum: number
  /** With a session, here or away. */
  readonly sessions: number
  readonly subscriptions: number
  readonly sockets: number
  /** CONNECT packets that let somebody in. */
  readonly connects: number
  /** Sessions whose clients were away for too long. */
  readonly expired: number
  readonly bytesReceived: number
  readonly bytesSent: number
  readonly messagesReceived: number
  readonly messagesSent: number
  readonly publishReceived: number
  readonly publishReceivedBytes: number
  readonly publishSent: number
  readonly publishSentBytes: number
  readonly publishDropped: number
  readonly retained: number
  readonly stored: number
  readonly storedBytes: number
}

/** Messages of clients, `$SYS` and values apart. */
export interface MessageCounts {
  connected: number
  connectedMax: number
  connects: number
  received: number
  receivedBytes: number
  sent: number
  sentBytes: number
  dropped: number
}

export interface SysMessage {
  readonly topic: string
  readonly payload: string
}

const minutes = [1, 5, 15] as const

/** Of which counters there is a load: so many a minute, smoothed over 1, 5 and 15 of them, as mosquitto does it. */
const loads = {
  'messages/received': 'messagesReceived',
  'messages/sent': 'messagesSent',
  'publish/received': 'publishReceived',
  'publish/sent': 'publishSent',
  'publish/dropped': 'publishDropped',
  'bytes/received': 'bytesReceived',
  'bytes/sent': 'bytesSent',
  sockets: 'sockets',
  connections: 'connects',
} as const satisfies Readonly<Record<string, keyof SysCounts>>

/** The `$SYS` topics. Their texts are made only when somebody reads them. */
export class Sys {
  readonly #counts: () => SysCounts
  readonly #clock: Clock
  readonly #startedAt: MonotonicMs
  readonly #averages = new Map<string, number>()
  #before: SysCounts
  #at: MonotonicMs

  constructor(options: { readonly counts: () => SysCounts; readonly clock: Clock }) {
    this.#counts = options.counts
    this.#clock = options.clock
    this.#startedAt = options.clock.elapsed()
    this.#at = this.#startedAt
    this.#before = options.counts()
  }

  /** Once an interval: some multiplications, and nothing else. */
  tick(): void {
    const now = this.#clock.elapsed()
    const pastMinutes = (now - this.#at) / 60_000
    if (pastMinutes <= 0) return
    const counts = this.#counts()
    for (const [name, key] of Object.entries(loads)) {
      const perMinute = (counts[key] - this.#before[key]) / pastMinutes
      for (const span of minutes) {
        const topic = `load/${name}/${span}min`
        const weight = Math.exp(-pastMinutes / span)
        this.#averages.set(topic, (this.#averages.get(topic) ?? 0) * weight + perMinute * (1 - weight))
      }
    }
    this.#before = counts
    this.#at = now
  }

  messages(): readonly SysMessage[] {
    const counts = this.#counts()
    const uptime = Math.floor((this.#clock.elapsed() - this.#startedAt) / 1_000)
    const texts: readonly (readonly [string, string | number])[] = [
      ['version', `lineside version ${packageFile.version}`],
      ['uptime', `${uptime} seconds`],
      ['clients/connected', counts.clientsConnected],
      ['clients/active', counts.clientsConnected], // the name that it had before
      ['clients/maximum', counts.clientsMaximum],
      ['clients/total', Math.max(counts.sessions, counts.clientsConnected)],
      ['clients/disconnected', Math.max(counts.sessions - counts.clientsConnected, 0)],
      ['clients/inactive', Math.max(counts.sessions - counts.clientsConnected, 0)], // the name that it had before
      ['clients/expired', counts.expired],
      ['subscriptions/count', counts.subscriptions],
      ['shared_subscriptions/count', 0], // none are granted
      ['retained messages/count', counts.retained],
      ['store/messages/count', counts.stored],
      ['store/messages/bytes', counts.storedBytes],
      ['messages/stored', counts.stored],
      ['messages/received', counts.messagesReceived],
      ['messages/sent', counts.messagesSent],
      ['publish/messages/received', counts.publishReceived],
      ['publish/messages/sent', counts.publishSent],
      ['publish/messages/dropped', counts.publishDropped],
      ['publish/bytes/received', counts.publishReceivedBytes],
      ['publish/bytes/sent', counts.publishSentBytes],
      ['bytes/received', counts.bytesReceived],
      ['bytes/sent', counts.bytesSent],
      ...[...this.#averages].map(([topic, value]) => [topic, value.toFixed(2)] as const),
    ]
    return texts.map(([topic, value]) => ({ topic: `$SYS/broker/${topic}`, payload: String(value) }))
  }

  matching(filters: readonly string[]): readonly SysMessage[] {
    return this.messages().filter(({ topic }) => filters.some((filter) => matchesFilter(topic, filter)))
  }
}
