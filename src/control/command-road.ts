import type { Clock } from '../base/clock.ts'
import { Fault, plainFault } from '../base/fault.ts'
import { Histogram } from '../base/histogram.ts'
import type { Log } from '../base/log.ts'
import type { Metric } from '../base/metric.ts'
import type { Command, CommandBatch, CommandResult, CommandStatus } from '../model/command.ts'
import type { SiteEvent } from '../model/event.ts'
import { busyDevice, busyRoad, deviceStarting, expired, notTogether, standsTwice, stopping, unknownTag } from './command-faults.ts'
import { CommandJournal } from './command-journal.ts'
import { checkAsker, checkRaw, checkValue } from './command-rules.ts'
import { type Admitted, type DevicePlace, Errand, rawFor } from './errand.ts'
import { InterlockCheck } from './interlock-check.ts'
import type { Interlocks } from './interlocks.ts'
import { Locks } from './locks.ts'
import { RecentCommands } from './recent-commands.ts'
import { Sending } from './sending.ts'
import { scaledValue, type TagTable } from './tag-table.ts'
import { WritePace } from './write-pace.ts'

export interface CommandRoadOptions {
  readonly table: TagTable
  /** By device name; a device that is only being started is not in it yet. */
  readonly devices: ReadonlyMap<string, DevicePlace>
  /** Resolves when the event is kept, or when keeping it must not hold the plant up any longer. */
  readonly journal: (event: SiteEvent) => Promise<void>
  /** The same where nobody waits for it. Default: `journal`. */
  readonly note?: (event: SiteEvent) => void
  readonly interlocks: Interlocks
  readonly clock: Clock
  readonly log: Log
}

interface TurnOfGroup {
  /** Those of the group that have not ended. */
  readonly admitted: readonly Errand[]
  readonly isTogether: boolean
  readonly doneLooking: () => void
}

/** Askers of one tag that may wait for their turn, the one whose turn it is among them. */
const waitingPerTagMax = 50
/** Commands of all tags that may be under way. */
const underWayMax = 500
/** Commands of one device that may be under way: one that hangs must leave room for the others. */
const underWayOfDeviceMax = 250
/** How long the end waits for what is under way. */
const partingMs = 800
/** s; finest around what an asker feels. */
const doneBounds = [0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10]

/**
 * The one road of every write: known, writable, role, type, range, rate; then in the tag's turn: not expired, interlock, fits the device, step and
 * ramp, journal, not expired and interlock once more, driver, read-back, journal, answer.
 */
export class CommandRoad {
  /** What was asked lately. Whoever knows of an earlier life's commands adds them. */
  readonly recent: RecentCommands
  readonly journal: CommandJournal
  readonly #options: CommandRoadOptions
  readonly #locks = new Locks({ waitingMax: waitingPerTagMax })
  readonly #pace = new WritePace()
  readonly #interlocks: InterlockCheck
  readonly #sending: Sending
  readonly #underWay = new Set<Promise<unknown>>()
  #admitted = 0
  readonly #underWayOf = new Map<string, number>()
  readonly #ended: Record<CommandStatus, number> = { done: 0, refused: 0, failed: 0, unknown: 0 }
  readonly #doneS = new Histogram(doneBounds)
  #repeated = 0
  #isClosed = false

  constructor(options: CommandRoadOptions) {
    this.#options = options
    this.recent = new RecentCommands(options.clock)
    this.journal = new CommandJournal({
      record: options.journal,
      note: options.note ?? ((event) => void options.journal(event)),
      clock: options.clock,
    })
    this.#interlocks = new InterlockCheck(options)
    this.#sending = new Sending({ ...options, pace: this.#pace, journal: this.journal, checkMoment: (errand) => this.#checkMoment(errand) })
  }

  /** Never rejects: what went wrong is in the result. */
  async write(command: Command): Promise<CommandResult> {
    const [result] = await this.writeAll({ commands: [command], isTogether: false })
    if (result === undefined) throw new Error('a command got no answer')
    return result
  }

