/** One step into a structure or an array: a field's name, or an index. */
type FieldStep = string | number

export type FieldPath = readonly FieldStep[]

const stepsMax = 16
const pattern = /^(?:[A-Za-z_][\w ]*|\[\d{1,6}\])(?:\.[A-Za-z_][\w ]*|\[\d{1,6}\])*$/

/** `a.b[2].c`, or `[3]` for one element of an array; undefined when the text is no such path. */
export function parseFieldPath(text: string): FieldPath | undefined {
  if (!pattern.test(text)) return undefined
  const steps = [...text.matchAll(/\[(\d+)\]|([^.[\]]+)/g)].map(([, index, name = '']) => (index === undefined ? name : Number(index)))
  return steps.length <= stepsMax ? steps : undefined
}
