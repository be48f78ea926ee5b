import { type DataType, type Order, orders, registersOfElement } from './address.ts'
import { codecOf } from './codec.ts'

/** Registers that were read side by side. */
export interface ProbedBlock {
  readonly start: number
  /** As on the wire. */
  readonly data: Buffer
}

export const probedTypes = ['i32', 'u32', 'f32', 'i64', 'u64', 'f64', 'bcd16', 'bcd32'] as const satisfies readonly DataType[]
export type ProbedType = (typeof probedTypes)[number]

export type NumberValue = number | bigint

/** One register, and every value that could begin with it. null: the bytes are no such value; absent: the block ends before it would. */
export interface RegisterView {
  readonly register: number
  readonly hex: string
  readonly u16: number
  readonly i16: number
  /** The two bytes as text, `.` for what cannot be printed. */
  readonly text: string
  readonly values: Readonly<Partial<Record<ProbedType, Readonly<Record<Order, NumberValue | null>>>>>
}

/** Every register of a block as every type in every order. */
export function viewsOf({ start, data }: ProbedBlock): readonly RegisterView[] {
  const count = data.length / 2
  return Array.from({ length: count }, (_, place) => {
    const u16 = data.readUInt16BE(place * 2)
    const types = probedTypes.filter((type) => place + registersOfElement(type) <= count)
    return {
      register: start + place,
      hex: u16.toString(16).padStart(4, '0'),
      u16,
      i16: data.readInt16BE(place * 2),
      text: [u16 >> 8, u16 & 0xff].map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join(''),
      values: Object.fromEntries(types.map((type) => [type, inEveryOrder(data, place, type)])),
    }
  })
}

function inEveryOrder(data: Buffer, place: number, type: ProbedType): Readonly<Record<Order, NumberValue | null>> {
  return Object.fromEntries(orders.map((order) => [order, numberAt(data, place, { type, order })])) as Record<Order, NumberValue | null>
}

export interface Reading {
  readonly type: Exclude<DataType, 'string' | 'bytes' | 'bool'>
  readonly order: Order
}

/** `place` in registers from the beginning of the data. */
export function numberAt(data: Buffer, place: number, { type, order }: Reading): NumberValue | null {
  const count = registersOfElement(type)
  const value = codecOf({ area: 'hr', unit: 1, start: 0, count, order, type }).decode(data, place * 2)
  return typeof value === 'number' || typeof value === 'bigint' ? value : null
}
