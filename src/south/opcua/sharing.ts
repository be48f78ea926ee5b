import type { Tag } from '../../model/tag.ts'

interface SharingAddress {
  readonly node?: string
  readonly path?: string
}

/** Pairs of tags of one node, as far as their device file shows it: a node by its id and by its path are two as long as the server is not asked. Pure. */
export function sharingTags(tags: readonly Tag<SharingAddress>[]): readonly (readonly [number, number])[] {
  const byNode = Map.groupBy(tags.keys(), (at) => tags[at]?.address.node ?? tags[at]?.address.path ?? '')
  return [...byNode].flatMap(([node, all]) =>
    node === '' ? [] : all.flatMap((one, place) => all.slice(0, place).map((other) => [other, one] as const)),
  )
}
