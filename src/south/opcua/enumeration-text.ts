import { bitsOfPair } from '../../model/wide.ts'

const textLengthMax = 160
const nameLengthMax = 40
const namesMax = 100

/**
 * What the numbers of an enumeration mean: `0 Off, 1 Manual, …`. From EnumStrings (texts in the order of their numbers), from EnumValues, or from
 * an EnumDefinition (OPC 10000-3, 8.40 and 8.50). undefined for anything else.
 */
export function enumerationText(value: unknown): string | undefined {
  const { fields, structureType } = (value ?? {}) as { readonly fields?: unknown; readonly structureType?: unknown }
  const list: unknown = Array.isArray(value) ? value : structureType === undefined ? fields : undefined
  if (!Array.isArray(list)) return undefined
  const names = list.slice(0, namesMax).flatMap(nameOf)
  let text = ''
  for (const [place, name] of names.entries()) {
    const longer = place === 0 ? name : `${text}, ${name}`
    if (longer.length > textLengthMax) return `${text}, …`
    text = longer
  }
  if (text === '') return undefined
  return list.length > namesMax ? `${text}, …` : text
}

interface Named {
  readonly value?: unknown
  readonly name?: unknown
  readonly text?: unknown
  readonly displayName?: { readonly text?: unknown } | null
}

/** A number without a name is not used. */
function nameOf(item: Named | null, place: number): readonly string[] {
  const text = item?.text ?? (cleanText(item?.displayName?.text, nameLengthMax) || item?.name)
  const name = cleanText(text, nameLengthMax)
  const number = Array.isArray(item?.value) ? BigInt.asIntN(64, bitsOfPair(item.value)) : place
  return name === '' ? [] : [`${number} ${name}`]
}

/** On one line, and of bounded length. */
export function cleanText(text: unknown, lengthMax: number): string {
  if (typeof text !== 'string') return ''
  return text
    .replaceAll(/[\s\p{Cc}]+/gu, ' ')
    .trim()
    .slice(0, lengthMax)
}
