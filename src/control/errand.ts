import { type Clock, type MonotonicMs, parseIsoTime } from '../base/clock.ts'
import { type Fault, type PlainFault, plainFault } from '../base/fault.ts'
import type { Command, CommandResult, CommandStatus } from '../model/command.ts'
import type { LinearScale, TagIndex, TagMeta, TagValue, WriteRules } from '../model/tag.ts'
import type { Device } from '../south/device.ts'
import { eachNumber, isSameValue, rawValue, scaledValue } from './tag-table.ts'

/** Where a device's tags begin in the site's list. */
export interface DevicePlace {
  readonly device: Device
  readonly first: number
}

/** A command that may be carried out, with all that is known of its tag. */
export interface Admitted {
  readonly tag: TagIndex
  readonly meta: TagMeta
  readonly rules: WriteRules
  readonly place: DevicePlace
  /** As the device takes it, and what that means in engineering units: a whole raw value cannot be just any number of bar. */
  readonly raw: TagValue
  readonly meant: TagValue
}

export type Ending = Omit<CommandResult, 'id' | 'sent' | 'tookMs'>

/** How far a command has come. After `asked` it stands in the journal, after `sent` the device may have it. */
type Stage = 'new' | 'asked' | 'sent'

/** Operands of an interlock, by why they are unknown: the same batch writes them, or an earlier write may still arrive. */
export interface UnknownOperands {
  readonly written: ReadonlySet<TagIndex>
  readonly unsettled: ReadonlySet<TagIndex>
}

/** One command on its way down the road. It ends once. */
export class Errand {
  readonly command: Command
  readonly result: Promise<CommandResult>
  readonly #startedAt: MonotonicMs
  /** When it came in. */
  readonly #leftMs: number
  readonly #answer: (result: CommandResult) => void
  stage: Stage = 'new'
  admitted: Admitted | undefined
  ending: Ending | undefined
  /** How far it will change the value, where a step or ramp asks. */
  change = 0
  /** The device has said what became of it, be it no. */
  isAnswered = false
  /** The device has surely not heard of it, though it was handed to its driver. */
  wasKeptBack = false
  /** Of its interlock: what nobody can know just now. */
  operands: UnknownOperands = { written: new Set(), unsettled: new Set() }
  /** Why the reply to the write did not come, where it did not. */
  replyLost: Fault | undefined

  constructor(command: Command, clock: Clock) {
    this.command = command
    this.#startedAt = clock.elapsed()
    this.#leftMs = command.expiresMs === undefined ? Number.POSITIVE_INFINITY : command.expiresMs - clock.now()
    const { promise, resolve } = Promise.withResolvers<CommandResult>()
    this.result = promise
    this.#answer = resolve
  }

