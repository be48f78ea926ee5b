import type { Clock, MonotonicMs } from '../base/clock.ts'
import { Fault, plainFault } from '../base/fault.ts'
import type { RawWrite, WriteOutcome, WriteRefusal } from '../south/driver.ts'
import { currentUnknown, expired, misfit, notAsked, notConfirmed, notReadBack, timedOut } from './command-faults.ts'
import type { CommandJournal } from './command-journal.ts'
import { type DevicePlace, type Errand, endingOf } from './errand.ts'
import { type Limit, type Look, readBack, readNow, type Seen, withinLimit } from './read-back.ts'
import type { TagTable } from './tag-table.ts'
import { type ChangeAsked, changeOf, type WritePace } from './write-pace.ts'

export interface SendingOptions {
  readonly table: TagTable
  readonly clock: Clock
  readonly pace: WritePace
  readonly journal: CommandJournal
  /** Ends the errand that has expired, or whose interlock does not let it pass. */
  readonly checkMoment: (errand: Errand) => void
}

/** A write that has not ended by then is given up as unknown. */
const writeMs = 10_000
/** For a driver to end what it was told to end. */
const graceMs = 200
/** To look at what the device holds before a step is taken. */
const currentMs = 2_000
/** A lost reply often means a lost connection: it must have time to come back. */
const settleMs = 2_000

/** What happens to commands in their turn. Each step passes over those that have ended. */
export class Sending {
  readonly #options: SendingOptions

  constructor(options: SendingOptions) {
    this.#options = options
  }

