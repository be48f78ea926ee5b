import type { Socket } from 'node:net'
import type { SeededChance } from '../chance.ts'
import type { Area, Truth } from './modbus-truth.ts'
import type { Lies, Request, Wire } from './modbus-wire.ts'

export interface LiarOptions {
  readonly wire: Wire
  readonly isRtu: boolean
  readonly truth: Truth
  readonly units: readonly number[]
  readonly timeoutMs: number
  readonly chance: SeededChance
}

/** One connection as the liar sees it. */
export interface Talk {
  readonly socket: Socket
  /** Ids that have been answered, latest last: an id that was used is nobody's any more. */
  readonly answered: number[]
  /** Answers held back, to leave glued to the next one. */
  held: Buffer[]
  /** The stream was cut inside a frame. No client can tell bytes that are missing from bytes that come next, unless those come in one breath: from here on
   * nothing is dribbled. */
  isCut: boolean
  isMute: boolean
}

export type FaultName = keyof typeof faults

interface Answering {
  readonly request: Request
  /** The true answer. */
  readonly pdu: Buffer
  readonly talk: Talk
  readonly chance: SeededChance
  readonly options: LiarOptions
  frame(pdu: Buffer, lies?: Lies): Buffer
  send(bytes: Buffer): void
  after(ms: number, act: () => void): void
}

const tcpFaults = {
  wrongTransaction: (a: Answering) => {
    const used = a.talk.answered.at(-a.chance.between(1, 3))
    // An id that is off by little, or one that was answered already; one that is outstanding would be another request's true id.
    const id = used === undefined || a.chance.isLikely(0.5) ? a.request.transaction + a.chance.pick([1, -1, 256, -256]) : used
    a.send(a.frame(a.pdu, { transaction: id }))
  },
  wrongProtocol: (a: Answering) => a.send(a.frame(a.pdu, { protocol: a.chance.pick([1, 256, 65_535]) })),
  wrongLength: (a: Answering) => {
    const length = a.chance.pick([0, 1, 255, 1_024, 65_535, a.pdu.length, a.pdu.length - 1])
    a.talk.isCut = true
    a.send(a.frame(a.pdu, { length }))
  },
  /** Bytes are missing, and the next answer follows at once. No more than four: with more a short answer could fill the gap and leave no trace. */
  cut: (a: Answering) => {
    const frame = a.frame(a.pdu)
    a.talk.isCut = true
    a.send(frame.subarray(0, frame.length - a.chance.between(1, Math.min(4, a.pdu.length - 1))))
  },
  reset: (a: Answering) => a.talk.socket.resetAndDestroy(),
  close: (a: Answering) => a.talk.socket.end(),
  closeInside: (a: Answering) => {
    const frame = a.frame(a.pdu)
    a.talk.socket.end(frame.subarray(0, a.chance.between(1, frame.length - 1)))
  },
}

const rtuFaults = {
  wrongCrc: (a: Answering) => a.send(a.frame(a.pdu, { isCrcWrong: true })),
  flippedBit: (a: Answering) => {
    const frame = Buffer.from(a.frame(a.pdu))
    const place = a.chance.between(0, frame.length - 1)
    frame[place] = (frame[place] ?? 0) ^ (1 << a.chance.between(0, 7))
    a.send(frame)
  },
  noiseBefore: (a: Answering) => a.send(Buffer.concat([randomBytes(a.chance, 3), a.frame(a.pdu)])),
  noiseAfter: (a: Answering) => a.send(Buffer.concat([a.frame(a.pdu), randomBytes(a.chance, 3)])),
}

const faults = {
  late: (a: Answering) => {
    // Over RTU an answer tells nothing of its request: later than twice the time-out no master can tell it from the next one's.
    const { timeoutMs, isRtu } = a.options
    a.after(timeoutMs * (0.2 + a.chance.next() * (isRtu ? 1.4 : 3)), () => a.send(a.frame(a.pdu)))
  },
  dropped: () => {},
  duplicated: (a: Answering) => {
    const frame = a.frame(a.pdu)
    a.send(Buffer.concat([frame, frame]))
  },
  /** A whole frame around an answer that is too short. */
  truncated: (a: Answering) => {
    const pdu = Buffer.from(a.pdu.subarray(0, a.chance.between(1, a.pdu.length - 1)))
    if (a.chance.isLikely(0.5) && pdu.length > 2 && (pdu[0] ?? 0) < 5) pdu[1] = pdu.length - 2
    a.send(a.frame(pdu))
  },
  tooLong: (a: Answering) => a.send(a.frame(Buffer.concat([a.pdu, randomBytes(a.chance, 4)]))),
  dribbled: (a: Answering) => {
    if (a.talk.isCut) return a.send(a.frame(a.pdu))
    const frame = a.frame(a.pdu)
    const pieces = a.chance.between(2, 6)
    const size = Math.ceil(frame.length / pieces)
    a.talk.isMute = true // nothing may come between
    for (let piece = 0; piece < pieces; piece += 1) {
      a.after(piece * 3, () => {
        if (piece === pieces - 1) a.talk.isMute = false
        if (a.talk.socket.writable) a.talk.socket.write(frame.subarray(piece * size, (piece + 1) * size))
      })
    }
  },
  glued: (a: Answering) => {
    a.talk.held.push(a.frame(a.pdu))
    a.after(a.options.timeoutMs / 2, () => a.send(Buffer.alloc(0)))
  },
  wrongUnit: (a: Answering) => a.send(a.frame(a.pdu, { unit: a.request.unit + a.chance.pick([1, -1, 128]) })),
  wrongFunction: (a: Answering) => {
    const code = a.pdu[0] ?? 0
    a.send(a.frame(Buffer.concat([Buffer.of(a.chance.pick([code ^ 7, code + 1, 0, 127])), a.pdu.subarray(1)])))
  },
  exception: (a: Answering) => a.send(a.frame(Buffer.of((a.request.pdu[0] ?? 0) | 0x80, a.chance.pick([5, 6, 10, 11])))),
  garbage: (a: Answering) => {
    a.talk.isCut = true
    a.send(randomBytes(a.chance, a.chance.between(1, 300)))
  },
  mute: (a: Answering) => {
    a.talk.isMute = true
  },
  ...tcpFaults,
  ...rtuFaults,
}

