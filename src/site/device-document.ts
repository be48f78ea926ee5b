import { type Document, isMap, parseDocument, type YAMLMap } from 'yaml'
import { Fault } from '../base/fault.ts'
import type { ConflictMode } from './conflict-mode.ts'
import type { TagColumn } from './tag-columns.ts'
import type { TagFields, TagTable } from './tag-table.ts'

/** One difference: `undefined` is absent. */
export interface TagDifference {
  readonly tag: string
  readonly key: string
  readonly was: unknown
  readonly is: unknown
}

export interface MergeReport {
  readonly added: readonly string[]
  /** Taken over, or left as they were, as the mode says. */
  readonly conflicts: readonly TagDifference[]
  readonly removed: readonly string[]
  readonly same: number
}

export interface Merged {
  /** undefined where the mode is `fail` and there are conflicts. */
  readonly text?: string
  readonly report: MergeReport
}

/** A device file with the tags of a table among its own. Comments, order and all that the table does not speak of stay as they are. */
export function mergeTags(text: string, table: TagTable, mode: ConflictMode): Merged {
  const document = parseDocument(text, { uniqueKeys: false })
  const tags = tagsOf(document)
  const own = (document.toJS() as { readonly tags?: Record<string, TagFields> | null }).tags ?? {}
  const added: string[] = []
  const conflicts: TagDifference[] = []
  let same = 0
  for (const [path, fields] of table.tags) {
    const before = own[path]
    if (before === undefined) {
      added.push(path)
      tags.set(document.createNode(path), document.createNode(fields, { flow: true }))
      continue
    }
    const differences = differencesOf(path, { before, after: fields, columns: table.columns })
    if (differences.length === 0) same += 1
    conflicts.push(...differences)
    if (mode === 'replace') for (const { key, is } of differences) setKey(document, [path, key], is)
  }
  const report = { added, conflicts, removed: [], same }
  if (mode === 'fail' && conflicts.length > 0) return { report }
  const isChanged = added.length > 0 || (mode === 'replace' && conflicts.length > 0)
  return { text: isChanged ? asWritten(document, text) : text, report }
}

/** The YAML library has a style of its own, `[ 0, 1 ]`: lines that it alone would change stay as people wrote them. */
function asWritten(document: Document, text: string): string {
  const style = { lineWidth: 0, flowCollectionPadding: true } as const
  const styled = document.toString(style)
  const before = text.split('\n')
  const untouched = parseDocument(text, { uniqueKeys: false }).toString(style).split('\n')
  if (untouched.length !== before.length) return styled
  const written = Map.groupBy(before.keys(), (line) => untouched[line] ?? '')
  const own = styled.split('\n').map((line) => before[written.get(line)?.shift() ?? -1] ?? line)
  const mended = own.join('\n')
  return sameText(parseDocument(mended, { uniqueKeys: false }).toJS()) === sameText(document.toJS()) ? mended : styled
}

/** Two tables of the same kind: what a server has now against what it had. */
export function mergeTables(
  before: ReadonlyMap<string, TagFields>,
  after: ReadonlyMap<string, TagFields>,
  mode: ConflictMode,
): MergedTables {
  const removed = [...before.keys()].filter((path) => !after.has(path))
  const added = [...after.keys()].filter((path) => !before.has(path))
  const conflicts = [...after].flatMap(([path, fields]) => {
    const old = before.get(path)
    return old === undefined ? [] : differencesOf(path, { before: old, after: fields })
  })
  const changed = new Set(conflicts.map(({ tag }) => tag))
  const report = { added, conflicts, removed, same: after.size - added.length - changed.size }
  if (mode === 'fail' && (conflicts.length > 0 || removed.length > 0)) return { report }
  if (mode === 'keep') return { tags: new Map([...after, ...before]), report }
  return { tags: after, report }
}

export interface MergedTables {
  readonly tags?: ReadonlyMap<string, TagFields>
  readonly report: MergeReport
}

interface Comparison {
  readonly before: TagFields
  readonly after: TagFields
  /** What the table has columns for; absent: everything. A key without a column is none of its business. */
  readonly columns?: readonly TagColumn[]
}

/** By the keys of the tag, not those within them: `write` is compared and taken over as far as it has columns. */
function differencesOf(tag: string, { before, after, columns }: Comparison): readonly TagDifference[] {
  const keys =
    columns === undefined
      ? [...new Set([...Object.keys(before), ...Object.keys(after)])]
      : [...new Set(columns.map(({ path }) => String(path[0])))]
  return keys.flatMap((key) => {
    const was = before[key]
    const is =
      columns === undefined
        ? after[key]
        : combined(
            was,
            after[key],
            columns.filter(({ path }) => path[0] === key),
          )
    return sameText(was) === sameText(is) ? [] : [{ tag, key, was, is }]
  })
}

/** Keys within a key that have no column stay: a table with `write.max` alone does not take an interlock away. */
function combined(was: unknown, is: unknown, columns: readonly TagColumn[]): unknown {
  if (typeof was !== 'object' || was === null || Array.isArray(was) || is === undefined) return is
  const spoken = new Set(columns.flatMap(({ path }) => (path.length > 1 ? [String(path[1])] : [])))
  const silent = Object.entries(was).filter(([key]) => !spoken.has(key))
  return { ...Object.fromEntries(silent), ...(is as Record<string, unknown>) }
}

/** The order of keys makes no difference. */
function sameText(value: unknown): string {
  return (
    JSON.stringify(value, (_, inner: unknown) =>
      typeof inner === 'object' && inner !== null && !Array.isArray(inner)
        ? Object.fromEntries(Object.entries(inner).toSorted(([one], [other]) => (one < other ? -1 : 1)))
        : inner,
    ) ?? ''
  )
}

function setKey(document: Document, [tag, key]: readonly [string, string], value: unknown): void {
  if (value === undefined) document.deleteIn(['tags', tag, key])
  else document.setIn(['tags', tag, key], document.createNode(value, { flow: true }))
}

function tagsOf(document: Document.Parsed): YAMLMap {
  if (document.errors.length > 0 || !isMap(document.contents)) {
    throw new Fault('import.no-device-file', 'The device file is no YAML that could be changed.', {
      remedy: 'Mend what `lineside check` says of it.',
    })
  }
  const tags = document.get('tags')
  if (isMap(tags)) {
    if (tags.items.length === 0) tags.flow = false
    return tags
  }
  const fresh = document.createNode({})
  fresh.flow = false
  document.set('tags', fresh)
  return fresh
}

export function differenceText({ tag, key, was, is }: TagDifference): string {
  return `${tag}  ${key}: ${shown(was)} -> ${shown(is)}`
}

function shown(value: unknown): string {
  return value === undefined ? '(none)' : JSON.stringify(value)
}
