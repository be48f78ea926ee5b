import type { Clock } from '../base/clock.ts'
import type { Metric } from '../base/metric.ts'
import type { Command } from '../model/command.ts'
import type { SiteEvent } from '../model/event.ts'
import { jsonValue } from '../model/payload.ts'
import type { Ending, Errand } from './errand.ts'

export interface CommandJournalOptions {
  /** Resolves when the event is kept, or when keeping it must not hold the plant up any longer. */
  readonly record: (event: SiteEvent) => Promise<void>
  /** The same without waiting for it. */
  readonly note: (event: SiteEvent) => void
  readonly clock: Clock
}

/** Refusals a second that are journalled: a client that asks in a loop for what it may not must not push everything else out of the journal. */
const refusalsPerSecondMax = 10

/** What the road tells of its commands: asked before anything is sent, and how each ended before its asker hears it. */
export class CommandJournal {
  readonly #options: CommandJournalOptions
  #secondFrom = Number.NEGATIVE_INFINITY
  #inSecond = 0
  #untold = 0
  #unrecorded = 0

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
    const extra = this.#extraOf(ending, stage === 'new')
    if (extra === undefined) return
    const lost = replyLost === undefined ? {} : { replyLost: replyLost.code }
    await this.#record(`command.${ending.status}`, command, { ...endData(command, ending), ...lost, ...extra })
  }

  /** What became of a command that an earlier life of the gateway had asked for. */
  async settled(command: Command, ending: Ending): Promise<void> {
    await this.#record(`command.${ending.status}`, command, { ...endData(command, ending), afterRestart: true })
  }

  metrics(): readonly Metric[] {
    const help = 'Refused writes that were answered, but not journalled one by one: too many a second.'
    return [{ name: 'lineside_commands_unrecorded_total', help, type: 'counter', value: this.#unrecorded }]
  }

  /** undefined: one refusal too many in this second, which the next one tells of. */
  #extraOf({ status }: Ending, wasNeverAsked: boolean): Readonly<Record<string, unknown>> | undefined {
    if (status !== 'refused' || !wasNeverAsked) return {}
    const now = this.#options.clock.elapsed()
    if (now - this.#secondFrom >= 1_000) {
      this.#secondFrom = now
      this.#inSecond = 0
    }
    this.#inSecond += 1
    if (this.#inSecond > refusalsPerSecondMax) {
      this.#untold += 1
      this.#unrecorded += 1
      return undefined
    }
    const untold = this.#untold
    this.#untold = 0
    return untold === 0 ? {} : { unrecordedBefore: untold }
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
