import { checkedExpression, type Expression } from '../model/expression.ts'
import { asTagId, type TagIndex } from '../model/tag.ts'
import { SharedPlaces } from './shared-places.ts'
import type { TagTable } from './tag-table.ts'

/** The interlock of every tag that has one, compiled once; names in it are tags of the tag's own device. */
export interface Interlocks {
  /** Whether it lets a write of this tag pass: only `true` does. Operands that are `unknown` count as such, whatever the tag table holds. */
  check(tag: TagIndex, unknown?: ReadonlySet<TagIndex>): boolean | 'unknown'
  /** What the interlock of this tag looks at, and a write can change. */
  operandsOf(tag: TagIndex): readonly TagIndex[]
  /** Tags that may be written and change what the interlock of this tag looks at; the tag itself may be among them. */
  changersOf(tag: TagIndex): readonly TagIndex[]
  /** What any interlock looks at and a write of this tag changes: mostly the tag itself, or nothing. */
  changedBy(tag: TagIndex): readonly TagIndex[]
  /** The tag, and those that show the same place of the device and may be written. */
  writtenWith(tag: TagIndex): readonly TagIndex[]
}

interface Interlock {
  readonly expression: Expression
  readonly placeOf: ReadonlyMap<string, TagIndex>
}

/** Which tags are one place may be found out later, so it is looked up each time. */
export function compileInterlocks(table: TagTable, shared: SharedPlaces = new SharedPlaces(table)): Interlocks {
  const compiled = new Map<number, Interlock>()
  const watched = new Set<TagIndex>()
  const writtenWith = (tag: TagIndex): readonly TagIndex[] => shared.of(tag).filter((one) => table.metas[one]?.write !== undefined)
  for (const [place, { write, device }] of table.metas.entries()) {
    if (write?.interlock === undefined) continue
    const interlock = compile(write.interlock, { device, table })
    compiled.set(place, interlock)
    for (const operand of interlock.placeOf.values()) watched.add(operand)
  }
  const operandsOf = (tag: TagIndex): readonly TagIndex[] =>
    [...new Set(compiled.get(tag)?.placeOf.values())].filter((operand) => writtenWith(operand).length > 0)
  return {
    check: (tag, unknown) => {
      const interlock = compiled.get(tag)
      if (interlock === undefined) return true
      const isUnknown = (operand: TagIndex): boolean => unknown !== undefined && shared.of(operand).some((one) => unknown.has(one))
      const { expression, placeOf } = interlock
      const value = expression.evaluate({
        tag: (path) => {
          const operand = placeOf.get(path)
          return operand === undefined || isUnknown(operand) ? undefined : table.current(operand)
        },
      })
      return typeof value === 'boolean' ? value : 'unknown'
    },
    operandsOf,
    changersOf: (tag) => [...new Set(operandsOf(tag).flatMap(writtenWith))],
    changedBy: (tag) => shared.of(tag).filter((one) => watched.has(one)),
    writtenWith,
  }
}

interface Context {
  readonly device: string
  readonly table: TagTable
}

function compile(text: string, { device, table }: Context): Interlock {
  const expression = checkedExpression(text, 'device')
  const placeOf = new Map<string, TagIndex>()
  for (const path of expression.tags) {
    const operand = table.find(asTagId(`${device}/${path}`))
    if (operand !== undefined) placeOf.set(path, operand)
  }
  return { expression, placeOf }
}
