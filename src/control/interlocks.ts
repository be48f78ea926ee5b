import { checkedExpression, type Expression } from '../model/expression.ts'
import { asTagId, type TagIndex } from '../model/tag.ts'
import type { TagTable } from './tag-table.ts'

/** The interlock of every tag that has one, compiled once; names in it are tags of the tag's own device. */
export function compileInterlocks(table: TagTable): (tag: TagIndex) => boolean | 'unknown' {
  const compiled = new Map<number, Expression>()
  for (const [place, { write }] of table.metas.entries()) {
    if (write?.interlock !== undefined) compiled.set(place, checkedExpression(write.interlock, 'device'))
  }
  return (tag) => {
    const expression = compiled.get(tag)
    const meta = table.metas[tag]
    if (expression === undefined || meta === undefined) return true
    const value = expression.evaluate({ tag: (path) => table.sampleOf(asTagId(`${meta.device}/${path}`)) })
    return typeof value === 'boolean' ? value : 'unknown'
  }
}