  /** Expiry, interlock, what the device can hold, step and ramp. */
  async prepare(errands: readonly Errand[]): Promise<void> {
    for (const errand of errands) this.#options.checkMoment(errand)
    await Promise.all(byDevice(open(errands)).map(([place, group]) => this.#askDevice(group, place)))
    const paced = open(errands).filter(({ on: { rules } }) => rules.stepMax !== undefined || rules.ramp !== undefined)
    await Promise.all(byDevice(paced).map(([place, group]) => this.#checkChanges(group, place)))
  }

  /** Journals the wish; keeping it may take a while, and the machine may have started meanwhile. */
  async ask(errands: readonly Errand[]): Promise<void> {
    await Promise.all(
      open(errands).map(async (errand) => {
        errand.stage = 'asked'
        await this.#options.journal.asked(errand)
      }),
    )
    for (const errand of open(errands)) this.#options.checkMoment(errand)
  }

  /** `onWritten`: all devices have been told, and what is left is to look. */
  async send(errands: readonly Errand[], onWritten: () => void): Promise<void> {
    const now = this.#options.clock.elapsed()
    for (const errand of open(errands)) this.#options.pace.countChange(changeAsked(errand, now))
    const calls = byDevice(open(errands)).flatMap(([place, group]) => byExpiry(group).map((those) => ({ place, those })))
    let left = calls.length
    const onOneWritten = (): void => {
      left -= 1
      if (left === 0) onWritten()
    }
    // All of them, whatever becomes of one: nobody else's turn begins while something of this one is under way.
    const ended = await Promise.allSettled(calls.map(({ place, those }) => this.#sendTo(place, those, onOneWritten)))
    for (const one of ended) if (one.status === 'rejected') throw one.reason
  }

  /** What the driver would find out only when half of a batch is written. */
  async #askDevice(group: readonly Errand[], place: DevicePlace): Promise<void> {
    const refusals = await this.#refusalsOf(group, place)
    const rounded: Errand[] = []
    for (const [position, errand] of group.entries()) {
      const refusal = refusals[position]
      if (refusal === undefined) continue
      if (refusal.of === 'place') errand.end(endingOf('failed', plainFault(refusal.fault)))
      else if (refusal.of === 'fraction' && errand.roundRaw()) rounded.push(errand)
      else errand.endWith(misfit(errand.on.meta, errand.command.value, refusal.fault))
    }
    if (rounded.length > 0) await this.#askDevice(rounded, place)
  }

  async #refusalsOf(group: readonly Errand[], place: DevicePlace): Promise<readonly (WriteRefusal | undefined)[]> {
    const { clock } = this.#options
    const reason = (): Fault => notAsked(group[0]?.on.meta.device ?? '', currentMs)
    try {
      return await withinLimit((signal) => place.device.refusals(writesOf(group, place), signal), { clock, limitMs: currentMs, reason })
    } catch (error) {
      const fault = faultOf(error)
      return group.map(() => ({ of: 'place', fault }))
    }
  }

  async #checkChanges(group: readonly Errand[], place: DevicePlace): Promise<void> {
    const { table, clock, pace } = this.#options
    let cause: unknown
    const tags = group.map(({ on }) => on.tag)
    const current = await readNow(tags, { place, table, clock, limitMs: currentMs }).catch((error: unknown) => {
      cause = error
      return []
    })
    for (const [position, errand] of group.entries()) {
      const from = current[position]
      const change = from === undefined ? undefined : changeOf(from, errand.on.meant)
      try {
        if (change === undefined) throw currentUnknown(errand.on.meta, cause)
        errand.change = change
        pace.checkChange(changeAsked(errand, clock.elapsed()))
      } catch (error) {
        errand.endWith(error)
      }
    }
  }

  /** All that goes to one device and ends to be valid at one moment, in one call. */
  async #sendTo(place: DevicePlace, group: readonly Errand[], onWritten: () => void): Promise<void> {
    const outcomes = await this.#write(place, group)
    onWritten()
    const looks: Look[] = []
    for (const [position, errand] of group.entries()) {
      const outcome = outcomes[position] ?? { outcome: 'unknown', fault: timedOut(errand.command.tag, writeMs) }
      const untilMs = this.#take(errand, outcome)
      if (untilMs !== undefined) looks.push({ errand, untilMs })
    }
    const seen = await readBack(looks, place, this.#options)
    for (const [position, { errand }] of looks.entries()) settle(errand, seen[position])
  }

  async #write(place: DevicePlace, group: readonly Errand[]): Promise<readonly WriteOutcome[]> {
    const { clock } = this.#options
    for (const errand of group) errand.stage = 'sent'
    try {
      return await withinLimit((signal) => place.device.write(writesOf(group, place), signal), { clock, ...this.#limitOf(group) })
    } catch (error) {
      const fault = faultOf(error)
      return group.map(() => ({ outcome: 'unknown', fault }))
    }
  }

  /** A command that waits in the driver's queue when it expires must not go out any more; one that is out already is waited for. */
  #limitOf(group: readonly Errand[]): Omit<Limit, 'clock'> {
    const late = (): Fault => timedOut(group.map(({ command }) => command.tag).join(', '), writeMs)
    const giveUp = { ms: writeMs + graceMs, reason: late }
    const expiresMs = group[0]?.command.expiresMs
    const leftMs = Math.min(...group.map((errand) => errand.leftMs(this.#options.clock)))
    if (expiresMs === undefined || leftMs >= writeMs) return { limitMs: writeMs, reason: late, giveUp }
    return { limitMs: Math.max(1, leftMs), reason: () => expired(expiresMs), giveUp }
  }

  /** Ends what needs no look any more; otherwise until when to look. */
  #take(errand: Errand, outcome: WriteOutcome): MonotonicMs | undefined {
    const { confirmMs } = errand.on.rules
    const now = this.#options.clock.elapsed()
    errand.isAnswered = outcome.outcome !== 'unknown'
    if (outcome.outcome === 'done') {
      if (confirmMs > 0) return (now + confirmMs) as MonotonicMs
      errand.end({ status: 'done' })
      return undefined
    }
    if (outcome.outcome === 'failed') {
      errand.wasKeptBack = outcome.neverSent === true
      this.#refusedOrFailed(errand, outcome.fault)
      return undefined
    }
    // Where the expiry ended the wait for a reply, it is the reply that is missing.
    errand.replyLost = outcome.fault.code === 'command.expired' ? timedOut(errand.command.tag, writeMs) : outcome.fault
    if (confirmMs > 0) return (now + Math.max(confirmMs, settleMs)) as MonotonicMs
    errand.end(endingOf('unknown', plainFault(errand.replyLost)))
    return undefined
  }

  /** What was given up before it was sent because it had expired is a refusal like any other that comes too late. */
  #refusedOrFailed(errand: Errand, fault: Fault): void {
    const { expiresMs } = errand.command
    const isExpired = errand.leftMs(this.#options.clock) <= 0
    const wasNotSent = fault.code === 'command.expired' || fault.code.endsWith('.abandoned')
    if (expiresMs !== undefined && isExpired && wasNotSent) errand.end(endingOf('refused', plainFault(expired(expiresMs))))
    else errand.end(endingOf('failed', plainFault(fault)))
  }
}

/** After the read-back. A lost reply that it does not settle stays unknown: the value may still arrive. */
function settle(errand: Errand, seen: Seen | undefined): void {
  const { meta, meant } = errand.on
  const value = seen?.value
  const shown = value === undefined ? {} : { value }
  if (seen?.isConfirmed === true) errand.end({ status: 'done', ...shown })
  else if (errand.replyLost !== undefined) errand.end({ ...endingOf('unknown', plainFault(errand.replyLost)), ...shown })
  else if (value === undefined) errand.end(endingOf('unknown', plainFault(notReadBack(meta))))
  else {
    errand.isAnswered = false // slow devices take a value over later
    errand.end({ ...endingOf('failed', plainFault(notConfirmed(meta, meant, value))), ...shown })
  }
}

function writesOf(group: readonly Errand[], place: DevicePlace): readonly RawWrite[] {
  return group.map(({ on }) => ({ tag: on.tag - place.first, value: on.raw }))
}

function faultOf(error: unknown): Fault {
  return error instanceof Fault ? error : new Fault('internal', String(error), { remedy: plainFault(error).remedy, cause: error })
}

function open(errands: readonly Errand[]): readonly Errand[] {
  return errands.filter(({ isOpen }) => isOpen)
}

function byDevice(errands: readonly Errand[]): readonly (readonly [DevicePlace, readonly Errand[]])[] {
  return [...Map.groupBy(errands, ({ on }) => on.place)]
}

/** One call can be given up at one moment only, and what is still valid must not go with what is not. */
function byExpiry(errands: readonly Errand[]): readonly (readonly Errand[])[] {
  return [...Map.groupBy(errands, ({ command }) => command.expiresMs).values()]
}

function changeAsked({ on: { tag, meta, rules }, change }: Errand, now: MonotonicMs): ChangeAsked {
  return { tag, meta, rules, change, now }
}
