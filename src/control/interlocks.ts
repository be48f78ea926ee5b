import { checkedExpression, type Expression } from '../model/expression.ts'
import { asTagId, type TagIndex } from '../model/tag.ts'
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
  readonly operands: readonly TagIndex[]
  readonly changers: readonly TagIndex[]
}

export function compileInterlocks(table: TagTable): Interlocks {
  const compiled = new Map<number, Interlock>()
  const watched = new Map<TagIndex, Set<TagIndex>>()
  const writtenWith = (tag: TagIndex): readonly TagIndex[] => samePlace(tag, table).filter((one) => table.metas[one]?.write !== undefined)
  for (const [place, { write, device }] of table.metas.entries()) {
    if (write?.interlock === undefined) continue
    const interlock = compile(write.interlock, { device, table, writtenWith })
    compiled.set(place, interlock)
    for (const operand of interlock.operands) {
      for (const changer of writtenWith(operand)) watched.set(changer, (watched.get(changer) ?? new Set()).add(operand))
    }
  }
  return {
    check: (tag, unknown) => {
      const interlock = compiled.get(tag)
      if (interlock === undefined) return true
      const isUnknown = (operand: TagIndex): boolean => unknown !== undefined && samePlace(operand, table).some((one) => unknown.has(one))
      const { expression, placeOf } = interlock
      const value = expression.evaluate({
        tag: (path) => {
          const operand = placeOf.get(path)
          return operand === undefined || isUnknown(operand) ? undefined : table.current(operand)
        },
      })
      return typeof value === 'boolean' ? value : 'unknown'
    },
    operandsOf: (tag) => compiled.get(tag)?.operands ?? [],
    changersOf: (tag) => compiled.get(tag)?.changers ?? [],
    changedBy: (tag) => [...(watched.get(tag) ?? [])],
    writtenWith,
  }
}

/** The tag first. */
function samePlace(tag: TagIndex, table: TagTable): readonly TagIndex[] {
  const { device, sharedWith } = table.metas[tag] ?? {}
  if (sharedWith === undefined) return [tag]
  return [tag, ...sharedWith.flatMap((path) => table.find(asTagId(`${device}/${path}`)) ?? [])]
}

interface Context {
  readonly device: string
  readonly table: TagTable
  readonly writtenWith: Interlocks['writtenWith']
}

function compile(text: string, { device, table, writtenWith }: Context): Interlock {
  const expression = checkedExpression(text, 'device')
  const placeOf = new Map<string, TagIndex>()
  for (const path of expression.tags) {
    const operand = table.find(asTagId(`${device}/${path}`))
    if (operand !== undefined) placeOf.set(path, operand)
  }
  const operands = [...placeOf.values()].filter((operand) => writtenWith(operand).length > 0)
  return { expression, placeOf, operands, changers: [...new Set(operands.flatMap(writtenWith))] }
}
