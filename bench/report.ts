import { cpus } from 'node:os'

/** One number. `limit` is what was asked of it; `peerValue` what the peer reached in the same run. */
export interface Measure {
  readonly name: string
  readonly value: number | undefined
  readonly unit: string
  readonly limit?: Limit
  readonly peer?: string
  readonly peerValue?: number | undefined
}

export type Limit = { readonly atMost: number } | { readonly atLeast: number }

/** As docs/contracts say: one row of `--json`. */
export interface Row {
  readonly name: string
  readonly value: number | null
  readonly unit: string
  readonly asked: string | null
  readonly met: boolean | null
  readonly peer: string | null
  readonly peerValue: number | null
  readonly ratio: number | null
}

export interface Report {
  readonly machine: string
  readonly date: string
  readonly command: string
  readonly rows: readonly Row[]
}

export function rowOf({ name, value, unit, limit, peer, peerValue }: Measure): Row {
  return {
    name,
    value: value === undefined ? null : rounded(value),
    unit,
    asked: limit === undefined ? null : 'atMost' in limit ? `<= ${limit.atMost}` : `>= ${limit.atLeast}`,
    met: limit === undefined ? null : value !== undefined && ('atMost' in limit ? value <= limit.atMost : value >= limit.atLeast),
    peer: peer ?? null,
    peerValue: peerValue === undefined ? null : rounded(peerValue),
    ratio: value === undefined || peerValue === undefined || peerValue === 0 ? null : rounded(value / peerValue),
  }
}

export function reportOf(rows: readonly Row[], command: string): Report {
  const cpu = cpus()[0]?.model.trim() ?? 'unknown processor'
  const machine = `${cpus().length} × ${cpu}, ${process.platform} ${process.arch}, Node ${process.versions.node}`
  return { machine, date: new Date().toISOString(), command, rows }
}

/** Parts of a table may be of another hour, when the machine was another: each row says when. */
const measured = 'measured (UTC)'
const columns = ['ratio', 'name', 'value', 'unit', 'asked', 'met', 'peer', 'peerValue'] as const

export function table(rows: readonly Row[]): string {
  const cells = [columns.map(String), ...rows.map((row) => columns.map((column) => cell(row[column])))]
  const widths = columns.map((_, index) => Math.max(...cells.map((line) => line[index]?.length ?? 0)))
  return cells
    .map((line) =>
      line
        .map((text, index) => text.padEnd(widths[index] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

export function markdown(report: Report): string {
  const at = report.date.slice(0, 'YYYY-MM-DDTHH:MM'.length).replace('T', ' ')
  const lines = report.rows.map((row) => `| ${[...columns.map((column) => cell(row[column])), at].join(' | ')} |`)
  return [
    `${report.date} · ${report.machine} · \`${report.command}\``,
    '',
    `| ${[...columns, measured].join(' | ')} |`,
    `|${[...columns, measured].map(() => '---').join('|')}|`,
    ...lines,
  ].join('\n')
}

/** A table as `markdown` writes it, with the rows of a later one in place of those of the same names; new ones come last. */
export function renewed(before: string, later: string): string {
  const isRow = (line: string): boolean => line.startsWith('| ') && !line.startsWith('| ratio ')
  const nameOf = (line: string): string => line.split(' | ')[1] ?? ''
  const head = later.split('\n').filter((line) => !isRow(line))
  const rows = new Map([...before.split('\n'), ...later.split('\n')].filter(isRow).map((line) => [nameOf(line), line]))
  return [...head, ...rows.values()].join('\n')
}

function cell(value: string | number | boolean | null): string {
  if (value === null) return '–'
  if (typeof value === 'boolean') return value ? 'yes' : 'NO'
  return String(value)
}

function rounded(value: number): number {
  return Number(value.toPrecision(4))
}

export function median(values: readonly number[]): number | undefined {
  return quantile(values, 0.5)
}

/** The smallest value that at least this share does not exceed. */
export function quantile(values: readonly number[], share: number): number | undefined {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)]
}
