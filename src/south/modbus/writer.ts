import { Fault } from '../../base/fault.ts'
import type { TagValue } from '../../model/tag.ts'
import type { WriteOutcome } from '../driver.ts'
import { isReadOnlyArea, placeText } from './address.ts'
import { exceptionFault, LineFault, lineBusy } from './faults.ts'
import { type Item, wireBit } from './item.ts'
import type { Line } from './line.ts'
import { type Ask, askMaskRegister, askRead, askWriteCoil, askWriteCoils, askWriteRegister, askWriteRegisters, functions } from './pdu.ts'

/** Writes of one connection that may wait for their turn. */
const waitingMax = 1_024
const illegalFunction = 1
const acknowledged = 5
const targetSilent = 11

/** One way to write a value: the function it needs, and the requests in order. */
interface Way {
  readonly code: number
  readonly asks: readonly Ask[]
}

const done: WriteOutcome = { outcome: 'done' }

/** Writes values one after the other, for changing one bit of a register may take a read and a write that nothing of ours may come between. */
export class Writer {
  readonly #line: Line
  /** `unit/function` that the device does not have. At most one for each unit and function. */
  readonly #missing = new Set<string>()
  #turn: Promise<unknown> = Promise.resolve()
  #waiting = 0

  constructor(line: Line) {
    this.#line = line
  }

  /** Never rejects for what a device does. Nothing is sent twice: a write whose answer is lost is unknown. */
  async write(item: Item, value: TagValue, signal: AbortSignal): Promise<WriteOutcome> {
    if (this.#waiting >= waitingMax) return { outcome: 'failed', fault: lineBusy(this.#line.peer, waitingMax) }
    this.#waiting += 1
    const turn = this.#turn.then(() => this.#write(item, value, signal))
    this.#turn = turn.catch(() => {})
    try {
      return await turn
    } catch (error) {
      return outcomeOf(error)
    } finally {
      this.#waiting -= 1
    }
  }

  #write(item: Item, value: TagValue, signal: AbortSignal): Promise<WriteOutcome> {
    if (isReadOnlyArea(item.area)) throw readOnly(item)
    if (item.place.bit !== undefined) return this.#writeBit(item, value, signal)
    const raw = item.codec.encode(value)
    return this.#tryWays(item, item.area === 'co' ? waysOfCoils(item, raw) : waysOfRegisters(item, raw), signal)
  }

  async #tryWays(item: Item, ways: readonly Way[], signal: AbortSignal): Promise<WriteOutcome> {
    for (const way of ways) {
      const key = `${item.unit}/${way.code}`
      if (this.#missing.has(key)) continue
      const outcome = await this.#send(item, way, signal)
      if (outcome !== 'no-function') return outcome
      this.#missing.add(key)
    }
    return { outcome: 'failed', fault: noFunction(item, ways) }
  }

  async #send(item: Item, { asks }: Way, signal: AbortSignal): Promise<WriteOutcome | 'no-function'> {
    for (const [place, ask] of asks.entries()) {
      const answer = await this.#line.ask(ask, { urgency: 'write', signal })
      if (answer.kind === 'data') continue
      if (answer.code === illegalFunction && place === 0) return 'no-function'
      const part = place === 0 ? '' : ` after ${place} of ${asks.length} elements had been written`
      const fault = exceptionFault(`the write to ${placeText(item)}${part}`, answer.code)
      // Both mean that it is, or may be, carried out.
      const isUnknown = answer.code === acknowledged || answer.code === targetSilent
      return { outcome: isUnknown ? 'unknown' : 'failed', fault }
    }
    return done
  }

  async #writeBit(item: Item, value: TagValue, signal: AbortSignal): Promise<WriteOutcome> {
    if (typeof value !== 'boolean') throw noBool(item)
    const mask = 1 << wireBit(item.place, item.place.bit ?? 0)
    const masks = { andMask: 0xffff & ~mask, orMask: value ? mask : 0 }
    const inOneGo: Way = { code: functions.maskRegister, asks: [askMaskRegister(item, masks)] }
    if (!this.#missing.has(`${item.unit}/${functions.maskRegister}`)) {
      const outcome = await this.#send(item, inOneGo, signal)
      if (outcome !== 'no-function') return outcome
      this.#missing.add(`${item.unit}/${functions.maskRegister}`)
    }
    return await this.#readModifyWrite(item, masks, signal)
  }

  /** The device itself, or another master, can still change the register in between: where that matters the device needs FC22. */
  async #readModifyWrite(
    item: Item,
    masks: { readonly andMask: number; readonly orMask: number },
    signal: AbortSignal,
  ): Promise<WriteOutcome> {
    const answer = await this.#line.ask(askRead(item), { urgency: 'write', signal }).catch((error: unknown) => {
      throw error instanceof LineFault ? notWritten(error) : error
    })
    if (answer.kind === 'exception') return { outcome: 'failed', fault: exceptionFault(`to read ${placeText(item)}`, answer.code) }
    const raw = Buffer.alloc(2)
    raw.writeUInt16BE((answer.data.readUInt16BE(0) & masks.andMask) | masks.orMask)
    return await this.#tryWays(item, waysOfRegisters(item, raw), signal)
  }
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
  if (error instanceof LineFault) return { outcome: error.wasSent ? 'unknown' : 'failed', fault: error }
  if (error instanceof Fault) return { outcome: 'failed', fault: error }
  throw error
}

/** The lost request was the read before the write. */
function notWritten({ code, message, remedy, cause }: LineFault): LineFault {
  return new LineFault(code, message, { remedy, cause, wasSent: false })
}

function readOnly(item: Item): Fault {
  return new Fault('modbus.read-only', `${placeText(item)} lies in an area that can only be read.`, { remedy: 'Use a hr or co address.' })
}

function noBool(item: Item): Fault {
  return new Fault('modbus.value-type', `A bit of ${placeText(item)} is true or false, nothing else.`, { remedy: 'Write true or false.' })
}

function noFunction(item: Item, ways: readonly Way[]): Fault {
  const codes = ways.map(({ code }) => `FC${code}`).join(' nor ')
  return new Fault('modbus.exception-1', `The device has not ${codes}, so ${placeText(item)} cannot be written.`, {
    remedy: 'Remove `write` from the tag, or switch the function on in the device.',
  })
}
