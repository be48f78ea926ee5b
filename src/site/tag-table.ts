import { type CsvTable, type CsvWriting, csvText, readCsv } from './csv.ts'
import { tagPathSchema } from './device-schema.ts'
import { suggestion } from './did-you-mean.ts'
import type { SiteDriver } from './drivers.ts'
import { modiconAddress } from './modicon.ts'
import type { ProblemList } from './problems.ts'
import { valueAt } from './schema-problems.ts'
import type { Finding, Path, SourceFile } from './source.ts'
import { silentColumns, type TagColumn, tagColumn, tagColumns } from './tag-columns.ts'

export type TagFields = Readonly<Record<string, unknown>>

/** A table of tags as it would stand under `tags:` of a device file. */
export interface TagTable {
  /** `value` is `{ tags: … }`; places are rows and columns of the table. */
  readonly source: SourceFile
  readonly tags: ReadonlyMap<string, TagFields>
  /** What the table says something about, even where a cell is empty. */
  readonly columns: readonly TagColumn[]
}

export interface TableContext {
  readonly file: string
  readonly driver: SiteDriver
  /** Of the device: Modicon numbers become addresses of its file. */
  readonly addressing: 'zero' | 'one'
  readonly problems: ProblemList
}

/** undefined where the table cannot be read; problems by row (line) and column. What its cells mean is not looked into: that is `checkDeviceTable`. */
export function readTagTable(text: string, context: TableContext): TagTable | undefined {
  const { file, problems } = context
  const table = readCsv(text)
  if ('finding' in table) {
    problems.addAt({ file, line: table.line }, table.finding)
    return undefined
  }
  const columns = headerColumns(table, context)
  if (columns === undefined) return undefined
  const reader = new TableReader(table, columns, context)
  const tags = reader.read()
  const source = { file, value: { tags: Object.fromEntries(tags) }, place: reader.place }
  return { source, tags, columns: columns.filter((column) => column !== undefined) }
}

/** By place in the row; undefined for the tag itself and for what is for people only. */
function headerColumns({ header }: CsvTable, { file, driver, problems }: TableContext): readonly (TagColumn | undefined)[] | undefined {
  const known = new Map(tagColumns(driver).map((column) => [column.name.toLowerCase(), column]))
  const names = header.map((name) => name.toLowerCase())
  const report = (column: number, finding: Finding): void => problems.addAt({ file, line: 1, column: column + 1 }, finding)
  let isUsable = true
  for (const [place, name] of names.entries()) {
    const isFirst = names.indexOf(name) === place
    if (isFirst && (name === tagColumn || known.has(name) || silentColumns.includes(name) || name === '')) continue
    isUsable = false
    const shown = (header[place] ?? '').slice(0, 60)
    if (!isFirst) report(place, { code: 'csv.column-twice', message: `There are two columns ${shown}.`, remedy: 'Remove one of them.' })
    else {
      const remedy = suggestion(name, [tagColumn, ...known.keys()])
      report(place, { code: 'csv.column-unknown', message: `A tag of ${driver.name} has nothing called ${shown}.`, remedy })
    }
  }
  if (!names.includes(tagColumn)) {
    isUsable = false
    report(0, {
      code: 'csv.no-tag',
      message: 'There is no column `tag`.',
      remedy: 'Name the column that holds the paths of the tags `tag`.',
    })
  }
  return isUsable ? names.map((name) => known.get(name)) : undefined
}

class TableReader {
  readonly #table: CsvTable
  readonly #columns: readonly (TagColumn | undefined)[]
  readonly #context: TableContext
  readonly #tagPlace: number
  readonly #lines = new Map<string, number>()

  constructor(table: CsvTable, columns: readonly (TagColumn | undefined)[], context: TableContext) {
    this.#table = table
    this.#columns = columns
    this.#context = context
    this.#tagPlace = table.header.findIndex((name) => name.toLowerCase() === tagColumn)
  }

