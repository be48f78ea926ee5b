import type { Line } from '../plant/line.ts'

/** The four tables of a Modbus device, as the wire counts them. */
export type Area = 'hr' | 'ir' | 'co' | 'di'
export type RegisterType = 'bool' | 'u16' | 'i16' | 'u32' | 'u64' | 'f32' | 'bcd32' | 'text'
/** Which word comes first: `big` is ABCD, `little` is CDAB. */
export type WordOrder = 'big' | 'little'

/** One value of a device: where it lies and what of the line it shows. Values are raw, as the device holds them. */
export interface Point {
  readonly name: string
  readonly area: Area
  readonly address: number
  /** Of a bool in a register. */
  readonly bit?: number
  readonly type: RegisterType
  /** Registers of a text. */
  readonly words?: number
  read(line: Line): number | bigint | boolean | string
  readonly write?: PointWrite
}

export interface PointWrite {
  readonly min?: number
  readonly max?: number
  apply(line: Line, value: number): void
}

/** A Modbus exception, in the form that modbus-serial's server turns into an answer. */
class ModbusRefusal extends Error {
  readonly modbusErrorCode: number

  constructor(code: 2 | 3, message: string) {
    super(message)
    this.name = 'ModbusRefusal'
    this.modbusErrorCode = code
  }
}

export interface RegisterMap {
  readonly points: readonly Point[]
  /** The addresses that exist, both ends included; any other is answered with exception 2. */
  readonly blocks: Readonly<Partial<Record<Area, readonly (readonly [number, number])[]>>>
  readonly wordOrder: WordOrder
}

/** What a device holds right now; the server answers from it, the line is copied into it. */
export class Registers {
  readonly #map: RegisterMap
  readonly #words: Readonly<Record<Area, Uint16Array>>
  readonly #frozen = new Set<string>()

  constructor(map: RegisterMap) {
    this.#map = map
    const sized = (area: Area): Uint16Array => new Uint16Array(Math.max(0, ...(map.blocks[area] ?? []).map(([, last]) => last + 1)))
    this.#words = { hr: sized('hr'), ir: sized('ir'), co: sized('co'), di: sized('di') }
  }

  /** Copies the line into the registers; what is frozen stays as it was. */
  refresh(line: Line): void {
    for (const point of this.#map.points) {
      if (!this.#frozen.has(point.name)) this.#store(point, point.read(line))
    }
  }

  /** Throws exception 2 where one of these does not exist. */
  read(area: Area, address: number, count: number): number[] {
    this.#demand(area, address, count)
    return [...this.#words[area].subarray(address, address + count)]
  }

  /** Throws exception 2 where one of these may not be written, 3 where a value is out of bounds; then nothing was written. */
  write(area: Area, address: number, values: readonly number[], line: Line): void {
    this.#demand(area, address, values.length)
    const touched = this.#map.points.filter((point) => point.area === area && overlaps(point, address, values.length))
    const covered = touched.filter((point) => point.write).reduce((sum, point) => sum + overlap(point, address, values.length), 0)
    if (covered < values.length) throw new ModbusRefusal(2, 'not everything there is writable')
    const words = this.#words[area].slice()
    words.set(values, address)
    const wishes = touched.map((point) => ({ point, value: decode(point, words, this.#map.wordOrder) }))
    for (const { point, value } of wishes) demandInBounds(point, value)
    for (const { point, value } of wishes) point.write?.apply(line, value)
    this.refresh(line)
  }

  /** Keeps one point, or all, from changing. Returns whether there is such a point. */
  freeze(name: string | undefined): boolean {
    const names = this.#map.points.map((point) => point.name).filter((point) => name === undefined || point === name)
    for (const frozen of names) this.#frozen.add(frozen)
    return names.length > 0
  }

  thaw(): void {
    this.#frozen.clear()
  }

  #demand(area: Area, address: number, count: number): void {
    const exists = (this.#map.blocks[area] ?? []).some(([first, last]) => address >= first && address + count - 1 <= last)
    if (!exists) throw new ModbusRefusal(2, `${area}:${address} to ${address + count - 1} do not exist`)
  }

  #store(point: Point, value: number | bigint | boolean | string): void {
    const words = this.#words[point.area]
    if (point.bit === undefined) {
      words.set(encode(point, value, this.#map.wordOrder), point.address)
      return
    }
    const mask = 1 << point.bit
    const word = words[point.address] ?? 0
    words[point.address] = value ? word | mask : word & ~mask
  }
}

const wordsPerType = { bool: 1, u16: 1, i16: 1, u32: 2, u64: 4, f32: 2, bcd32: 2 } as const

function wordCount(point: Point): number {
  return point.type === 'text' ? (point.words ?? 1) : wordsPerType[point.type]
}

function overlap(point: Point, address: number, count: number): number {
  return Math.max(0, Math.min(point.address + wordCount(point), address + count) - Math.max(point.address, address))
}

function overlaps(point: Point, address: number, count: number): boolean {
  return overlap(point, address, count) > 0
}

function demandInBounds(point: Point, value: number): void {
  const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = point.write ?? {}
  if (!(value >= min && value <= max)) throw new ModbusRefusal(3, `${point.name}: ${value} is not between ${min} and ${max}`)
}

function encode(point: Point, value: number | bigint | boolean | string, order: WordOrder): number[] {
  const bytes = Buffer.alloc(2 * wordCount(point))
  switch (point.type) {
    case 'text':
      bytes.write(String(value).slice(0, bytes.length), 'latin1')
      return wordsOf(bytes)
    case 'bool':
      return [value ? 1 : 0]
    case 'u16':
      return [clampInteger(value, 0, 0xffff)]
    case 'i16':
      bytes.writeInt16BE(clampInteger(value, -0x8000, 0x7fff))
      break
    case 'u32':
      bytes.writeUInt32BE(clampInteger(value, 0, 0xffff_ffff))
      break
    case 'u64':
      bytes.writeBigUInt64BE(typeof value === 'bigint' ? value : BigInt(Math.round(Number(value))))
      break
    case 'f32':
      bytes.writeFloatBE(Number(value))
      break
    case 'bcd32':
      bytes.write(String(clampInteger(value, 0, 99_999_999)).padStart(8, '0'), 'hex')
      break
    default:
      point.type satisfies never
  }
  return inOrder(wordsOf(bytes), order)
}

// What the writable points of this plant are made of, and no more.
function decode(point: Point, words: Uint16Array, order: WordOrder): number {
  const own = inOrder([...words.subarray(point.address, point.address + wordCount(point))], order)
  const bytes = Buffer.from(own.flatMap((word) => [word >> 8, word & 0xff]))
  if (point.type === 'f32') return bytes.readFloatBE()
  return point.type === 'u32' ? bytes.readUInt32BE() : bytes.readUInt16BE()
}

function wordsOf(bytes: Buffer): number[] {
  return Array.from({ length: bytes.length / 2 }, (_, word) => bytes.readUInt16BE(2 * word))
}

function inOrder(words: number[], order: WordOrder): number[] {
  return order === 'big' ? words : words.toReversed()
}

function clampInteger(value: number | bigint | boolean | string, min: number, max: number): number {
  return Math.min(max, Math.max(min, Math.round(Number(value))))
}
