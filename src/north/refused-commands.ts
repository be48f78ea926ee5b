import { randomUUID } from 'node:crypto'
import type { Clock } from '../base/clock.ts'
import type { Metric } from '../base/metric.ts'
import type { SiteEvent } from '../model/event.ts'
import { RefusalPace, type RefusedCommand, refusedValue } from '../model/refused-command.ts'

export interface RefusedCommandsOptions {
  /** Into the journal. */
  readonly record: (event: SiteEvent) => void
  readonly clock: Clock
}

const tagCharsMax = 200

/**
 * Wishes that a door of this room says no to, before the command road hears of them. In the journal they stand as those that the road refuses; with a pace of
 * their own, so that whoever may do nothing here leaves the road's records their room.
 */
export class RefusedCommands {
  readonly #options: RefusedCommandsOptions
  readonly #pace = new RefusalPace()
  /** By road: there are no more of them than doors. */
  readonly #counts = new Map<string, number>()

  constructor(options: RefusedCommandsOptions) {
    this.#options = options
  }

  note({ id = randomUUID(), tag, value, by, code, message, remedy }: RefusedCommand): void {
    const { clock, record } = this.#options
    this.#counts.set(by.road, (this.#counts.get(by.road) ?? 0) + 1)
    const extra = this.#pace.next(clock.elapsed())
    if (extra === undefined) return
    const data = { id, ...(value === undefined ? {} : refusedValue(value)), by, status: 'refused', code, message, remedy, ...extra }
    record({ type: 'command.refused', subject: tag.slice(0, tagCharsMax), timeMs: clock.now(), data })
  }

  metrics(): readonly Metric[] {
    const refused = 'Writes that a door refused before the command road heard of them, by who asked.'
    const unrecorded = 'Of these, those that were not journalled one by one: too many a second or an hour.'
    const rows = [...this.#counts].map(
      ([road, value]): Metric => ({
        name: 'lineside_door_commands_refused_total',
        help: refused,
        type: 'counter',
        value,
        labels: { road },
      }),
    )
    return [...rows, { name: 'lineside_door_commands_unrecorded_total', help: unrecorded, type: 'counter', value: this.#pace.unrecorded }]
  }
}
