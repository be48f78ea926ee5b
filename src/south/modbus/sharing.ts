import type { Tag } from '../../model/tag.ts'
import { isReadOnlyArea, locate, type ModbusAddress, type Place } from './address.ts'
import { endOf, isSameLine } from './planner.ts'
import type { ModbusConfig } from './settings.ts'

interface Spot {
  readonly at: number
  readonly place: Place
}

/** Pairs of tags that lie on the same registers or coils; bits of one register are apart from each other. Pure. */
export function sharingTags(config: ModbusConfig, tags: readonly Tag<ModbusAddress>[]): readonly (readonly [number, number])[] {
  const spots = tags
    .map(({ address }, at): Spot => ({ at, place: locate(address, config) }))
    .filter(({ place }) => !isReadOnlyArea(place.area))
    .sort(inOrder)
  const pairs: (readonly [number, number])[] = []
  let open: readonly Spot[] = []
  for (const spot of spots) {
    open = open.filter(({ place }) => isSameLine(place, spot.place) && endOf(place) > spot.place.start)
    for (const other of open) if (isShared(other.place, spot.place)) pairs.push([other.at, spot.at])
    open = [...open, spot]
  }
  return pairs
}

function inOrder({ place: one }: Spot, { place: other }: Spot): number {
  return one.unit - other.unit || one.area.localeCompare(other.area) || one.start - other.start
}

function isShared(one: Place, other: Place): boolean {
  return one.bit === undefined || other.bit === undefined || one.bit === other.bit
}
