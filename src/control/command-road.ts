import type { Clock, EpochMs } from '../base/clock.ts'
import { Fault, type PlainFault, plainFault } from '../base/fault.ts'
import type { Log } from '../base/log.ts'
import type { Metric } from '../base/metric.ts'
import type { Command, CommandResult, CommandStatus } from '../model/command.ts'
import type { SiteEvent } from '../model/event.ts'
import { jsonValue } from '../model/payload.ts'
import type { TagIndex, TagMeta, TagValue, WriteRules } from '../model/tag.ts'
import type { Device } from '../south/device.ts'
import { checkAsker, checkRate, checkValue, RateWindow } from './command-rules.ts'
import { Locks } from './locks.ts'
import { eachNumber, isSameValue, rawValue, scaledValue, type TagTable } from './tag-table.ts'

/** Where a device's tags begin in the site's list. */
export interface DevicePlace {
  readonly device: Device
  readonly first: number
}

export interface CommandRoadOptions {
  readonly table: TagTable
  /** By device name. */
  readonly devices: ReadonlyMap<string, DevicePlace>
  /** Resolves when the event is kept, or when keeping it must not hold the plant up any longer. */
  readonly journal: (event: SiteEvent) => Promise<void>
  /** Whether the interlock of this tag lets a write pass: only `true` does. */
  readonly interlock: (tag: TagIndex) => boolean | 'unknown'
  readonly clock: Clock
  readonly log: Log
}

/** Askers of one tag that may wait for their turn. */
const waitingPerTagMax = 50
/** A write that has not ended by then is given up as unknown. */
const writeTimeoutMs = 10_000
/** Between two looks at a value that is to be confirmed. */
const readBackPauseMs = 20

/** A command that may be carried out, with all that is known of its tag. */
interface Admitted {
  readonly command: Command
  readonly tag: TagIndex
  readonly meta: TagMeta
  readonly rules: WriteRules
  readonly value: TagValue
  readonly place: DevicePlace
  /** As the device takes it, and what that means in engineering units: a whole raw value cannot be just any number of bar. */
  readonly raw: TagValue
  readonly meant: TagValue
}

type Ending = Omit<CommandResult, 'id' | 'tookMs'>

/** The one road of every write: role, writable, range and rate, then in the tag's turn: interlock, journal, driver, read-back, journal, answer. */
export class CommandRoad {
  readonly #options: CommandRoadOptions
  readonly #locks = new Locks({ waitingMax: waitingPerTagMax })
  readonly #rates = new Map<TagIndex, RateWindow>()
  readonly #ended: Record<CommandStatus, number> = { done: 0, refused: 0, failed: 0, unknown: 0 }

  constructor(options: CommandRoadOptions) {
    this.#options = options
  }

  /** Never rejects: what went wrong is in the result. */
  async write(command: Command): Promise<CommandResult> {
    const started = this.#options.clock.elapsed()
    const ending = await this.#end(command)
    this.#ended[ending.status] += 1
    return { id: command.id, ...ending, tookMs: Math.round(this.#options.clock.elapsed() - started) }
  }

  metrics(): readonly Metric[] {
    return Object.entries(this.#ended).map(([status, value]) => ({
      name: 'lineside_commands_total',
      help: 'Writes by how they ended.',
      type: 'counter',
      value,
      labels: { status },
    }))
  }

