import { createHash } from 'node:crypto'
import type { FlowDefinition } from './definition.ts'

/** Names a definition by what it says: the same text in another order is the same, and another title is another. */
export function definitionHash(definition: FlowDefinition): string {
  return createHash('sha256').update(canonicalJson(definition)).digest('hex').slice(0, 16)
}

function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).toSorted(([one], [other]) => (one < other ? -1 : 1)))
      : inner,
  )
}
