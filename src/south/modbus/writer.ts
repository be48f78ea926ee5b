import { Fault } from '../../base/fault.ts'
import type { TagValue } from '../../model/tag.ts'
import type { WriteOutcome, WriteRefusal } from '../driver.ts'
import { isReadOnlyArea, placeText } from './address.ts'
import { exceptionFault, LineFault, lineBusy, noBool, noFunction, notWritten, openFault, readOnly } from './faults.ts'
import type { Item } from './item.ts'
import type { Learnt } from './learnt.ts'
import type { Line } from './line.ts'
import { type Ask, askMaskRegister, askRead, askWriteCoil, askWriteCoils, askWriteRegister, askWriteRegisters, functions } from './pdu.ts'
import type { UnitLocks } from './unit-locks.ts'
import { masksOfGroup, type PlannedWrite, planWrites, type RegisterMasks, rawOfGroup, spanOfGroup, type WriteGroup } from './write-plan.ts'

/** Batches of one connection that may wait for their turn. */
const waitingMax = 1_024
/** Groups that a device would not take in one request; more are tried together again. */
const apartMax = 256
const illegalFunction = 1
const acknowledged = 5
const targetSilent = 11

/** One way to write a value: the function it needs, and the requests in order. */
interface Way {
  readonly code: number
  readonly asks: readonly Ask[]
}

export interface WriterOptions {
  readonly line: Line
  readonly learnt: Learnt
  /** Of the line: other devices may write to the same unit. */
  readonly locks: UnitLocks
  /** Even single values go out by FC15 and FC16. */
  readonly writesMultipleOnly?: boolean
}

export interface ItemWrite {
  readonly item: Item
  readonly value: TagValue
}

const done: WriteOutcome = { outcome: 'done' }

/** Writes batches one after the other, each as few requests. */
export class Writer {
  readonly #line: Line
  readonly #learnt: Learnt
  readonly #locks: UnitLocks
  readonly #lacksSingle: boolean
  /** Spans that are written value by value, for the device refuses them as one. */
  readonly #apart = new Set<string>()
  #turn: Promise<unknown> = Promise.resolve()
  #waiting = 0

  constructor({ line, learnt, locks, writesMultipleOnly = false }: WriterOptions) {
    this.#line = line
    this.#learnt = learnt
    this.#locks = locks
    this.#lacksSingle = writesMultipleOnly
  }

  /** One outcome a write, in order. Never rejects for what a device does. Nothing is sent twice: a write whose answer is lost is unknown. */
  async write(writes: readonly ItemWrite[], signal: AbortSignal): Promise<readonly WriteOutcome[]> {
    if (this.#waiting >= waitingMax) {
      const fault = lineBusy(this.#line.peer, waitingMax)
      return writes.map(() => ({ outcome: 'failed', fault, neverSent: true }))
    }
    this.#waiting += 1
    const turn = this.#turn.then(() => this.#writeBatch(writes, signal))
    this.#turn = turn.catch(() => {})
    try {
      return await turn
    } finally {
      this.#waiting -= 1
    }
  }

  async #writeBatch(writes: readonly ItemWrite[], signal: AbortSignal): Promise<readonly WriteOutcome[]> {
    const outcomes: WriteOutcome[] = []
    const planned: PlannedWrite[] = []
    for (const [place, write] of writes.entries()) {
      try {
        planned.push({ place, ...write, ...rawOf(write) })
      } catch (error) {
        outcomes[place] = outcomeOf(error)
      }
    }
    for (const group of planWrites(planned)) {
      const ended = await this.#writeGroup(group, signal)
      for (const [index, { place }] of group.entries()) outcomes[place] = ended[index] ?? done
    }
    return outcomes
  }

