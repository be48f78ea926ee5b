import type { Clock, MonotonicMs } from '../../base/clock.ts'
import type { Log, LogFields } from '../../base/log.ts'

const pauseMs = 60_000

interface Incident {
  count: number
  countLogged: number
  loggedAt: MonotonicMs | undefined
}

/** What clients do wrong: counted each time, told to the log once a minute for each kind. The kinds are constant sentences, so memory is bounded. */
export class Incidents {
  readonly #log: Log
  readonly #clock: Clock
  readonly #byKind = new Map<string, Incident>()

  constructor(options: { readonly log: Log; readonly clock: Clock }) {
    this.#log = options.log
    this.#clock = options.clock
  }

  note(sentence: string, fields: LogFields): void {
    const incident = this.#byKind.get(sentence) ?? { count: 0, countLogged: 0, loggedAt: undefined }
    this.#byKind.set(sentence, incident)
    incident.count += 1
    const now = this.#clock.elapsed()
    if (incident.loggedAt !== undefined && now - incident.loggedAt < pauseMs) return
    this.#log.warn(sentence, { ...fields, times: incident.count - incident.countLogged })
    incident.loggedAt = now
    incident.countLogged = incident.count
  }

  count(sentence: string): number {
    return this.#byKind.get(sentence)?.count ?? 0
  }
}
