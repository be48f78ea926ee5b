import type { TagMeta, ValueType } from '../model/tag.ts'
import type { Finding } from './source.ts'

export const integerSpans: Readonly<Partial<Record<ValueType, readonly [number, number]>>> = {
  i8: [-(2 ** 7), 2 ** 7 - 1],
  u8: [0, 2 ** 8 - 1],
  i16: [-(2 ** 15), 2 ** 15 - 1],
  u16: [0, 2 ** 16 - 1],
  i32: [-(2 ** 31), 2 ** 31 - 1],
  u32: [0, 2 ** 32 - 1],
  i64: [-(2 ** 63), 2 ** 63],
  u64: [0, 2 ** 64],
}

export function isNumeric(type: ValueType): boolean {
  return type in integerSpans || type === 'f32' || type === 'f64'
}

/** For expressions: the type of a tag that is no list. */
export function scalarType(tag: TagMeta | undefined): ValueType | undefined {
  return tag?.length === undefined ? tag?.type : undefined
}

/** Why this constant can never be written to this tag. Where only the device knows the type, it has the last word. */
export function valueProblem(tag: TagMeta, value: unknown): Finding | undefined {
  if (Array.isArray(value)) return listProblem(tag, value)
  return typeProblem(tag, value) ?? (typeof value === 'number' ? limitProblem(tag, value) : sizeProblem(tag, value))
}

function listProblem({ length, ...tag }: TagMeta, values: readonly unknown[]): Finding | undefined {
  if (tag.type === undefined) return undefined
  if (length === values.length) return values.map((value) => valueProblem(tag, value)).find((finding) => finding !== undefined)
  return {
    code: 'flow.value-type',
    message: `${tag.id} takes ${length === undefined ? `one value (${tag.type})` : `a list of ${length}`}; this is a list of ${values.length}.`,
    remedy: length === undefined ? 'Write one value.' : `Write ${length} values.`,
  }
}

function sizeProblem({ id, sizeBytes, type }: TagMeta, value: unknown): Finding | undefined {
  if (typeof value !== 'string' || type !== 'string' || sizeBytes === undefined || Buffer.byteLength(value) <= sizeBytes) return undefined
  return {
    code: 'flow.value-length',
    message: `The text has ${Buffer.byteLength(value)} bytes, and ${id} has room for ${sizeBytes}.`,
    remedy: 'Shorten it: letters beyond ASCII take two or more bytes.',
  }
}

function typeProblem(tag: TagMeta, value: unknown): Finding | undefined {
  const { type } = tag
  if (type === undefined) return undefined
  const wanted = isNumeric(type) ? 'number' : type === 'bool' ? 'boolean' : 'string'
  if (tag.length === undefined && typeof value === wanted) return undefined
  const kind = tag.length === undefined ? kinds[wanted] : `a list of ${tag.length}`
  return {
    code: 'flow.value-type',
    message: `${tag.id} takes ${kind} (${type}); this is ${typeof value === 'string' ? `the text "${value.slice(0, 60)}"` : String(value)}.`,
    remedy:
      tag.length === undefined
        ? `Write ${kind}.`
        : `Write a list: [${Array(Math.min(3, tag.length))
            .fill(wanted === 'number' ? 0 : '…')
            .join(', ')}, …].`,
  }
}

const kinds = { number: 'a number', boolean: 'true or false', string: 'a text' } as const

function limitProblem(tag: TagMeta, value: number): Finding | undefined {
  const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = tag.write ?? {}
  if (value < min || value > max) {
    return {
      code: 'flow.value-range',
      message: `${value} lies outside ${tag.write?.min ?? '-∞'} to ${tag.write?.max ?? '∞'}, what may be written to ${tag.id}.`,
      remedy: 'Write a value within these limits, or change `write: { min, max }` of the tag.',
    }
  }
  const span = tag.type === undefined ? undefined : integerSpans[tag.type]
  if (span === undefined || (Number.isInteger(value) && value >= span[0] && value <= span[1])) return undefined
  return {
    code: 'flow.value-range',
    message: `${value} does not fit ${tag.type} (whole numbers from ${span[0]} to ${span[1]}) of ${tag.id}.`,
    remedy: 'Write a value that fits.',
  }
}
