import { CsvError, type Info, parse } from 'csv-parse/sync'
import { stringify } from 'csv-stringify/sync'
import type { Finding } from './source.ts'

export interface CsvRow {
  /** Where the row ends, from 1. */
  readonly line: number
  readonly cells: readonly string[]
}

export interface CsvTable {
  /** As they stand in the first row, without blanks around. */
  readonly header: readonly string[]
  readonly rows: readonly CsvRow[]
  readonly delimiter: string
}

/** `line` where the table cannot be read at all. */
export type CsvReading = CsvTable | { readonly line: number; readonly finding: Finding }

/** More than one gateway carries. */
const rowsMax = 100_000
const recordBytesMax = 64 * 1024
const delimiters = [',', ';', '\t']

/** RFC 4180, and what Excel makes of it: a BOM in front, and semicolons or tabs between the cells where the comma is the decimal sign. */
export function readCsv(text: string): CsvReading {
  const delimiter = delimiterOf(text)
  try {
    const records = parse(text, {
      bom: true,
      delimiter,
      info: true,
      relax_column_count: true,
      skip_empty_lines: true,
      max_record_size: recordBytesMax,
      to: rowsMax + 2,
    }) as unknown as readonly { readonly record: readonly string[]; readonly info: Info }[]
    const [first, ...rest] = records
    if (first === undefined) return { line: 1, finding: emptyFinding }
    if (rest.length > rowsMax) return { line: 1, finding: tooManyFinding }
    const rows = rest.map(({ record, info }) => ({ line: info.lines, cells: record.map(unescaped) }))
    return {
      header: first.record.map((name) => name.trim()),
      rows: rows.filter(({ cells }) => cells.some((cell) => cell.trim() !== '')),
      delimiter,
    }
  } catch (error) {
    if (!(error instanceof CsvError)) throw error // our own mistake, and not the table's
    return { line: Number(error['lines'] ?? 1), finding: syntaxFinding(error) }
  }
}

const emptyFinding: Finding = {
  code: 'csv.empty',
  message: 'The table is empty.',
  remedy: 'Put the names of the columns into the first row: tag, at, type, … or tag, node, …',
}

const tooManyFinding: Finding = {
  code: 'csv.too-long',
  message: `The table has more than ${rowsMax} rows.`,
  remedy: 'Split it between several devices.',
}

function syntaxFinding(error: CsvError): Finding {
  const message = error.message.slice(0, 300)
  return {
    code: 'csv.syntax',
    message: `The table cannot be read: ${message.replace(/\.$/, '')}.`,
    remedy: 'Put cells that hold a quote, a delimiter or a line break in "quotes", and write a quote within them twice.',
  }
}

/** The one that stands most often in the first line, outside quotes. */
function delimiterOf(text: string): string {
  const [first = ''] = text.replaceAll(/"[^"]*"/g, '').split(/\r?\n/, 1)
  const counts = delimiters.map((delimiter) => first.split(delimiter).length)
  return delimiters[counts.indexOf(Math.max(...counts))] ?? ','
}

/** What a program for tables would take for a formula; `=cmd|…` in a description has run commands on the machines of those who opened the file. */
const formula = /^'*[=+\-@\t\r]/
const number = /^-?\d+(?:[.,]\d+)?(?:e[+-]?\d+)?$/i

function escaped(cell: string): string {
  return formula.test(cell) && !number.test(cell) ? `'${cell}` : cell
}

function unescaped(cell: string): string {
  return cell.startsWith("'") && formula.test(cell) ? cell.slice(1) : cell
}

export interface CsvWriting {
  readonly delimiter?: string
  /** Excel takes a file without it for its own old character set. */
  readonly hasBom?: boolean
}

/** RFC 4180 with line ends as it asks for; cells that look like formulas get a `'` in front, which `readCsv` takes away again. */
export function csvText(rows: Iterable<readonly string[]>, { delimiter = ',', hasBom = false }: CsvWriting = {}): string {
  return stringify(
    Array.from(rows, (cells) => cells.map(escaped)),
    { delimiter, bom: hasBom, record_delimiter: '\r\n' },
  )
}
