import { type Area, isBitArea } from './address.ts'
import { FrameViolation } from './frame.ts'
import type { Span } from './planner.ts'

/** A request, whatever the line it goes over. */
export interface Ask {
  readonly unit: number
  readonly pdu: Buffer
  /** What a true answer looks like: so many bytes of data, or the first bytes of the request again. */
  readonly answer: { readonly kind: 'data' | 'echo'; readonly sizeBytes: number }
}

/** `code`: Modbus Application Protocol 1.1b3, 7. The data is the caller's to keep. */
export type Answer = { readonly kind: 'data'; readonly data: Buffer } | { readonly kind: 'exception'; readonly code: number }

/** A gateway's word for a unit that it has no way to, or that does not answer it: the gateway is there, the unit is not. */
export function isUnitAbsent(answer: Answer): boolean {
  return answer.kind === 'exception' && (answer.code === 10 || answer.code === 11)
}

export const functions = {
  writeCoil: 5,
  writeRegister: 6,
  writeCoils: 15,
  writeRegisters: 16,
  maskRegister: 22,
} as const

const readFunctions: Readonly<Record<Area, number>> = { co: 1, di: 2, hr: 3, ir: 4 }
const exceptionFlag = 0x80
const nothing = Buffer.alloc(0)

export function askRead({ unit, area, start, count }: Span): Ask {
  const sizeBytes = isBitArea(area) ? Math.ceil(count / 8) : count * 2
  return { unit, pdu: words(readFunctions[area], start, count), answer: { kind: 'data', sizeBytes } }
}

export function askWriteCoil(to: { readonly unit: number; readonly start: number }, isOn: boolean): Ask {
  return echoed(to.unit, words(functions.writeCoil, to.start, isOn ? 0xff00 : 0))
}

/** `raw`: the two bytes as they go over the wire. */
export function askWriteRegister(to: { readonly unit: number; readonly start: number }, raw: Buffer): Ask {
  return echoed(to.unit, words(functions.writeRegister, to.start, raw.readUInt16BE(0)))
}

export function askWriteCoils(to: { readonly unit: number; readonly start: number; readonly count: number }, raw: Buffer): Ask {
  return echoed(to.unit, Buffer.concat([words(functions.writeCoils, to.start, to.count), Buffer.of(raw.length), raw]))
}

export function askWriteRegisters(to: { readonly unit: number; readonly start: number }, raw: Buffer): Ask {
  return echoed(to.unit, Buffer.concat([words(functions.writeRegisters, to.start, raw.length / 2), Buffer.of(raw.length), raw]))
}

/** result = (register AND andMask) OR (orMask AND NOT andMask), done by the device in one go. */
export function askMaskRegister(
  to: { readonly unit: number; readonly start: number },
  masks: { readonly andMask: number; readonly orMask: number },
): Ask {
  const pdu = words(functions.maskRegister, to.start, masks.andMask, masks.orMask)
  return { unit: to.unit, pdu, answer: { kind: 'echo', sizeBytes: pdu.length } }
}

/** Throws a FrameViolation where this cannot be the answer to what was asked. Copies the data. */
export function readAnswer(ask: Ask, pdu: Buffer): Answer {
  const asked = ask.pdu[0] ?? 0
  const answered = pdu[0] ?? 0
  if (answered === (asked | exceptionFlag)) {
    if (pdu.length !== 2) throw new FrameViolation(`an exception of ${pdu.length} bytes instead of 2`)
    return { kind: 'exception', code: pdu[1] ?? 0 }
  }
  if (answered !== asked) throw new FrameViolation(`function ${answered} answers function ${asked}`)
  return ask.answer.kind === 'data' ? readData(ask, pdu) : readEcho(ask, pdu)
}

function readData({ answer }: Ask, pdu: Buffer): Answer {
  const countBytes = pdu[1] ?? 0
  if (countBytes !== answer.sizeBytes || pdu.length !== 2 + answer.sizeBytes) {
    throw new FrameViolation(`${pdu.length - 2} bytes of data, counted as ${countBytes}, instead of ${answer.sizeBytes}`)
  }
  return { kind: 'data', data: Buffer.from(pdu.subarray(2)) }
}

function readEcho({ answer, pdu: asked }: Ask, pdu: Buffer): Answer {
  if (!pdu.equals(asked.subarray(0, answer.sizeBytes))) {
    throw new FrameViolation(`a write of ${asked.toString('hex')} was answered by ${pdu.toString('hex')}`)
  }
  return { kind: 'data', data: nothing }
}

/** Function, address and value or count: what a device repeats when it has done it. */
function echoed(unit: number, pdu: Buffer): Ask {
  return { unit, pdu, answer: { kind: 'echo', sizeBytes: 5 } }
}

function words(code: number, ...values: readonly number[]): Buffer {
  const pdu = Buffer.alloc(1 + 2 * values.length)
  pdu[0] = code
  for (const [place, value] of values.entries()) pdu.writeUInt16BE(value, 1 + 2 * place)
  return pdu
}
