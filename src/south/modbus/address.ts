import type { ValueType } from '../../model/tag.ts'

/** Holding registers, input registers, coils, discrete inputs. */
export const areas = ['hr', 'ir', 'co', 'di'] as const
export type Area = (typeof areas)[number]

/** An order of areas, the same at each start; by characters, for ICU takes 10 ms to load its alphabets. */
export function byArea(one: Area, other: Area): number {
  return one < other ? -1 : Number(one > other)
}

/** How the bytes of a value lie in its registers; A is the most significant byte of a 32-bit value. 64 bits by the same rule. */
export const orders = ['ABCD', 'CDAB', 'BADC', 'DCBA'] as const
export type Order = (typeof orders)[number]

export const paddings = ['nul', 'space'] as const
export type Padding = (typeof paddings)[number]

export const plainTypes = ['bool', 'i16', 'u16', 'i32', 'u32', 'i64', 'u64', 'f32', 'f64', 'bcd16', 'bcd32'] as const
export type DataType = (typeof plainTypes)[number] | 'string' | 'bytes'

/** Where a tag lies, as the device file says it. Plain data. */
export interface ModbusAddress {
  readonly area: Area
  /** Another unit than the connection's. */
  readonly unit?: number
  /** As written: `addressing: one` is undone by `locate`. */
  readonly offset: number
  /** Of a register, 0 the least significant. */
  readonly bit?: number
  /** Number of elements; absent for a scalar. */
  readonly length?: number
  readonly type: DataType
  /** Of one `string` or `bytes`. */
  readonly sizeBytes?: number
  /** Of text that is shorter than its place; NUL without it. */
  readonly padding?: Padding
  /** Another order than the device's. */
  readonly order?: Order
  /** What the whole value takes: registers in hr and ir, bits in co and di. */
  readonly registers: number
}

/** An address with everything that the device's settings add: what goes over the wire. */
export interface Place {
  readonly area: Area
  readonly unit: number
  /** As on the wire, from 0. */
  readonly start: number
  /** Registers in hr and ir, bits in co and di. */
  readonly count: number
  readonly order: Order
  readonly type: DataType
  readonly bit?: number
  /** Elements; absent for a scalar. */
  readonly length?: number
  readonly sizeBytes?: number
  readonly padding?: Padding
}

/** Places side by side, as the device file writes them: `hr:100-109`. */
export interface PlaceRange {
  readonly area: Area
  readonly unit?: number
  readonly from: number
  readonly to: number
}

export interface PlaceDefaults {
  readonly unit: number
  readonly order: Order
  readonly addressing: 'zero' | 'one'
}

const registersOfType: Readonly<Record<Exclude<DataType, 'string' | 'bytes'>, number>> = {
  bool: 1,
  i16: 1,
  u16: 1,
  bcd16: 1,
  i32: 2,
  u32: 2,
  f32: 2,
  bcd32: 2,
  i64: 4,
  u64: 4,
  f64: 4,
}

const valueTypes: Readonly<Record<DataType, ValueType>> = {
  bool: 'bool',
  i16: 'i16',
  u16: 'u16',
  i32: 'i32',
  u32: 'u32',
  i64: 'i64',
  u64: 'u64',
  f32: 'f32',
  f64: 'f64',
  bcd16: 'u16',
  bcd32: 'u32',
  string: 'string',
  bytes: 'bytes',
}

/** `hr:100`, `hr:40.3`, `hr:100[8]`, `3/hr:100`. */
export const atPattern = /^(?:(\d{1,3})\/)?(hr|ir|co|di):(\d{1,6})(?:\.(\d{1,2}))?(?:\[(\d{1,4})\])?$/
/** `hr:100-109`, `di:7`, `3/hr:100`. */
const rangePattern = /^(?:(\d{1,3})\/)?(hr|ir|co|di):(\d{1,6})(?:-(\d{1,6}))?$/
/** `u16`, `string(20)`, `bytes(8)`. */
export const typePattern = /^(?:bool|[iu](?:16|32|64)|f32|f64|bcd16|bcd32|(?:string|bytes)\(\d{1,3}\))$/