  /** One result for each command, in order. Never rejects. */
  async writeAll({ commands, isTogether }: CommandBatch): Promise<readonly CommandResult[]> {
    const fresh: Errand[] = []
    const results = commands.map((command) => this.#begin(command, fresh))
    this.#admitAll(fresh)
    const groups = isTogether ? [fresh] : [...Map.groupBy(fresh, ({ admitted }) => admitted?.meta.device).values()]
    for (const group of groups) void this.#carryOut(group, isTogether)
    return await Promise.all(results)
  }

  /** Refuses what is asked from now on, and waits a moment for what is under way. */
  async close(): Promise<void> {
    this.#isClosed = true
    const late = Promise.withResolvers<void>()
    using _timer = this.#options.clock.after(partingMs, late.resolve)
    await Promise.race([Promise.all(this.#underWay), late.promise])
  }

  metrics(): readonly Metric[] {
    const ended = Object.entries(this.#ended).map(
      ([status, value]): Metric => ({
        name: 'lineside_commands_total',
        help: 'Writes by how they ended.',
        type: 'counter',
        value,
        labels: { status },
      }),
    )
    const took = {
      name: 'lineside_command_done_seconds',
      help: 'From being asked for until the read-back is answered, of writes that are done.',
    }
    const repeated = 'Writes that were asked for twice with one id, and carried out once.'
    return [
      ...ended,
      { name: 'lineside_commands_under_way', help: 'Writes that have not ended.', type: 'gauge', value: this.#underWay.size },
      { name: 'lineside_commands_repeated_total', help: repeated, type: 'counter', value: this.#repeated },
      ...this.#doneS.metrics({ ...took, labels: {} }),
      ...this.journal.metrics(),
    ]
  }

  /** The answer to come; a command that is not the repetition of an earlier one is a fresh errand. */
  #begin(command: Command, fresh: Errand[]): Promise<CommandResult> {
    const errand = new Errand(command, this.#options.clock)
    try {
      const before = this.recent.find(command)
      if (before !== undefined) {
        this.#repeated += 1
        return before
      }
      if (this.#isClosed) throw stopping()
      this.recent.remember(command, errand.result, { isUnsent: () => errand.isUnsent })
    } catch (error) {
      errand.endWith(error)
    }
    fresh.push(errand)
    this.#underWay.add(errand.result)
    void errand.result.then(({ status, tookMs }) => {
      this.#ended[status] += 1
      if (status === 'done') this.#doneS.observe(tookMs / 1_000)
      this.#underWay.delete(errand.result)
    })
    return errand.result
  }

  /** Everything that can be said without waiting for anybody. */
  #admitAll(errands: readonly Errand[]): void {
    const seen = new Set<string>()
    for (const errand of errands) {
      const { tag } = errand.command
      this.#try(errand, () => {
        if (seen.has(tag)) throw standsTwice(tag)
        seen.add(tag)
        errand.admitted = this.#admit(errand)
        this.#count(errand)
      })
    }
  }

  /** What is refused at once takes nobody's room, however much of it there is. */
  #count({ on: { meta }, result }: Errand): void {
    const counts = this.#underWayOf
    const add = (change: number): void => {
      this.#admitted += change
      counts.set(meta.device, (counts.get(meta.device) ?? 0) + change)
    }
    add(1)
    void result.then(() => add(-1))
  }

  #admit(errand: Errand): Admitted {
    const { command } = errand
    const { table, devices, clock } = this.#options
    const tag = table.find(command.tag)
    const meta = tag === undefined ? undefined : table.metas[tag]
    if (tag === undefined || meta === undefined) throw unknownTag(command.tag)
    const rules = checkAsker(command, meta)
    const value = checkValue(command.value, meta, rules)
    const place = devices.get(meta.device)
    if (place === undefined) throw deviceStarting(meta.device)
    this.#checkExpiry(errand)
    const raw = checkRaw(rawFor(meta, value, rules), value, meta)
    if (this.#admitted >= underWayMax) throw busyRoad(underWayMax)
    const underWay = this.#underWayOf.get(meta.device) ?? 0
    if (underWay >= underWayOfDeviceMax) throw busyDevice(meta.device, underWay)
    this.#pace.checkRate({ tag, meta, rules, now: clock.elapsed() })
    return { tag, meta, rules, place, raw, meant: scaledValue(raw, meta.scale) }
  }

  /** Ends every errand of the group, each with its record and its answer. Never rejects. */
  async #carryOut(group: readonly Errand[], isTogether: boolean): Promise<void> {
    let answered = Promise.resolve()
    try {
      this.#keepTogether(group, isTogether)
      const admitted = group.filter(({ isOpen }) => isOpen)
      await this.#locks.hold(this.#interlocks.turnOf(admitted), async (doneLooking) => {
        await this.#inTurn(group, { admitted, isTogether, doneLooking })
        // Told to the journal before the next one's turn, so that it holds them in order; but the next one need not wait for the disk.
        answered = this.#answerAll(group)
      })
    } catch (error) {
      if (!(error instanceof Fault)) this.#options.log.error('A command ended in a bug.', { error: String(error) })
      for (const errand of group) errand.endWith(error)
      answered = this.#answerAll(group)
    }
    await answered
  }

  async #inTurn(group: readonly Errand[], { admitted, isTogether, doneLooking }: TurnOfGroup): Promise<void> {
    try {
      await this.#interlocks.prepare(admitted)
      await this.#sending.prepare(admitted)
      this.#keepTogether(group, isTogether)
      await this.#sending.ask(admitted)
      this.#keepTogether(group, isTogether)
      await this.#sending.send(admitted, doneLooking)
    } finally {
      this.#interlocks.note(admitted)
    }
  }

  /** One refused: none is written. */
  #keepTogether(group: readonly Errand[], isTogether: boolean): void {
    const refused = group.find(({ isOpen }) => !isOpen)
    if (!isTogether || refused === undefined) return
    for (const errand of group) if (errand.isOpen) errand.endWith(notTogether(refused.command.tag))
  }

  async #answerAll(group: readonly Errand[]): Promise<void> {
    await Promise.all(
      group.map(async (errand) => {
        await this.journal.ended(errand).catch((error: unknown) => {
          this.#options.log.error('The end of a command was not journalled.', { tag: errand.command.tag, ...plainFault(error) })
        })
        errand.answer(this.#options.clock.elapsed())
      }),
    )
  }

  #checkMoment(errand: Errand): void {
    this.#try(errand, () => {
      this.#checkExpiry(errand)
      this.#interlocks.check(errand)
    })
  }

  #checkExpiry(errand: Errand): void {
    const { expiresMs } = errand.command
    if (expiresMs !== undefined && errand.leftMs(this.#options.clock) <= 0) throw expired(expiresMs)
  }

  #try(errand: Errand, check: () => void): void {
    if (!errand.isOpen) return
    try {
      check()
    } catch (error) {
      if (!(error instanceof Fault)) this.#options.log.error('A command ended in a bug.', { tag: errand.command.tag, ...plainFault(error) })
      errand.endWith(error)
    }
  }
}
