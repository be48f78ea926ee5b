import { isBitArea } from './address.ts'
import type { Span } from './planner.ts'

/** How fast a line is: what one request costs on it beside its bytes. */
export type LineTiming = SerialTiming | TcpTiming

export interface SerialTiming {
  readonly kind: 'serial'
  readonly baud: number
  /** Of one byte with start, parity and stop bits: 11 by the standard, 10 without parity and with one stop bit. */
  readonly characterBits: number
  /** From the end of a request to the beginning of its answer. */
  readonly turnaroundMs: number
  /** From an answer to the next request, beside the silence that the standard asks for. */
  readonly pauseMs: number
}

export interface TcpTiming {
  readonly kind: 'tcp'
  /** From a request to its answer. */
  readonly roundTripMs: number
  readonly pauseMs: number
  readonly inflightMax: number
}

/** What devices take where nobody has measured it: most answer in 5 to 50 ms. */
export const assumedTurnaroundMs = 20

/** Unit, function, start, count, CRC; and of an answer unit, function, byte count, CRC (Modbus over Serial Line 1.02, 2.5.1). */
const requestCharacters = 8
const answerCharacters = 5
/** What a request costs that a gap would have saved, in registers: its own characters, and the two silences around them. */
const gapRegistersWithoutTurnaround = 10
/** Silence between frames, in characters; above 19,200 baud a fixed time (2.5.1.1). */
const silentCharacters = 3.5
const fixedSilenceAboveBaud = 19_200
const fixedSilenceMs = 1.75

function characterMs({ baud, characterBits }: Pick<SerialTiming, 'baud' | 'characterBits'>): number {
  return (characterBits * 1_000) / baud
}

/** On a serial line a gap of so many registers is read as fast as a request of its own begins. */
export function gapRegistersWorthwhile(timing: Pick<SerialTiming, 'baud' | 'characterBits' | 'turnaroundMs'>): number {
  return Math.floor(gapRegistersWithoutTurnaround + timing.turnaroundMs / (2 * characterMs(timing)))
}

/** How long one request to read `span` keeps its line from the next one. */
export function readMs({ area, count }: Pick<Span, 'area' | 'count'>, timing: LineTiming): number {
  if (timing.kind === 'tcp') {
    return timing.pauseMs > 0 ? timing.roundTripMs + timing.pauseMs : timing.roundTripMs / timing.inflightMax
  }
  const dataBytes = isBitArea(area) ? Math.ceil(count / 8) : 2 * count
  const characters = requestCharacters + answerCharacters + dataBytes
  const silenceMs = timing.baud > fixedSilenceAboveBaud ? fixedSilenceMs : silentCharacters * characterMs(timing)
  return characters * characterMs(timing) + 2 * silenceMs + timing.turnaroundMs + timing.pauseMs
}
