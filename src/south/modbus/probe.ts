import type { Clock } from '../../base/clock.ts'
import { type Area, isBitArea } from './address.ts'
import { exceptionFault, LineFault } from './faults.ts'
import type { Line } from './line.ts'
import { type Answer, askRead } from './pdu.ts'
import type { Span } from './planner.ts'
import type { ProbedBlock } from './probe-views.ts'

export interface ProbeOptions {
  readonly line: Pick<Line, 'ask'>
  readonly clock: Clock
  /** Between two requests: a probe must not be felt by the device's other masters. */
  readonly pauseMs: number
  readonly signal: AbortSignal
}

/** What may be read, and where it ends. Nothing here ever writes. */
export interface ProbedArea {
  /** In bit areas the bits are packed, the first one lowest. */
  readonly blocks: readonly ProbedBlock[]
  readonly holes: readonly Hole[]
  readonly requests: number
}

export interface Hole {
  readonly start: number
  readonly count: number
  /** Exception code. */
  readonly code: number
}

export interface UnitAnswer {
  readonly unit: number
  /** Data, or the exception it answers with: either way somebody is there. */
  readonly answer: 'data' | number
}

const registersPerRequestMax = 125
const bitsPerRequestMax = 2_000
/** Where more than this is asked for, a block that is refused at four places counts as empty. */
const thoroughMax = 1_000
/** Refused blocks down to this size are halved; smaller ones are taken register by register only if one of their ends can be read. */
const grain = 8

/** Reads what can be read, and takes apart what is refused until it is known which places. */
export async function probeArea(span: Span, options: ProbeOptions): Promise<ProbedArea> {
  const prober = new Prober(span, options)
  await prober.run()
  return prober.result
}

class Prober {
  readonly #span: Span
  readonly #options: ProbeOptions
  readonly #blocks: { start: number; count: number; data: Buffer }[] = []
  readonly #holes: Hole[] = []
  #requests = 0

  constructor(span: Span, options: ProbeOptions) {
    this.#span = span
    this.#options = options
  }

  get result(): ProbedArea {
    return { blocks: this.#blocks, holes: this.#holes, requests: this.#requests }
  }

  async run(): Promise<void> {
    const { start, count, area } = this.#span
    const step = isBitArea(area) ? bitsPerRequestMax : registersPerRequestMax
    for (let at = start; at < start + count; at += step) {
      const here = Math.min(step, start + count - at)
      await this.#take(at, here)
      if (at === start && this.#holes.some(({ code }) => code === 1)) return // the device has no such area at all
    }
  }

  async #take(start: number, count: number): Promise<void> {
    const answer = await this.#read(start, count)
    if (answer.kind === 'data') return this.#keep(start, count, answer.data)
    if (answer.code === 1 || count === 1) return this.#refused(start, count, answer.code)
    if (!isAddressRefusal(answer.code)) throw exceptionFault(`unit ${this.#span.unit} at ${this.#span.area}:${start}`, answer.code)
    if (await this.#looksEmpty(start, count)) return this.#refused(start, count, answer.code)
    const half = count >> 1
    await this.#take(start, half)
    await this.#take(start + half, count - half)
  }

  /** Where a single place of a few, spread over the block, can be read, it is worth a closer look. */
  async #looksEmpty(start: number, count: number): Promise<boolean> {
    const isThorough = this.#span.count <= thoroughMax
    if (isThorough && count > grain) return false
    const places = isThorough ? [0, count - 1] : [0, Math.floor(count / 3), Math.floor((2 * count) / 3), count - 1]
    for (const place of new Set(places)) {
      const answer = await this.#read(start + place, 1)
      if (answer.kind === 'data') return false
    }
    return true
  }

  #keep(start: number, count: number, data: Buffer): void {
    const last = this.#blocks.at(-1)
    const joins = last !== undefined && last.start + last.count === start && !isBitArea(this.#span.area)
    if (joins) {
      last.data = Buffer.concat([last.data, data])
      last.count += count
    } else this.#blocks.push({ start, count, data })
  }

  #refused(start: number, count: number, code: number): void {
    const last = this.#holes.at(-1)
    if (last !== undefined && last.start + last.count === start && last.code === code)
      this.#holes[this.#holes.length - 1] = { ...last, count: last.count + count }
    else this.#holes.push({ start, count, code })
  }

  async #read(start: number, count: number): Promise<Answer> {
    this.#requests += 1
    return await politely({ ...this.#span, start, count }, this.#options)
  }
}

/** The same blocks once more, for what changes over time. A block that cannot be read any more is left as it was. */
export async function readAgain(blocks: readonly ProbedBlock[], span: Span, options: ProbeOptions): Promise<readonly Buffer[]> {
  const again: Buffer[] = []
  for (const { start, data } of blocks) {
    const parts: Buffer[] = []
    for (let at = 0; at * 2 < data.length; at += registersPerRequestMax) {
      const count = Math.min(registersPerRequestMax, data.length / 2 - at)
      const answer = await politely({ ...span, start: start + at, count }, options)
      parts.push(answer.kind === 'data' ? answer.data : data.subarray(at * 2, (at + count) * 2))
    }
    again.push(Buffer.concat(parts))
  }
  return again
}

/** Which of some units answer at all: data or any exception but a gateway's that there is nobody. */
export async function findUnits(units: readonly number[], area: Area, options: ProbeOptions): Promise<readonly UnitAnswer[]> {
  const found: UnitAnswer[] = []
  for (const unit of units) {
    try {
      const answer = await once({ unit, area, start: 0, count: 1 }, options)
      if (answer.kind === 'data') found.push({ unit, answer: 'data' })
      else if (answer.code !== 10 && answer.code !== 11) found.push({ unit, answer: answer.code })
    } catch (error) {
      if (!(error instanceof LineFault) || error.code !== 'modbus.no-answer') throw error
    }
  }
  return found
}

const triesMax = 3

/** Asks again where the device is busy or one answer is lost; reading twice harms nobody. */
async function politely(span: Span, options: ProbeOptions): Promise<Answer> {
  for (let tries = 1; ; tries += 1) {
    try {
      const answer = await once(span, options)
      const isBusy = answer.kind === 'exception' && (answer.code === 5 || answer.code === 6)
      if (!isBusy || tries >= triesMax) return answer
    } catch (error) {
      if (tries >= triesMax || !(error instanceof LineFault) || error.code !== 'modbus.no-answer') throw error
    }
  }
}

async function once(span: Span, { line, clock, pauseMs, signal }: ProbeOptions): Promise<Answer> {
  signal.throwIfAborted()
  const answer = await line.ask(askRead(span), { urgency: 'poll', signal })
  if (pauseMs > 0) await clock.sleep(pauseMs, signal)
  return answer
}

function isAddressRefusal(code: number): boolean {
  return code === 2 || code === 3 || code === 4
}
