import type { Clock, MonotonicMs } from '../../base/clock.ts'
import type { Log, LogFields } from '../../base/log.ts'
import type { SiteEvent } from '../../model/event.ts'

/** Each a sentence for the log and, by its key, a label in the metrics. */
export const incidentKinds = {
  tooMany: 'An MQTT client was turned away: too many are connected.',
  tooOften: 'A connection to the MQTT broker was closed: its address opens too many.',
  tooSlow: 'A connection to the MQTT broker was closed: no CONNECT came in time.',
  crowded: 'A connection to the MQTT broker was closed: too many have not sent their CONNECT.',
  handshake: 'A TLS connection to the MQTT broker did not come about.',
  webSocket: 'A WebSocket to the MQTT broker was refused.',
  tooLarge: 'An MQTT client was disconnected: it sent a packet that is too large.',
  tooFast: 'An MQTT client is slowed down: it sends more than it may.',
  notAdmitted: 'An MQTT client was not let in.',
  version: 'An MQTT client was turned away: it wants MQTT 5, and this broker speaks 3.1.1. Set its protocol version to 3.1.1 (4).',
  tookOver: 'The session of another user was ended: this one has come with its client id.',
  identifier: 'An MQTT client was not let in: its client id does not fit the session it asks for.',
  tooManySessions: 'An MQTT client was not let in: too many sessions are kept.',
  notRead: 'An MQTT client was not let in: its session cannot be read from the disk now.',
  notKept: 'A message of an MQTT client was not acknowledged: it cannot be kept now.',
  kept: 'An MQTT client was disconnected, so that it sends again what could not be kept.',
  malformed: 'An MQTT client was disconnected: it broke the protocol or fell silent.',
  stalled: 'An MQTT client was disconnected: it reads nothing.',
  overrun: 'An MQTT client was disconnected: more waits for it than may.',
  unacknowledged: 'An MQTT client was disconnected: it does not acknowledge what it gets.',
  revoked: 'An MQTT client was disconnected: its user was changed or removed.',
  skipped: 'A slow MQTT client was spared messages.',
  notPublished: 'A message of an MQTT client was not passed on: it may not publish there.',
  unfit: 'A message of this gateway was not published: no client could take its topic.',
  notSubscribed: 'A subscription of an MQTT client was refused.',
} as const

/** Connections that the broker ended, for the journal. */
const journalled: ReadonlyMap<string, string> = new Map(
  (['stalled', 'overrun', 'unacknowledged', 'revoked', 'notKept'] as const).map((kind) => [incidentKinds[kind], kind]),
)
const pauseMs = 60_000

interface Incident {
  count: number
  countLogged: number
  loggedAt: MonotonicMs | undefined
}

/** What clients do wrong: counted each time, told to the log, and where a connection was ended to the journal, once a minute for each kind. The kinds are constant sentences, so memory is bounded. */
export class Incidents {
  readonly #log: Log
  readonly #clock: Clock
  readonly #record: (event: SiteEvent) => void
  readonly #byKind = new Map<string, Incident>()

  constructor({
    log,
    clock,
    record = () => {},
  }: { readonly log: Log; readonly clock: Clock; readonly record?: (event: SiteEvent) => void }) {
    this.#log = log
    this.#clock = clock
    this.#record = record
  }

  note(sentence: string, fields: LogFields): void {
    const incident = this.#byKind.get(sentence) ?? { count: 0, countLogged: 0, loggedAt: undefined }
    this.#byKind.set(sentence, incident)
    incident.count += 1
    const now = this.#clock.elapsed()
    if (incident.loggedAt !== undefined && now - incident.loggedAt < pauseMs) return
    const times = incident.count - incident.countLogged
    this.#log.warn(sentence, { ...fields, times })
    const reason = journalled.get(sentence)
    if (reason !== undefined) {
      const { client, ...data } = fields
      this.#record({ type: 'mqtt.client-dropped', subject: String(client), timeMs: this.#clock.now(), data: { reason, ...data, times } })
    }
    incident.loggedAt = now
    incident.countLogged = incident.count
  }

  count(sentence: string): number {
    return this.#byKind.get(sentence)?.count ?? 0
  }
}
