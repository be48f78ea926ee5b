import type { LearntNote } from '../driver.ts'
import { exceptionName } from './faults.ts'
import type { LearntHole } from './learnt-schema.ts'
import type { Span } from './planner.ts'
import type { Finding } from './survey.ts'

/** How the device file counts, so that the words can be looked up and pasted there. */
export interface NoteContext {
  readonly unit: number
  readonly addressing: 'zero' | 'one'
}

type Note = Omit<LearntNote, 'sinceMs'>

interface Hole {
  readonly kind: LearntHole['kind']
  readonly span: Span
  readonly code: number
}

export function holeNote({ kind, span, code }: Hole, context: NoteContext): Note {
  const place = spanText(span, context)
  const why = `exception ${code}, ${exceptionName(code)}`
  if (span.count === 0) return { code: 'modbus.border', message: `No request may reach over the beginning of ${place}: ${why}.` }
  const pin = `modbus: { quirks: { holes: ["${place}"] } }`
  if (kind === 'gap') return { code: 'modbus.gap', message: `${place} cannot be read along: ${why}.`, pin }
  const what = kind === 'whole' ? `Nothing of ${place} can be read` : `${place} cannot be read`
  return { code: 'modbus.hole', message: `${what}: ${why}. Only the tags there are bad.`, pin }
}

export function limitNote(limit: Omit<Extract<Finding, { readonly kind: 'limit' }>, 'kind'>, context: NoteContext): Note {
  const { unit, isBits, countMax } = limit
  const who = unit === context.unit ? 'The device' : `Unit ${unit}`
  const pin = `modbus: { quirks: { ${isBits ? 'coilsMax' : 'registersMax'}: ${countMax} } }`
  return { code: 'modbus.limit', message: `${who} gives at most ${countMax} ${isBits ? 'bits' : 'registers'} in one answer.`, pin }
}

export function functionNote({ unit, code }: { readonly unit: number; readonly code: number }, context: NoteContext): Note {
  const who = unit === context.unit ? 'The device' : `Unit ${unit}`
  const pin = `modbus: { quirks: { without: [${code}] } }`
  return { code: 'modbus.function', message: `${who} has no function ${code}: writes do without it.`, pin }
}

export function readAgainNote(span: Span, context: NoteContext): Note {
  return { code: 'modbus.read-again', message: `${spanText(span, context)} can be read again.` }
}

export function tooMuchNote(toldMax: number): Note {
  const message = `More than ${toldMax} things were found out about the device, and the rest is not told: its device file may be that of another one.`
  return { code: 'modbus.learnt-much', message }
}

function spanText({ unit, area, start, count }: Span, context: NoteContext): string {
  const first = context.addressing === 'one' ? start + 1 : start
  const prefix = unit === context.unit ? '' : `${unit}/`
  return `${prefix}${area}:${first}${count > 1 ? `-${first + count - 1}` : ''}`
}
