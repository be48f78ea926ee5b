import type { Tag } from '../../model/tag.ts'
import { isBitArea, isByteSwapped, locate, type ModbusAddress, type Order, type Place } from './address.ts'
import { type Codec, codecOf } from './codec.ts'
import type { Span } from './planner.ts'
import type { ModbusConfig } from './settings.ts'

/** One tag, ready to be read and written. */
export interface Item extends Span {
  /** Position in the list of tags that the driver was connected with. */
  readonly tag: number
  readonly place: Place
  readonly codec: Codec
}

export function itemsOf(config: ModbusConfig, tags: readonly Tag<ModbusAddress>[]): readonly Item[] {
  const codecs = new Map<string, Codec>()
  return tags.map(({ address }, tag) => {
    const place = asStrung(locate(address, config), config)
    return { tag, place, codec: sharedCodec(place, codecs), unit: place.unit, area: place.area, start: place.start, count: place.count }
  })
}

/** The tags of a device are of a handful of kinds: a codec for each of thousands would be half a KiB a tag. */
function sharedCodec(place: Place, codecs: Map<string, Codec>): Codec {
  const { area, type, order, bit, sizeBytes, padding, length } = place
  const kind = [isBitArea(area), type, order, bit, sizeBytes, padding, length].join()
  const codec = codecs.get(kind) ?? codecOf(place)
  codecs.set(kind, codec)
  return codec
}

const bytesSwapped: Readonly<Record<Order, Order>> = { ABCD: 'BADC', BADC: 'ABCD', CDAB: 'DCBA', DCBA: 'CDAB' }

/** Some devices keep numbers as the standard has it and swap the bytes of texts. An order of the tag's own was written with the text in view. */
function asStrung(place: Place, { quirks, order }: ModbusConfig): Place {
  const isSwapped = quirks.hasSwappedStrings && place.type === 'string' && place.order === order
  return isSwapped ? { ...place, order: bytesSwapped[order] } : place
}

/** Where an item lies in the data of a request that begins at `start`. */
export interface Slot {
  readonly item: Item
  /** What the item's codec is given: a byte, in bit areas a bit. */
  readonly at: number
  readonly fromByte: number
  readonly toByte: number
  /** Of a single bit, within `fromByte`; 0 where whole bytes count. */
  readonly mask: number
}

export function slotOf(item: Item, start: number): Slot {
  const { place } = item
  const offset = item.start - start
  if (isBitArea(item.area)) {
    const isSingle = place.length === undefined
    return { item, at: offset, fromByte: offset >> 3, toByte: ((offset + item.count - 1) >> 3) + 1, mask: isSingle ? 1 << (offset & 7) : 0 }
  }
  const at = 2 * offset
  if (place.bit === undefined) return { item, at, fromByte: at, toByte: at + 2 * item.count, mask: 0 }
  const bit = wireBit(place, place.bit)
  const byte = bit >= 8 ? at : at + 1
  return { item, at, fromByte: byte, toByte: byte + 1, mask: 1 << (bit & 7) }
}

/** A bit of a register, as the register stands on the wire: swapped bytes move it by eight. */
export function wireBit({ order }: Pick<Place, 'order'>, bit: number): number {
  return isByteSwapped(order) ? bit ^ 8 : bit
}