  /** One outcome a write of the group. */
  async #writeGroup(group: WriteGroup, signal: AbortSignal): Promise<readonly WriteOutcome[]> {
    const [first] = group
    if (first === undefined) return []
    const key = groupKey(group)
    if (group.length > 1 && this.#apart.has(key)) return await this.#oneByOne(group, signal)
    const outcome = await this.#locks.hold(first.item.unit, () => this.#writeTogether(first.item, group, signal)).catch(outcomeOf)
    if (typeof outcome !== 'string') return group.map(() => outcome)
    const ended = await this.#oneByOne(group, signal)
    if (outcome === 'refused' && this.#apart.size < apartMax) this.#apart.add(key)
    if (outcome === 'no-function' && ended.every((one) => one.outcome === 'done')) {
      this.#learnt.addMissing(first.item.unit, togetherCode(first.item))
    }
    return ended
  }

  async #oneByOne(group: WriteGroup, signal: AbortSignal): Promise<readonly WriteOutcome[]> {
    const outcomes: WriteOutcome[] = []
    for (const write of group) outcomes.push(...(await this.#writeGroup([write], signal)))
    return outcomes
  }

  /** Text: the device took none of it, and may take each value for itself. */
  async #writeTogether(item: Item, group: WriteGroup, signal: AbortSignal): Promise<WriteOutcome | 'refused' | 'no-function' | 'apart'> {
    if (item.place.bit !== undefined) return await this.#writeBits(item, masksOfGroup(group), signal)
    const raw = rawOfGroup(group)
    const isCoils = item.area === 'co'
    if (group.length === 1) return await this.#tryWays(item, isCoils ? waysOfCoils(item, raw) : waysOfRegisters(item, raw), signal)
    const span = spanOfGroup(group)
    const code = togetherCode(item)
    if (this.#learnt.lacks(item.unit, code)) return 'apart'
    const ask = isCoils ? askWriteCoils(span, raw) : askWriteRegisters(span, raw)
    const outcome = await this.#send(item, { code, asks: [ask] }, signal)
    return typeof outcome !== 'string' && outcome.outcome === 'failed' && isRefusedWhole(outcome.fault) ? 'refused' : outcome
  }

  /** A function that is missing is remembered when another one has done the work; where none has, the next write tries them all again. */
  async #tryWays(item: Item, ways: readonly Way[], signal: AbortSignal): Promise<WriteOutcome> {
    const allowed = ways.filter(({ code }) => !this.#isPinnedWithout(code))
    const left = allowed.filter(({ code }) => !this.#learnt.lacks(item.unit, code))
    const tried = left.length > 0 ? left : allowed
    const missing: number[] = []
    for (const way of tried) {
      const outcome = await this.#send(item, way, signal)
      if (outcome === 'no-function') {
        missing.push(way.code)
        continue
      }
      for (const code of missing) this.#learnt.addMissing(item.unit, code)
      return outcome
    }
    const codes = ways.map(({ code }) => code)
    return { outcome: 'failed', fault: noFunction(item, codes) }
  }

  #isPinnedWithout(code: number): boolean {
    const isSingle = code === functions.writeCoil || code === functions.writeRegister
    return this.#learnt.isPinnedWithout(code) || (this.#lacksSingle && isSingle)
  }

  async #send(item: Item, { asks }: Way, signal: AbortSignal): Promise<WriteOutcome | 'no-function'> {
    for (const [place, ask] of asks.entries()) {
      const answer = await this.#line.ask(ask, { urgency: 'write', signal }).catch((error: unknown) => {
        throw place > 0 && error instanceof LineFault ? inPart(error, `${place} of ${asks.length}`) : error
      })
      if (answer.kind === 'data') continue
      if (answer.code === illegalFunction && place === 0) return 'no-function'
      const part = place === 0 ? '' : ` after ${place} of ${asks.length} elements had been written`
      const what = `the write to ${placeText(item)}${part}`
      // Both mean that it is, or may be, carried out.
      const isUnknown = answer.code === acknowledged || answer.code === targetSilent
      if (isUnknown) return { outcome: 'unknown', fault: openFault(what, answer.code) }
      return { outcome: 'failed', fault: exceptionFault(what, answer.code) }
    }
    return done
  }

  async #writeBits(item: Item, masks: RegisterMasks, signal: AbortSignal): Promise<WriteOutcome> {
    const code = functions.maskRegister
    if (this.#learnt.lacks(item.unit, code)) return await this.#readModifyWrite(item, masks, signal)
    const outcome = await this.#send(item, { code, asks: [askMaskRegister(item, masks)] }, signal)
    if (outcome !== 'no-function') return outcome
    const ended = await this.#readModifyWrite(item, masks, signal)
    if (ended.outcome === 'done') this.#learnt.addMissing(item.unit, code)
    return ended
  }

  /** The device itself, or another master, can still change the register in between: where that matters the device needs FC22. */
  async #readModifyWrite(item: Item, masks: RegisterMasks, signal: AbortSignal): Promise<WriteOutcome> {
    const answer = await this.#line.ask(askRead(item), { urgency: 'write', signal }).catch((error: unknown) => {
      throw error instanceof LineFault ? notWritten(error) : error
    })
    if (answer.kind === 'exception') {
      return { outcome: 'failed', fault: exceptionFault(`to read ${placeText(item)}`, answer.code), neverSent: true }
    }
    const raw = Buffer.alloc(2)
    raw.writeUInt16BE((answer.data.readUInt16BE(0) & masks.andMask) | masks.orMask)
    return await this.#tryWays(item, waysOfRegisters(item, raw), signal)
  }
}

