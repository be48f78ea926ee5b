import { allSteps } from './all-steps.ts'
import type { CompiledFlow } from './compiled.ts'
import type { FlowDefinition } from './definition.ts'
import type { RunStart } from './kept.ts'

/** Which runs share the limit of a flow. A `per` that is unknown makes a group of its own: nothing that should be kept apart runs side by side. */
export function groupOf({ name, per }: CompiledFlow, { trigger, input }: RunStart): string {
  if (per === undefined) return name
  const value = per.evaluateAny({ tag: () => undefined, trigger, input })
  return `${name} ${value === undefined ? 'unknown' : JSON.stringify(value, (_key, item: unknown) => (typeof item === 'bigint' ? `${item}n` : item))}`
}

/** All tags that a flow may write, as far as they can be told beforehand. */
export function writtenTags({ steps }: Pick<FlowDefinition, 'steps'>): readonly string[] {
  const written = allSteps(steps).flatMap((step) => (step.kind === 'write' ? step.writes.map(({ tag }) => tag) : []))
  return [...new Set(written.filter((tag) => !tag.includes('${')))]
}
