import { compileCondition, type Expression } from '../model/expression.ts'
import { asTagId, type TagIndex, type TagMeta, type TagValue } from '../model/tag.ts'
import type { TagTable } from './tag-table.ts'

/** The interlock of every tag that has one, compiled once; names in it are tags of the tag's own device. */
export function compileInterlocks(table: TagTable): (tag: TagIndex) => boolean | 'unknown' {
  const compiled = new Map<number, Expression>()
  for (const [place, meta] of table.metas.entries()) {
    if (meta.write?.interlock === undefined) continue
    const result = compileCondition(meta.write.interlock, 'device')
    if ('problem' in result) throw new Error(`the interlock of ${meta.id} passed check and does not compile: ${result.problem.message}`)
    compiled.set(place, result.expression)
  }
  return (tag) => {
    const expression = compiled.get(tag)
    const meta = table.metas[tag]
    if (expression === undefined || meta === undefined) return true
    const value = expression.evaluate({ tag: (path) => siblingValue(table, meta, path) })
    return typeof value === 'boolean' ? value : 'unknown'
  }
}

function siblingValue(table: TagTable, meta: TagMeta, path: string): TagValue | undefined {
  return table.usable(asTagId(`${meta.device}/${path}`))
}
