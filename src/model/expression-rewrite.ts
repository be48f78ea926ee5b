import type { TagUse } from './expression-rules.ts'

/** An expression in which each `tags['…']` has become a variable of its own, so that no map is built for an evaluation. */
export interface Rewritten {
  /** Each tag once; its place is the number of its variable. */
  readonly names: readonly string[]
  readonly variableText: string
  /** From a place in `variableText` to the place in the text as it was written. */
  originalOffset(offset: number): number
}

export function variable(place: number): string {
  return `lineside_tag_${place}`
}

export function withVariables(text: string, uses: readonly TagUse[]): Rewritten {
  const names = [...new Set(uses.map((use) => use.name))]
  const shifts: { readonly from: number; readonly by: number }[] = [{ from: 0, by: 0 }]
  let variableText = ''
  let from = 0
  for (const use of uses) {
    variableText += `${text.slice(from, use.start)}${variable(names.indexOf(use.name))}`
    from = use.end
    shifts.push({ from: variableText.length, by: use.end - variableText.length })
  }
  return {
    names,
    variableText: variableText + text.slice(from),
    originalOffset: (offset) => offset + (shifts.findLast((shift) => shift.from <= offset)?.by ?? 0),
  }
}