  async #end(command: Command): Promise<Ending> {
    try {
      const admitted = this.#admit(command)
      return await this.#locks.hold(String(admitted.tag), () => this.#carryOut(admitted))
    } catch (error) {
      if (!(error instanceof Fault)) this.#options.log.error('A command ended in a bug.', { tag: command.tag, error: String(error) })
      const ending = refused(plainFault(error))
      await this.#record('command.refused', command, ending)
      return ending
    }
  }

  /** Everything that can be said without waiting for anybody. */
  #admit(command: Command): Admitted {
    const { table, devices, clock } = this.#options
    const tag = table.find(command.tag)
    const meta = tag === undefined ? undefined : table.metas[tag]
    const place = meta === undefined ? undefined : devices.get(meta.device)
    if (tag === undefined || meta === undefined || place === undefined) throw unknownTag(command.tag)
    const rules = checkAsker(command, meta)
    const value = checkValue(command.value, meta, rules)
    const window = this.#rates.get(tag) ?? new RateWindow()
    this.#rates.set(tag, window)
    checkRate(window, { id: meta.id, perSecondMax: rules.ratePerSecondMax, now: clock.elapsed() })
    const raw = rawFor(meta, value)
    return { command, tag, meta, rules, value, place, raw, meant: scaledValue(raw, meta.scale) }
  }

  async #carryOut(admitted: Admitted): Promise<Ending> {
    const { command, tag, meta, place, raw } = admitted
    this.#checkMoment(admitted)
    await this.#record('command.asked', command, { status: 'done' })
    this.#checkMoment(admitted) // keeping it may have taken a while: the machine may have started meanwhile
    const limit = new AbortController()
    using _timer = this.#options.clock.after(writeTimeoutMs, () => limit.abort(timedOut(meta)))
    const [outcome] = await place.device.write([{ tag: tag - place.first, value: raw }], limit.signal)
    if (outcome === undefined) throw new Error('a driver answered no outcome')
    const ending = outcome.outcome === 'failed' ? failed(plainFault(outcome.fault)) : await this.#confirm(admitted, outcome)
    await this.#record(`command.${ending.status}`, command, ending)
    return ending
  }

  #checkMoment({ command, tag, meta, rules }: Admitted): void {
    if (command.expiresMs !== undefined && this.#options.clock.now() >= command.expiresMs) throw expired(command.expiresMs)
    if (rules.interlock === undefined) return
    const isFree = this.#options.interlock(tag)
    if (isFree !== true) throw interlocked(meta, rules.interlock, isFree)
  }

  /** Looks whether the value has arrived. A lost reply is settled here too, and stays unknown where nobody can tell. */
  async #confirm(
    admitted: Admitted,
    outcome: { readonly outcome: 'done' } | { readonly outcome: 'unknown' | 'failed'; readonly fault: Fault },
  ): Promise<Ending> {
    const { rules, meant, meta } = admitted
    if (rules.confirmMs === 0) return outcome.outcome === 'done' ? { status: 'done' } : unknown(plainFault(outcome.fault))
    const seen = await this.#readBack(admitted)
    if (seen !== undefined && isWithin(seen, meant, rules.tolerance)) return { status: 'done', value: seen }
    if (outcome.outcome !== 'done') return { ...unknown(plainFault(outcome.fault)), ...(seen === undefined ? {} : { value: seen }) }
    return seen === undefined
      ? unknown(plainFault(notReadBack(meta)))
      : { ...failed(plainFault(notConfirmed(meta, meant, seen))), value: seen }
  }

  /** What is read goes into the tag table before the asker hears of it: whoever looks at the tag then sees what was confirmed. */
  async #readBack({ place, tag, rules, meta, meant }: Admitted): Promise<TagValue | undefined> {
    const { clock, table } = this.#options
    const limit = new AbortController()
    using _timer = clock.after(rules.confirmMs, () => limit.abort(notReadBack(meta)))
    let seen: TagValue | undefined
    while (!limit.signal.aborted) {
      try {
        const [reading] = await place.device.read([tag - place.first], limit.signal)
        if (reading !== undefined && reading.value !== null) {
          seen = scaledValue(reading.value, meta.scale)
          table.take(place.first, [reading], clock.now())
          table.flush()
        }
        if (seen !== undefined && isWithin(seen, meant, rules.tolerance)) return seen
        await clock.sleep(readBackPauseMs, limit.signal)
      } catch {
        if (!limit.signal.aborted) await clock.sleep(readBackPauseMs, limit.signal).catch(() => {}) // lost: it may be back before the limit
      }
    }
    return seen
  }

  async #record(type: string, command: Command, ending: Ending): Promise<void> {
    const { clock, journal } = this.#options
    const { value, ...rest } = ending
    const outcome = type === 'command.asked' ? {} : { ...rest, ...(value === undefined ? {} : { readBack: jsonValue(value) }) }
    const data = { id: command.id, value: jsonValue(command.value), by: command.by, ...outcome }
    await journal({ type, subject: command.tag, timeMs: clock.now(), data })
  }
}

function rawFor(meta: TagMeta, value: TagValue): TagValue {
  const raw = rawValue(value, meta.scale)
  return meta.scale?.isRawWhole === true ? eachNumber(raw, Math.round) : raw
}

function isWithin(seen: TagValue, asked: TagValue, tolerance: number): boolean {
  if (typeof seen === 'number' && typeof asked === 'number') {
    return Math.abs(seen - asked) <= Math.max(tolerance, Math.abs(asked) * floatStep)
  }
  if (Array.isArray(seen) && Array.isArray(asked)) {
    return seen.length === asked.length && seen.every((item, place) => isWithin(item, asked[place] ?? item, tolerance))
  }
  return isSameValue(seen, asked) || (typeof seen !== 'object' && typeof asked !== 'object' && bigIntOrSame(seen) === bigIntOrSame(asked))
}

/** A 64-bit value may be asked for as a number and read back as a bigint. */
function bigIntOrSame(value: TagValue): TagValue {
  return typeof value === 'number' && Number.isInteger(value) ? BigInt(value) : value
}

/** One step of an f32: what was asked as 0.1 comes back as 0.10000000149. */
const floatStep = 2 ** -23

function refused(fault: PlainFault): Ending {
  return { status: 'refused', code: fault.code, message: fault.message, remedy: fault.remedy }
}

function failed(fault: PlainFault): Ending {
  return { ...refused(fault), status: 'failed' }
}

function unknown(fault: PlainFault): Ending {
  return { ...refused(fault), status: 'unknown' }
}

function unknownTag(id: string): Fault {
  return new Fault('command.tag-unknown', `There is no tag ${id}.`, { remedy: 'Check the name: it is DEVICE/TAG, as in the device files.' })
}

function expired(expiresMs: EpochMs): Fault {
  return new Fault('command.expired', `The command was valid until ${expiresMs} and came too late.`, {
    remedy: 'Ask again; if this happens often, compare the clocks of both machines.',
  })
}

function interlocked(meta: TagMeta, interlock: string, state: false | 'unknown'): Fault {
  const why = state === false ? 'is not true' : 'cannot be known, because a value it needs is missing or not good'
  return new Fault('command.interlock', `The interlock of ${meta.id} ${why}: ${interlock}`, {
    remedy: 'Bring the machine into the state that the interlock asks for, then ask again.',
  })
}

function timedOut(meta: TagMeta): Fault {
  return new Fault('command.timeout', `The write to ${meta.id} was not answered within ${writeTimeoutMs} ms.`, {
    remedy: 'Read the tag before asking again.',
  })
}

function notReadBack(meta: TagMeta): Fault {
  return new Fault('command.not-read-back', `${meta.id} was written, but could not be read back.`, {
    remedy: 'Read the tag before asking again.',
  })
}

function notConfirmed(meta: TagMeta, asked: TagValue, seen: TagValue): Fault {
  return new Fault('command.not-confirmed', `${meta.id} was written as ${String(asked)} but reads ${String(seen)}.`, {
    remedy: 'Look whether the device limits or overwrites the value; widen `tolerance` or `confirm` if it is only slow.',
  })
}