  read(): ReadonlyMap<string, TagFields> {
    const tags = new Map<string, TagFields>()
    for (const { line, cells } of this.#table.rows) {
      const path = (cells[this.#tagPlace] ?? '').trim()
      if (!this.#isUsable(path, line)) continue
      this.#lines.set(path, line)
      tags.set(path, this.#fields(cells, line))
    }
    return tags
  }

  readonly place = ({ path }: { readonly path: Path }): { readonly file: string; readonly line: number; readonly column: number } => {
    const [, tag, ...below] = path
    const name = below.join('.')
    const found = this.#columns.findIndex(
      (column) => column !== undefined && name !== '' && `${name}.`.startsWith(`${column.path.join('.')}.`),
    )
    const near = this.#columns.findIndex((column) => column !== undefined && name !== '' && column.path.join('.').startsWith(name))
    const place = found >= 0 ? found : near >= 0 ? near : this.#tagPlace
    return { file: this.#context.file, line: this.#lines.get(String(tag)) ?? 1, column: place + 1 }
  }

  #isUsable(path: string, line: number): boolean {
    const first = this.#lines.get(path)
    const parsed = tagPathSchema.safeParse(path)
    if (first === undefined && parsed.success) return true
    const finding =
      first === undefined
        ? { code: 'csv.tag', message: `\`${path.slice(0, 100)}\` names no tag: ${parsed.error?.issues[0]?.message}.`, remedy: 'Rename it.' }
        : {
            code: 'tag.duplicate',
            message: `The tag \`${path.slice(0, 100)}\` stands in line ${first} too.`,
            remedy: 'Rename one of the two, or remove it.',
          }
    this.#report(finding, line, this.#tagPlace)
    return false
  }

  #fields(cells: readonly string[], line: number): TagFields {
    const fields: Record<string, unknown> = {}
    for (const [place, column] of this.#columns.entries()) {
      const cell = (cells[place] ?? '').trim()
      if (column === undefined || cell === '') continue
      const read = this.#read(cell, column)
      if ('finding' in read) this.#report(read.finding, line, place)
      else if (read.value !== undefined) setIn(fields, column.path, read.value)
    }
    if (cells.length > this.#columns.length) {
      const message = `The row has ${cells.length} cells, and there are ${this.#columns.length} columns.`
      this.#report(
        { code: 'csv.too-many-cells', message, remedy: 'Put cells that hold the delimiter in "quotes".' },
        line,
        this.#columns.length,
      )
    }
    return fields
  }

  #read(cell: string, column: TagColumn): { readonly value: unknown } | { readonly finding: Finding } {
    if (column.name === 'at') return this.#readAddress(cell)
    switch (column.kind) {
      case 'text':
        return { value: cell }
      case 'number':
        return readNumber(cell, column, this.#table.delimiter)
      case 'boolean':
      case 'presence':
        return readYesNo(cell, column)
      case 'either': {
        const number = readNumber(cell, column, this.#table.delimiter)
        return 'value' in number ? number : { value: cell }
      }
      case 'json':
        return readJson(cell, column)
      default:
        return column.kind satisfies never
    }
  }

  #readAddress(cell: string): { readonly value: unknown } | { readonly finding: Finding } {
    const modicon = modiconAddress(cell, this.#context.addressing)
    if (modicon === undefined) return { value: cell }
    return 'at' in modicon
      ? { value: modicon.at }
      : { finding: { code: 'csv.modicon', message: `${modicon.message}.`, remedy: modicon.remedy } }
  }

  #report(finding: Finding, line: number, place: number): void {
    this.#context.problems.addAt({ file: this.#context.file, line, column: place + 1 }, finding)
  }
}

/** Where semicolons separate the cells, the comma is a decimal sign. */
function readNumber(cell: string, { name }: TagColumn, delimiter: string): { readonly value: number } | { readonly finding: Finding } {
  const text = delimiter === ',' ? cell : cell.replace(',', '.')
  const value = Number(text)
  if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) && Number.isFinite(value)) return { value }
  const remedy = 'Write it with digits and a decimal point, without a unit or a sign between the thousands.'
  return { finding: { code: 'csv.number', message: `\`${cell.slice(0, 60)}\` in ${name} is no number.`, remedy } }
}

