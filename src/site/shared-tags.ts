import type { Tag } from '../model/tag.ts'

/** Tells the tags of one place of each other, where that matters: where one of the two may be written. */
export function withShared(tags: readonly Tag<unknown>[], pairs: readonly (readonly [number, number])[]): readonly Tag<unknown>[] {
  const shared = new Map<Tag<unknown>, string[]>()
  const tell = (one: Tag<unknown>, of: Tag<unknown>): void => {
    shared.set(one, [...(shared.get(one) ?? []), of.path])
  }
  for (const [at, other] of pairs) {
    const [one, two] = [tags[at], tags[other]]
    if (one === undefined || two === undefined || (one.write === undefined && two.write === undefined)) continue
    tell(one, two)
    tell(two, one)
  }
  return shared.size === 0 ? tags : tags.map((tag) => (shared.has(tag) ? { ...tag, sharedWith: shared.get(tag) ?? [] } : tag))
}