export type At = Pick<ModbusAddress, 'area' | 'unit' | 'offset' | 'bit' | 'length'>
export type TypeOf = Pick<ModbusAddress, 'type' | 'sizeBytes'>

/** undefined when the text is no address. Says nothing about whether such a place can exist: that is `check`. */
export function parseAt(text: string): At | undefined {
  const [, unit, area, offset, bit, length] = atPattern.exec(text) ?? []
  if (offset === undefined) return undefined
  return {
    area: area as Area,
    offset: Number(offset),
    ...(unit === undefined ? {} : { unit: Number(unit) }),
    ...(bit === undefined ? {} : { bit: Number(bit) }),
    ...(length === undefined ? {} : { length: Number(length) }),
  }
}

/** undefined when the text is no range, or one that ends before it begins. */
export function parseRange(text: string): PlaceRange | undefined {
  const [, unit, area, from, to = from] = rangePattern.exec(text) ?? []
  if (from === undefined || Number(to) < Number(from)) return undefined
  return { area: area as Area, from: Number(from), to: Number(to), ...(unit === undefined ? {} : { unit: Number(unit) }) }
}

export function parseType(text: string): TypeOf | undefined {
  if (!typePattern.test(text)) return undefined
  const [type = '', size] = text.split(/[()]/)
  return size === undefined ? { type: type as DataType } : { type: type as DataType, sizeBytes: Number(size) }
}

/** Registers that the whole value takes, or bits in a bit area. */
export function registersOf(at: At, { type, sizeBytes = 0 }: TypeOf): number {
  const one = isBitArea(at.area) ? 1 : registersOfElement(type, sizeBytes)
  return one * (at.length ?? 1)
}

export function registersOfElement(type: DataType, sizeBytes = 0): number {
  return type === 'string' || type === 'bytes' ? Math.ceil(sizeBytes / 2) : registersOfType[type]
}

/** Bits are read by FC1 and FC2, registers by FC3 and FC4. */
export function isBitArea(area: Area): boolean {
  return area === 'co' || area === 'di'
}

export function isReadOnlyArea(area: Area): boolean {
  return area === 'ir' || area === 'di'
}

export function locate(address: ModbusAddress, defaults: PlaceDefaults): Place {
  return {
    area: address.area,
    unit: address.unit ?? defaults.unit,
    start: defaults.addressing === 'one' ? address.offset - 1 : address.offset,
    count: address.registers,
    order: address.order ?? defaults.order,
    type: address.type,
    ...(address.bit === undefined ? {} : { bit: address.bit }),
    ...(address.length === undefined ? {} : { length: address.length }),
    ...(address.sizeBytes === undefined ? {} : { sizeBytes: address.sizeBytes }),
    ...(address.padding === undefined ? {} : { padding: address.padding }),
  }
}

/** Orders in which the two bytes of a register have changed places. */
export function isByteSwapped(order: Order): boolean {
  return order === 'BADC' || order === 'DCBA'
}

/** On a serial line unit 0 is all of them (Modbus over Serial Line 1.02, 2.1): it takes writes, and nobody answers. */
export function isBroadcast(unit: number, { line }: { readonly line: { readonly kind: string } }): boolean {
  return unit === 0 && line.kind !== 'tcp'
}

/** On the wire. */
export function spanOfRange(
  { area, unit, from, to }: PlaceRange,
  defaults: Pick<PlaceDefaults, 'unit' | 'addressing'>,
): Pick<Place, 'unit' | 'area' | 'start' | 'count'> {
  return { unit: unit ?? defaults.unit, area, start: defaults.addressing === 'one' ? from - 1 : from, count: to - from + 1 }
}

/** What the value at this address is before scaling, for the tag's `type` and `length`. */
export function modbusValueType(address: ModbusAddress): { readonly type: ValueType; readonly length?: number } {
  const type = valueTypes[address.type]
  return address.length === undefined ? { type } : { type, length: address.length }
}

/** As people write it, wire offset: `3/hr:100`. */
export function placeText(place: Pick<Place, 'unit' | 'area' | 'start'>): string {
  return `${place.unit}/${place.area}:${place.start}`
}