/** Why the value can never be written there. */
export function refusalOf(write: ItemWrite): WriteRefusal | undefined {
  try {
    rawOf(write)
    return undefined
  } catch (fault) {
    if (!(fault instanceof Fault)) throw fault
    return { of: isReadOnlyArea(write.item.area) ? 'place' : 'value', fault }
  }
}

/** Throws a Fault where the value can never be written there. */
function rawOf({ item, value }: ItemWrite): { readonly raw?: Buffer } {
  if (isReadOnlyArea(item.area)) throw readOnly(item)
  if (item.place.bit === undefined) return { raw: item.codec.encode(value) }
  if (typeof value !== 'boolean') throw noBool(item)
  return {}
}

/** What follows was not sent, perhaps; what went before it was. */
function inPart({ code, message, remedy, cause }: LineFault, part: string): LineFault {
  return new LineFault(code, `${message} Before that, ${part} elements had been written.`, { remedy, cause, wasSent: true })
}

function togetherCode({ area }: Item): number {
  return area === 'co' ? functions.writeCoils : functions.writeRegisters
}

/** Illegal address or value: by the standard nothing was written, and one value of several may be the reason. */
function isRefusedWhole({ code }: Fault): boolean {
  return code === 'modbus.exception-2' || code === 'modbus.exception-3'
}

function groupKey(group: WriteGroup): string {
  const { unit, start, count } = spanOfGroup(group)
  return `${unit}/${group[0]?.item.area}:${start}+${count}`
}

function waysOfCoils(item: Item, raw: Buffer): readonly Way[] {
  const isOn = (bit: number): boolean => (((raw[bit >> 3] ?? 0) >> (bit & 7)) & 1) === 1
  const each = Array.from({ length: item.count }, (_, bit) => askWriteCoil({ unit: item.unit, start: item.start + bit }, isOn(bit)))
  const oneByOne: Way = { code: functions.writeCoil, asks: each }
  const atOnce: Way = { code: functions.writeCoils, asks: [askWriteCoils(item, raw)] }
  return item.count === 1 ? [oneByOne, atOnce] : [atOnce, oneByOne]
}

function waysOfRegisters(item: Item, raw: Buffer): readonly Way[] {
  const atOnce: Way = { code: functions.writeRegisters, asks: [askWriteRegisters(item, raw)] }
  // Half of a 32-bit value is a value that nobody asked for, so only single registers are ever written one by one.
  if (item.count !== (item.place.length ?? 1)) return [atOnce]
  const each = Array.from({ length: item.count }, (_, place) =>
    askWriteRegister({ unit: item.unit, start: item.start + place }, raw.subarray(2 * place, 2 * place + 2)),
  )
  const oneByOne: Way = { code: functions.writeRegister, asks: each }
  return item.count === 1 ? [oneByOne, atOnce] : [atOnce, oneByOne]
}

function outcomeOf(error: unknown): WriteOutcome {
  if (error instanceof LineFault)
    return error.wasSent ? { outcome: 'unknown', fault: error } : { outcome: 'failed', fault: error, neverSent: true }
  if (error instanceof Fault) return { outcome: 'failed', fault: error }
  throw error
}
