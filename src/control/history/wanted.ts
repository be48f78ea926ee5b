import { matchesFilter } from '../../model/topic.ts'
import { allSteps } from '../flows/all-steps.ts'
import type { FlowDefinition } from '../flows/definition.ts'

/** Tags with a history at most: each costs memory in the control room, and a page of the disk now and then. */
const historyTagsMax = 1_000

/** The tags whose history is kept: those that a `query` of a flow names, and those that a filter does. Their places among all, and how many there would be too many. */
export function wantedTags(
  names: readonly string[],
  { flows, filters }: { readonly flows: readonly Pick<FlowDefinition, 'steps'>[]; readonly filters: readonly string[] },
): { readonly places: readonly number[]; readonly tooMany: number } {
  const asked = new Set(flows.flatMap(({ steps }) => allSteps(steps).flatMap((step) => (step.kind === 'query' ? step.tags : []))))
  const isWanted = (name: string): boolean => asked.has(name) || filters.some((filter) => matchesFilter(name, filter))
  const places = asked.size === 0 && filters.length === 0 ? [] : names.flatMap((name, place) => (isWanted(name) ? [place] : []))
  return { places: places.slice(0, historyTagsMax), tooMany: Math.max(0, places.length - historyTagsMax) }
}
