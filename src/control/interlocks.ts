import { checkedExpression, type Expression } from '../model/expression.ts'
import { asTagId, type TagIndex } from '../model/tag.ts'
import type { TagTable } from './tag-table.ts'

/** The interlock of every tag that has one, compiled once; names in it are tags of the tag's own device. */
export interface Interlocks {
  /** Whether it lets a write of this tag pass: only `true` does. Operands that are `unknown` count as such, whatever the tag table holds. */
  check(tag: TagIndex, unknown?: ReadonlySet<TagIndex>): boolean | 'unknown'
  /** What the interlock of this tag looks at and somebody may write; the tag itself may be among it. */
  operandsOf(tag: TagIndex): readonly TagIndex[]
  /** Whether any interlock looks at it. */
  isOperand(tag: TagIndex): boolean
}

interface Interlock {
  readonly expression: Expression
  readonly placeOf: ReadonlyMap<string, TagIndex>
  readonly operands: readonly TagIndex[]
}

export function compileInterlocks(table: TagTable): Interlocks {
  const compiled = new Map<number, Interlock>()
  const watched = new Set<TagIndex>()
  for (const [place, { write, device }] of table.metas.entries()) {
    if (write?.interlock === undefined) continue
    const interlock = compile(write.interlock, device, table)
    compiled.set(place, interlock)
    for (const operand of interlock.operands) watched.add(operand)
  }
  return {
    check: (tag, unknown) => {
      const interlock = compiled.get(tag)
      if (interlock === undefined) return true
      const { expression, placeOf } = interlock
      const value = expression.evaluate({
        tag: (path) => {
          const operand = placeOf.get(path)
          return operand === undefined || unknown?.has(operand) === true ? undefined : table.current(operand)
        },
      })
      return typeof value === 'boolean' ? value : 'unknown'
    },
    operandsOf: (tag) => compiled.get(tag)?.operands ?? [],
    isOperand: (tag) => watched.has(tag),
  }
}

function compile(text: string, device: string, table: TagTable): Interlock {
  const expression = checkedExpression(text, 'device')
  const placeOf = new Map<string, TagIndex>()
  for (const path of expression.tags) {
    const operand = table.find(asTagId(`${device}/${path}`))
    if (operand !== undefined) placeOf.set(path, operand)
  }
  const operands = [...placeOf.values()].filter((operand) => table.metas[operand]?.write !== undefined)
  return { expression, placeOf, operands }
}
