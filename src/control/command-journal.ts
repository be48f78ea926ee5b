import type { Clock } from '../base/clock.ts'
import type { Metric } from '../base/metric.ts'
import type { Command } from '../model/command.ts'
import type { SiteEvent } from '../model/event.ts'
import { jsonValue } from '../model/payload.ts'
import { RefusalPace, refusedValue } from '../model/refused-command.ts'
import type { Ending, Errand } from './errand.ts'

export interface CommandJournalOptions {
  /** Resolves when the event is kept, or when keeping it must not hold the plant up any longer. */
  readonly record: (event: SiteEvent) => Promise<void>
  /** The same without waiting for it. */
  readonly note: (event: SiteEvent) => void
  readonly clock: Clock
}

/** What the road tells of its commands: asked before anything is sent, and how each ended before its asker hears it. */
export class CommandJournal {
  readonly #options: CommandJournalOptions
  readonly #refusals = new RefusalPace()

  constructor(options: CommandJournalOptions) {
    this.#options = options
  }

  async asked(errand: Errand): Promise<void> {
    const { id, by, expiresMs } = errand.command
    const value = jsonValue(errand.command.value)
    await this.#record('command.asked', errand.command, { id, value, by, ...(expiresMs === undefined ? {} : { expiresMs }) })
  }

  async ended(errand: Errand): Promise<void> {
    const { command, ending, stage, replyLost } = errand
    if (ending === undefined) return
    const wasRefusedAtOnce = ending.status === 'refused' && stage === 'new'
    const extra = wasRefusedAtOnce ? this.#refusals.next(this.#options.clock.elapsed()) : {}
    if (extra === undefined) return // one too many, which the next one tells of
    const wished = wasRefusedAtOnce ? refusedValue(command.value) : {}
    const lost = replyLost === undefined ? {} : { replyLost: replyLost.code }
    const unsent = ending.status === 'failed' && errand.isUnsent ? { sent: false } : {}
    await this.#record(`command.${ending.status}`, command, { ...endData(command, ending), ...wished, ...lost, ...unsent, ...extra })
  }

  /** What became of a command that an earlier life of the gateway had asked for. */
  async settled(command: Command, ending: Ending): Promise<void> {
    await this.#record(`command.${ending.status}`, command, { ...endData(command, ending), afterRestart: true })
  }

  metrics(): readonly Metric[] {
    const help = 'Refused writes that were answered, but not journalled one by one: too many a second or an hour.'
    return [{ name: 'lineside_commands_unrecorded_total', help, type: 'counter', value: this.#refusals.unrecorded }]
  }

  async #record(type: string, command: Command, data: Readonly<Record<string, unknown>>): Promise<void> {
    const { record, note, clock } = this.#options
    const event = { type, subject: command.tag, timeMs: clock.now(), data }
    // Of a run the journal holds the intent already, and will hold the outcome before anything follows from it: that is what a restart goes by.
    if (command.by.road === 'flow') note(event)
    else await record(event)
  }
}

function endData({ id, value, by }: Command, { value: seen, ...rest }: Ending): Readonly<Record<string, unknown>> {
  return { id, value: jsonValue(value), by, ...rest, ...(seen === undefined ? {} : { readBack: jsonValue(seen) }) }
}