  /** How long it is still valid: by either clock, so that a wall clock that steps back lengthens no life. */
  leftMs(clock: Clock): number {
    const { expiresMs } = this.command
    if (expiresMs === undefined) return Number.POSITIVE_INFINITY
    return Math.min(expiresMs - clock.now(), this.#leftMs - (clock.elapsed() - this.#startedAt))
  }

  /** Whether the same wish may be asked for once more without being carried out twice. */
  get isUnsent(): boolean {
    return this.stage !== 'sent' || this.wasKeptBack
  }

  get isOpen(): boolean {
    return this.ending === undefined
  }

  /** Only what passed admission is ever asked for this. */
  get on(): Admitted {
    if (this.admitted === undefined) throw new Error('a command that was not admitted went on')
    return this.admitted
  }

  /** The device alone knew that it holds whole numbers: the nearest one is meant. False where that is no news, or the tag is not scaled. */
  roundRaw(): boolean {
    const { meta, rules } = this.on
    if (meta.scale === undefined || meta.scale.isRawWhole === true) return false
    const scale = { ...meta.scale, isRawWhole: true }
    const raw = rawFor({ ...meta, scale }, this.command.value, rules)
    this.admitted = { ...this.on, meta: { ...meta, scale }, raw, meant: scaledValue(raw, scale) }
    return true
  }

  end(ending: Ending): void {
    this.ending ??= ending
  }

  /** What went wrong on our own side of the device: before anything was sent it is a refusal, after it nobody knows. */
  endWith(error: unknown): void {
    this.end(endingOf(this.stage === 'sent' ? 'unknown' : 'refused', plainFault(error)))
  }

  /** Tells the asker. */
  answer(now: MonotonicMs): void {
    const ending = this.ending ?? endingOf('unknown', plainFault(new Error('a command ended without an ending')))
    const unsent = ending.status === 'failed' && this.isUnsent ? { sent: false as const } : {}
    this.#answer({ id: this.command.id, ...ending, ...unsent, tookMs: Math.round(now - this.#startedAt) })
  }
}

export function endingOf(status: CommandStatus, fault: PlainFault): Ending {
  return { status, code: fault.code, message: fault.message, remedy: fault.remedy }
}

/** What the device is to be told; where it holds whole numbers only, the nearest one that lies within the limits of the tag. */
export function rawFor(meta: TagMeta, value: TagValue, { min, max }: Pick<WriteRules, 'min' | 'max'> = {}): TagValue {
  const raw = rawValue(value, meta.scale)
  if (meta.scale?.isRawWhole !== true) return raw
  const ends = [min, max].map((limit) => (limit === undefined ? undefined : Number(rawValue(limit, meta.scale))))
  const [low = Number.NEGATIVE_INFINITY, high = Number.POSITIVE_INFINITY] = isFalling(meta.scale) ? ends.toReversed() : ends
  return eachNumber(raw, (exact) => Math.min(Math.floor(high + slack(high)), Math.max(Math.ceil(low - slack(low)), Math.round(exact))))
}

function isFalling({ raw, to }: LinearScale): boolean {
  return (to[1] - to[0]) / (raw[1] - raw[0]) < 0
}

/** A limit of 10 that arithmetic makes 9.999999999 is 10. */
function slack(limit: number): number {
  return Number.isFinite(limit) ? 1e-9 * Math.max(1, Math.abs(limit)) : 0
}

/** Whether what was seen is what was meant, within the tolerance and what the type of the tag can hold. */
export function isWithin(seen: TagValue, { meant, raw, meta, rules }: Pick<Admitted, 'meant' | 'raw' | 'meta' | 'rules'>): boolean {
  if (typeof seen === 'string' && typeof meant === 'string' && isSameText(seen, meant, meta)) return true
  const slack = isFloat(meta) ? floatStep * Math.max(largest(meant), Math.max(largest(raw), floatLeast) * slopeOf(meta)) : 0
  if (isNear(seen, meant, Math.max(rules.tolerance, slack))) return true
  return mayBeFloat(meta) && isNear(seen, eachNumber(meant, Math.fround), rules.tolerance)
}

function isNear(seen: TagValue, asked: TagValue, tolerance: number): boolean {
  if (typeof seen === 'number' && typeof asked === 'number') return Math.abs(seen - asked) <= tolerance
  if (Array.isArray(seen) && Array.isArray(asked)) {
    return seen.length === asked.length && seen.every((item, place) => isNear(item, asked[place] ?? item, tolerance))
  }
  if (isWhole(seen) && isWhole(asked)) {
    const apart = BigInt(seen) - BigInt(asked)
    return (apart < 0n ? -apart : apart) <= BigInt(Math.floor(tolerance))
  }
  return isSameValue(seen, asked)
}

/** A 64-bit value may be asked for as a number and read back as a bigint. */
function isWhole(value: TagValue): value is number | bigint {
  return typeof value === 'bigint' || (typeof value === 'number' && Number.isInteger(value))
}

/** A count of a hundred million that is off by five is another count; a float of that size cannot tell. */
function isFloat({ type, scale }: TagMeta): boolean {
  return scale === undefined ? type === 'f32' : scale.isRawWhole !== true
}

/** What is called f64, or nothing, may be kept as an f32 behind it: then it is that very f32 which comes back. */
function mayBeFloat({ type, scale }: TagMeta): boolean {
  return scale === undefined && (type === undefined || type === 'f64')
}

/** One step of an f32: what was asked as 0.1 comes back as 0.10000000149. A scale carries that over: near its zero a step is no smaller. */
const floatStep = 2 ** -23
/** Nearer to zero the steps of an f32 grow no smaller. */
const floatLeast = 2 ** -126

function slopeOf({ scale }: TagMeta): number {
  return scale === undefined ? 1 : Math.abs((scale.to[1] - scale.to[0]) / (scale.raw[1] - scale.raw[0]))
}

function largest(value: TagValue): number {
  if (Array.isArray(value)) return value.reduce((most: number, item) => Math.max(most, largest(item)), 0)
  return typeof value === 'number' ? Math.abs(value) : 0
}

/** Texts that are written in more than one way. */
function isSameText(seen: string, meant: string, { type }: TagMeta): boolean {
  if ((type === 'time' || type === undefined) && isSameMoment(seen, meant)) return true
  return guid.test(seen) && guid.test(meant) && seen.toLowerCase() === meant.toLowerCase()
}

const guid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/** 02:30:00Z and 02:30:00.000Z. */
function isSameMoment(one: string, other: string): boolean {
  const isTime = /^\d{4}-\d\d-\d\dT/
  return isTime.test(one) && isTime.test(other) && parseIsoTime(one) !== undefined && parseIsoTime(one) === parseIsoTime(other)
}
