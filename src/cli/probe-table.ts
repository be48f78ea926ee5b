import type { ProbedStretch, ProbeResult } from '../runtime/probe.ts'

type View = ProbedStretch['registers'][number]

const orders = ['ABCD', 'CDAB', 'BADC', 'DCBA'] as const
const usualTypes = ['f32', 'i32', 'u32'] as const
const wideTypes = ['f64', 'i64', 'u64', 'bcd16', 'bcd32'] as const

export interface TableOptions {
  readonly isWide: boolean
}

/** Every register on a line, and every value that could begin there; the proposal at the end of the line where it begins. */
export function probeTable({ area, stretches, holes, bits, order }: ProbeResult, { isWide }: TableOptions): string {
  const types = isWide ? [...usualTypes, ...wideTypes] : usualTypes
  const header = ['address', 'hex', 'u16', 'i16', 'text', ...types.flatMap((type) => orders.map((each) => `${type} ${each}`)), 'plausible']
  const rows = stretches.flatMap((stretch) => stretch.registers.flatMap((view, place) => rowsOf(view, place, { stretch, area, types })))
  const lines = rows.length === 0 ? [] : aligned([header, ...rows])
  const set = bits.map(({ at, value }) => `${at} ${value ? 1 : 0}`)
  const refused = holes.map(
    ({ start, count, code }) =>
      `${area}:${start}${count > 1 ? ` to ${area}:${start + count - 1}` : ''} cannot be read (exception ${code}).`,
  )
  const summary = rows.length === 0 ? [] : [`Byte order in which most makes sense: ${order}.`]
  return [...lines, ...set, ...refused, ...summary].map((line) => `${line}\n`).join('')
}

type ShownType = (typeof usualTypes)[number] | (typeof wideTypes)[number]

interface RowContext {
  readonly stretch: ProbedStretch
  readonly area: string
  readonly types: readonly ShownType[]
}

/** One, or none where only zeros are left out. */
function rowsOf(view: View, place: number, { stretch, area, types }: RowContext): readonly (readonly string[])[] {
  const { registers, proposals } = stretch
  if (isInsideZeros(registers, place)) return isInsideZeros(registers, place - 1) ? [] : [['…']]
  const at = `${area}:${view.register}`
  const proposal = proposals.find((other) => other.at === at && other.type !== 'zero')
  const plausible = proposal === undefined ? '' : `${proposal.type} = ${shown(proposal.value)} (${proposal.why})`
  const values = types.flatMap((type) => orders.map((order) => cell(view, type, order)))
  return [[at, view.hex, String(view.u16), String(view.i16), view.text, ...values, plausible]]
}

function cell(view: View, type: ShownType, order: (typeof orders)[number]): string {
  const value = view.values[type]?.[order]
  return value === undefined || value === null ? '-' : shown(value)
}

/** Nothing before, here and behind: a line says no more than the one above it. */
function isInsideZeros(registers: readonly View[], place: number): boolean {
  return [place - 1, place, place + 1, place + 2].every((at) => registers[at]?.u16 === 0)
}

/** At most ten characters for a number: more digits help nobody to recognize it. */
export function shown(value: string | number | bigint): string {
  if (typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'bigint' || Number.isSafeInteger(value)) return String(value)
  const text = String(value)
  if (text.length <= 10) return text
  const size = Math.abs(value)
  return size < 1e-3 || size >= 1e7 ? value.toExponential(3) : String(Number(value.toPrecision(6)))
}

function aligned(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = (rows[0] ?? []).map((_, place) => Math.max(...rows.map((row) => (row[place] ?? '').length)))
  return rows.map((row) =>
    row
      .map((text, place) => text.padEnd(widths[place] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}
