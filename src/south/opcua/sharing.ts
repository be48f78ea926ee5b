import type { Tag } from '../../model/tag.ts'
import type { SharingMember } from '../driver.ts'
import { parseNodeText } from './address.ts'

interface SharingAddress {
  readonly node?: string
  readonly path?: string
}

interface SharingConfig {
  readonly connection: { readonly url: string }
}

/**
 * Pairs of tags of one node, as far as their device file shows it: a node by its id and by its path are two as long as the server is not asked. Pure.
 */
export function sharingTags(tags: readonly Tag<SharingAddress>[]): readonly (readonly [number, number])[] {
  return pairsIn(Map.groupBy(tags.keys(), (at) => nodeText(tags[at]?.address)))
}

/** The same of tags in different device files of one server, as far as one of the two may be written. Pure. */
export function sharingAcross<Address extends SharingAddress>(
  members: readonly SharingMember<SharingConfig, Address>[],
): readonly (readonly [Tag<Address>, Tag<Address>])[] {
  const ofServer = [...Map.groupBy(members, ({ config }) => serverOf(config.connection.url)).values()].filter(({ length }) => length > 1)
  return ofServer
    .flatMap((files) =>
      pairsIn(
        Map.groupBy(
          files.flatMap(({ tags }) => tags),
          ({ address }) => nodeText(address),
        ),
      ),
    )
    .filter(([one, other]) => one.device !== other.device && (one.write ?? other.write) !== undefined)
}

/** `host:port` of an address that the schema has let pass. */
export function serverOf(url: string): string {
  const [place = ''] = url.slice('opc.tcp://'.length).toLowerCase().split('/')
  return /:\d+$/.test(place) ? place : `${place}:4840`
}

function nodeText({ node, path }: SharingAddress = {}): string {
  const parsed = node === undefined ? undefined : parseNodeText(node)
  return parsed === undefined ? (path ?? '') : `${parsed.namespace};${parsed.identifier}`
}

function pairsIn<One>(byNode: ReadonlyMap<string, readonly One[]>): readonly (readonly [One, One])[] {
  return [...byNode].flatMap(([node, all]) =>
    node === '' ? [] : all.flatMap((one, place) => all.slice(0, place).map((other) => [other, one] as const)),
  )
}
