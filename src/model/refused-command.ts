import type { MonotonicMs } from '../base/clock.ts'
import type { PlainFault } from '../base/fault.ts'
import type { Asker } from './command.ts'
import { jsonValue } from './payload.ts'
import type { TagValue } from './tag.ts'

/** A wish to write that one of the gateway's doors has said no to, before it came to the command road. */
export interface RefusedCommand extends Pick<PlainFault, 'code' | 'message' | 'remedy'> {
  /** Absent: its asker has given it none, or none that could be read. */
  readonly id?: string
  /** As it was asked for: there need not be such a tag. */
  readonly tag: string
  /** Absent: it could not be read. */
  readonly value?: TagValue
  readonly by: Asker
}

/** A client that asks in a loop for what it may not must not push everything else out of the journal, neither at once nor by and by. */
const perSecondMax = 10
const perHourMax = 1_000

/** How many refusals are journalled; what is left out is counted, and the next one that is not tells of it. */
export class RefusalPace {
  readonly #second = new Span(1_000, perSecondMax)
  readonly #hour = new Span(3_600_000, perHourMax)
  #untold = 0
  #unrecorded = 0

  get unrecorded(): number {
    return this.#unrecorded
  }

  /** What the record says beside the refusal; undefined: this is one too many. */
  next(now: MonotonicMs): Readonly<Record<string, unknown>> | undefined {
    if (!this.#second.hasRoom(now) || !this.#hour.hasRoom(now)) {
      this.#untold += 1
      this.#unrecorded += 1
      return undefined
    }
    this.#second.count += 1
    this.#hour.count += 1
    const untold = this.#untold
    this.#untold = 0
    return untold === 0 ? neverAsked : { ...neverAsked, unrecordedBefore: untold }
  }
}

/** For whoever pairs the records of a command: there is no `command.asked` of this one, though there may be one of another with the same id. */
const neverAsked = { asked: false } as const

class Span {
  readonly #spanMs: number
  readonly #countMax: number
  #from = Number.NEGATIVE_INFINITY
  count = 0

  constructor(spanMs: number, countMax: number) {
    this.#spanMs = spanMs
    this.#countMax = countMax
  }

  hasRoom(now: MonotonicMs): boolean {
    if (now - this.#from >= this.#spanMs) {
      this.#from = now
      this.count = 0
    }
    return this.count < this.#countMax
  }
}

const valueCharsMax = 1_000
const shownChars = 200

/** What was wished for, as the record of a refusal holds it: the beginning, where it is long. */
export function refusedValue(value: TagValue): Readonly<Record<string, unknown>> {
  const whole = jsonValue(value)
  const text = JSON.stringify(whole)
  return text.length <= valueCharsMax ? { value: whole } : { value: `${text.slice(0, shownChars)}…`, isValueCut: true }
}
