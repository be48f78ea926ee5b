import type { Tag } from '../../model/tag.ts'
import type { SharingMember } from '../driver.ts'
import { byArea, isReadOnlyArea, locate, type ModbusAddress, type Place } from './address.ts'
import { lineKey, peerOf } from './check-connection.ts'
import { endOf } from './planner.ts'
import type { ModbusConfig } from './settings.ts'

interface Spot {
  readonly at: number
  readonly tag: Tag<ModbusAddress>
  readonly place: Place
  readonly config: ModbusConfig
}

/** Pairs of tags that lie on the same registers or coils; bits of one register are apart from each other. Pure. */
export function sharingTags(config: ModbusConfig, tags: readonly Tag<ModbusAddress>[]): readonly (readonly [number, number])[] {
  return pairsOf(spotsOf(config, tags)).map(([one, other]) => [one.at, other.at])
}

/** The same of tags in different device files, as far as one of the two may be written. Pure. */
export function sharingAcross(
  members: readonly SharingMember<ModbusConfig, ModbusAddress>[],
): readonly (readonly [Tag<ModbusAddress>, Tag<ModbusAddress>])[] {
  const ofPeer = [...Map.groupBy(members, ({ config }) => peerKey(config)).values()].filter(({ length }) => length > 1)
  return ofPeer
    .flatMap((files) => pairsOf(files.flatMap(({ config, tags }) => spotsOf(config, tags))))
    .filter(([one, other]) => one.tag.device !== other.tag.device && (one.tag.write ?? other.tag.write) !== undefined)
    .map(([one, other]) => [one.tag, other.tag])
}

/** Whoever answers there, by whichever connection. */
function peerKey(config: ModbusConfig): string {
  return peerOf(config)?.place ?? lineKey(config) ?? ''
}

function spotsOf(config: ModbusConfig, tags: readonly Tag<ModbusAddress>[]): readonly Spot[] {
  return tags
    .map((tag, at): Spot => ({ at, tag, place: locate(tag.address, config), config }))
    .filter(({ place }) => !isReadOnlyArea(place.area))
}

function pairsOf(spots: readonly Spot[]): readonly (readonly [Spot, Spot])[] {
  const pairs: (readonly [Spot, Spot])[] = []
  let open: Spot[] = []
  for (const spot of spots.toSorted(inOrder)) {
    open = open.filter(({ place }) => place.area === spot.place.area && endOf(place) > spot.place.start)
    for (const other of open) if (isSameUnit(other, spot) && isShared(other, spot)) pairs.push([other, spot])
    open.push(spot)
  }
  return pairs
}

function inOrder({ place: one }: Spot, { place: other }: Spot): number {
  return byArea(one.area, other.area) || one.start - other.start || one.unit - other.unit
}

/** On a serial line unit 0 is all of them. */
function isSameUnit(one: Spot, other: Spot): boolean {
  const hasAll = one.config.line.kind !== 'tcp' && (one.place.unit === 0 || other.place.unit === 0)
  return hasAll || one.place.unit === other.place.unit
}

/** Over two connections a bit may be written by reading and writing back its register, and nobody keeps the other one from doing so too. */
function isShared(one: Spot, other: Spot): boolean {
  const hasOneLine = one.config === other.config || (lineKey(one.config) !== undefined && lineKey(one.config) === lineKey(other.config))
  return !hasOneLine || one.place.bit === undefined || other.place.bit === undefined || one.place.bit === other.place.bit
}
