import { createHash } from 'node:crypto'

/** Of a run that follows from something else: the same text, the same run. */
export function idFrom(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32)
}