const yes = ['yes', 'true', '1', 'x', 'ja', 'wahr', 'oui', 'vrai']
const no = ['no', 'false', '0', 'nein', 'falsch', 'non', 'faux']

function readYesNo(cell: string, { name, kind }: TagColumn): { readonly value: unknown } | { readonly finding: Finding } {
  const word = cell.toLowerCase()
  if (yes.includes(word)) return { value: kind === 'presence' ? {} : true }
  if (no.includes(word)) return { value: kind === 'presence' ? undefined : false }
  return {
    finding: { code: 'csv.yes-no', message: `\`${cell.slice(0, 60)}\` in ${name} is neither yes nor no.`, remedy: 'Write yes or no.' },
  }
}

function readJson(cell: string, { name }: TagColumn): { readonly value: unknown } | { readonly finding: Finding } {
  try {
    return { value: JSON.parse(cell) }
  } catch {
    const message = `\`${cell.slice(0, 60)}\` in ${name} is no list.`
    return { finding: { code: 'csv.list', message, remedy: 'Write it as JSON, like [1, 2] or ["a", "b"].' } }
  }
}

/** A presence beside keys of its own makes no difference: `write` is there already. */
function setIn(fields: Record<string, unknown>, path: Path, value: unknown): void {
  const [key = '', ...rest] = path
  const [next] = rest
  if (next === undefined) {
    if (typeof value === 'object' && value !== null && fields[key] !== undefined) return
    fields[key] = value
    return
  }
  fields[key] ??= typeof next === 'number' ? [] : {}
  setIn(fields[key] as Record<string, unknown>, rest, value)
}

export interface TagRow {
  readonly path: string
  readonly fields: TagFields
  /** Of the columns that are for people. */
  readonly access?: string
}

/** Columns that a table has although no tag uses them. */
const usualColumns = ['unit', 'scan', 'description', 'write']

export interface TableOptions extends CsvWriting {
  readonly driver: SiteDriver
  /** Only what the tags use, not even the usual columns: for files that git compares. */
  readonly isSparse?: boolean
  /** Just these, for tables that are written in pieces. */
  readonly columns?: readonly string[]
  /** False for the pieces after the first. */
  readonly hasHeader?: boolean
}

/** One row a tag. */
export function tagTableText(rows: readonly TagRow[], options: TableOptions): string {
  const { driver, isSparse = false, hasHeader = true, columns: wanted } = options
  const isUsed = ({ path }: TagColumn): boolean => rows.some(({ fields }) => valueAt(fields, path) !== undefined)
  const columns = tagColumns(driver).filter((column) =>
    wanted === undefined ? (!isSparse && usualColumns.includes(column.name)) || isUsed(column) : wanted.includes(column.name),
  )
  const hasAccess = wanted?.includes('access') === true
  const header = [tagColumn, ...columns.map(({ name }) => name), ...(hasAccess ? ['access'] : [])]
  return csvText([...(hasHeader ? [header] : []), ...rows.map((row) => cellsOf(row, columns, hasAccess))], options)
}

function cellsOf({ path, fields, access = '' }: TagRow, columns: readonly TagColumn[], hasAccess: boolean): readonly string[] {
  return [path, ...columns.map((column) => cellOf(valueAt(fields, column.path), column)), ...(hasAccess ? [access] : [])]
}

function cellOf(value: unknown, { kind }: TagColumn): string {
  if (value === undefined || value === null) return ''
  if (kind === 'presence') return 'yes'
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}