/** `mute` ends with the connection alone, and over a serial line there is none: silence there is a phase of `dropped`. */
export function faultNames(wire: 'modbus-tcp' | 'modbus-rtu-tcp' | 'modbus-rtu'): readonly [FaultName, ...FaultName[]] {
  const not: Record<typeof wire, readonly string[]> = {
    'modbus-tcp': Object.keys(rtuFaults),
    'modbus-rtu-tcp': ['wrongTransaction', 'wrongProtocol', 'wrongLength'],
    'modbus-rtu': [...Object.keys(tcpFaults).filter((name) => name !== 'cut'), 'mute'],
  }
  const names = (Object.keys(faults) as FaultName[]).filter((name) => !not[wire].includes(name))
  return ['dropped', ...names]
}

function randomBytes(chance: SeededChance, countMax: number): Buffer {
  return Buffer.from(Array.from({ length: chance.between(1, countMax) }, () => chance.between(0, 255)))
}

/** Answers truly, but for the faults that its phase has. */
export class Liar {
  readonly #options: LiarOptions
  /** What may happen to an answer now, and how likely. */
  mix: { readonly faults: readonly FaultName[]; readonly probability: number } = { faults: [], probability: 0 }
  done = 0

  constructor(options: LiarOptions) {
    this.#options = options
  }

  answer(request: Request, talk: Talk): void {
    const { truth, wire, chance, units } = this.#options
    if (!units.includes(request.unit)) return
    truth.epoch += 1
    const [first, ...others] = this.mix.faults
    const fault = first !== undefined && chance.isLikely(this.mix.probability) ? chance.pick([first, ...others]) : undefined
    const isRefused = fault === 'exception' || (fault === 'dropped' && chance.isLikely(0.5))
    const pdu = trueAnswer(request, truth, !isRefused)
    const send = (bytes: Buffer): void => sendOn(talk, bytes, request.transaction)
    const a: Answering = {
      request,
      pdu,
      talk,
      chance,
      options: this.#options,
      frame: (body, lies) => wire.frame(request, body, lies),
      send,
      after: (ms, act) => void setTimeout(act, ms),
    }
    if (fault === undefined) send(a.frame(pdu))
    else faults[fault](a)
    this.done += fault === undefined ? 0 : 1
  }
}

function sendOn(talk: Talk, bytes: Buffer, transaction: number): void {
  if (!talk.socket.writable || talk.isMute) return
  const all = Buffer.concat([...talk.held, bytes])
  talk.held = []
  if (all.length === 0) return
  talk.answered.push(transaction)
  if (talk.answered.length > 16) talk.answered.shift()
  talk.socket.write(all)
}

const areaOf: Readonly<Record<number, Area>> = { 1: 'co', 2: 'di', 3: 'hr', 4: 'ir' }

/** What a sound device answers; a write is carried out, unless the request is to get lost on its way or to be refused. */
function trueAnswer({ unit, pdu }: Request, truth: Truth, isCarriedOut: boolean): Buffer {
  const code = pdu.readUInt8(0)
  const start = pdu.readUInt16BE(1)
  const area = areaOf[code]
  if (area !== undefined)
    return readAnswer(code, pdu.readUInt16BE(3), (offset) => truth.word({ unit, area, start: start + offset }, truth.epoch))
  const write = (offset: number, value: number): void => {
    if (isCarriedOut) truth.write({ unit, area: 'hr', start: start + offset }, value)
  }
  if (code === 6) write(0, pdu.readUInt16BE(3))
  else if (code === 16) for (let offset = 0; offset < pdu.readUInt16BE(3); offset += 1) write(offset, pdu.readUInt16BE(6 + 2 * offset))
  else return Buffer.of(code | 0x80, 1)
  return Buffer.from(pdu.subarray(0, 5))
}

function readAnswer(code: number, count: number, word: (offset: number) => number): Buffer {
  const isBits = code < 3
  const data = Buffer.alloc(2 + (isBits ? Math.ceil(count / 8) : 2 * count))
  data[0] = code
  data[1] = data.length - 2
  for (let offset = 0; offset < count; offset += 1) {
    if (!isBits) data.writeUInt16BE(word(offset), 2 + 2 * offset)
    else if (word(offset) === 1) data[2 + (offset >> 3)] = (data[2 + (offset >> 3)] ?? 0) | (1 << (offset & 7))
  }
  return data
}
