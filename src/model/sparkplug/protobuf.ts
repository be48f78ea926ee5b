/** The wire format of Protocol Buffers, as far as Sparkplug needs it: varints, fixed numbers and what is preceded by its length. */

/** An unsigned number of up to 64 bits: a bigint only beyond 2^53. */
export type Wide = number | bigint

/** Bytes that are no message. Never leaves this folder: `decodePayload` gives a problem instead. */
export class Malformed extends Error {}

const varint = 0
const fixed64 = 1
const counted = 2
const fixed32 = 5

/** Writes fields into a buffer that grows. */
export class FieldWriter {
  #bytes = Buffer.allocUnsafe(256)
  #at = 0

  /** What has been written; not to be used after the writer has gone on. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#at)
  }

  uint(field: number, value: Wide): void {
    this.#room(20)
    this.#varint(field * 8 + varint)
    if (typeof value === 'bigint') this.#wideVarint(BigInt.asUintN(64, value))
    else this.#varint(value)
  }

  bool(field: number, isTrue: boolean): void {
    this.uint(field, isTrue ? 1 : 0)
  }

  float(field: number, value: number): void {
    this.#room(20)
    this.#varint(field * 8 + fixed32)
    this.#at = this.#bytes.writeFloatLE(value, this.#at)
  }

  double(field: number, value: number): void {
    this.#room(20)
    this.#varint(field * 8 + fixed64)
    this.#at = this.#bytes.writeDoubleLE(value, this.#at)
  }

  string(field: number, text: string): void {
    const length = Buffer.byteLength(text)
    this.#room(20 + length)
    this.#varint(field * 8 + counted)
    this.#varint(length)
    this.#at += this.#bytes.write(text, this.#at)
  }

  bytes(field: number, bytes: Uint8Array): void {
    this.#room(20 + bytes.length)
    this.#varint(field * 8 + counted)
    this.#varint(bytes.length)
    this.#bytes.set(bytes, this.#at)
    this.#at += bytes.length
  }

  /** A message within this one. */
  nested<Value>(field: number, value: Value, write: (writer: FieldWriter, value: Value) => void): void {
    this.#room(20)
    this.#varint(field * 8 + counted)
    const start = this.#at
    write(this, value)
    const length = this.#at - start
    this.#room(10)
    const lengthSize = sizeOf(length)
    this.#bytes.copyWithin(start + lengthSize, start, this.#at)
    this.#at = start
    this.#varint(length)
    this.#at += length
  }

  #varint(value: number): void {
    let rest = value
    while (rest >= 0x80) {
      this.#bytes[this.#at++] = (rest % 0x80) | 0x80
      rest = Math.floor(rest / 0x80)
    }
    this.#bytes[this.#at++] = rest
  }

  #wideVarint(value: bigint): void {
    let rest = value
    while (rest >= 0x80n) {
      this.#bytes[this.#at++] = Number(rest & 0x7fn) | 0x80
      rest >>= 7n
    }
    this.#bytes[this.#at++] = Number(rest)
  }

  #room(more: number): void {
    if (this.#at + more <= this.#bytes.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#at + more))
    this.#bytes.copy(larger, 0, 0, this.#at)
    this.#bytes = larger
  }
}

function sizeOf(length: number): number {
  let size = 1
  for (let rest = length; rest >= 0x80; rest = Math.floor(rest / 0x80)) size += 1
  return size
}

/** What one decoding may cost. */
export interface Budget {
  /** Messages, strings and numbers of lists still allowed. */
  items: number
  readonly depthMax: number
}

/** Reads the fields of one message. Throws Malformed, and nothing else, at whatever it is given. */
export class FieldReader {
  readonly #bytes: Buffer
  readonly #end: number
  readonly #depth: number
  readonly budget: Budget
  #at: number
  #wireType = 0
  #low = 0
  #high = 0

  constructor(bytes: Buffer, budget: Budget, { start = 0, end = bytes.length, depth = 0 } = {}) {
    this.#bytes = bytes
    this.budget = budget
    this.#at = start
    this.#end = end
    this.#depth = depth
  }

  /** The number of the next field; 0 at the end. */
  next(): number {
    if (this.#at >= this.#end) return 0
    this.#varint()
    const field = this.#low >>> 3
    this.#wireType = this.#low & 7
    if (field === 0 || this.#high !== 0) throw new Malformed('a field has no number')
    return field
  }

  uint32(): number {
    this.#expect(varint)
    this.#varint()
    return this.#low
  }

  uint64(): Wide {
    this.#expect(varint)
    this.#varint()
    return this.#high < 0x20_0000 ? this.#high * 0x1_0000_0000 + this.#low : (BigInt(this.#high) << 32n) | BigInt(this.#low)
  }

  bool(): boolean {
    this.#expect(varint)
    this.#varint()
    return this.#low !== 0 || this.#high !== 0
  }

  float(): number {
    this.#expect(fixed32)
    return this.#bytes.readFloatLE(this.#take(4))
  }

  double(): number {
    this.#expect(fixed64)
    return this.#bytes.readDoubleLE(this.#take(8))
  }

  string(): string {
    const [start, end] = this.#span()
    return this.#bytes.toString('utf8', start, end)
  }

  /** A copy: the packet it came in is not kept alive. */
  bytes(): Uint8Array {
    const [start, end] = this.#span()
    return Uint8Array.from(this.#bytes.subarray(start, end))
  }

  nested(): FieldReader {
    const [start, end] = this.#span()
    if (this.#depth >= this.budget.depthMax) throw new Malformed(`it is nested deeper than ${this.budget.depthMax} messages`)
    return new FieldReader(this.#bytes, this.budget, { start, end, depth: this.#depth + 1 })
  }

  /** One element of a list of numbers, or all of them in one field: both are valid. */
  uint32s(into: number[]): void {
    if (this.#wireType !== counted) {
      into.push(this.uint32())
      return
    }
    const [start, end] = this.#span()
    const after = this.#at
    this.#at = start
    while (this.#at < end) {
      this.#pay()
      this.#varint()
      into.push(this.#low)
    }
    if (this.#at !== end) throw new Malformed('a list of numbers ends in the middle of one')
    this.#at = after
  }

  /** A field that this side does not know. */
  skip(): void {
    if (this.#wireType === varint) this.#varint()
    else if (this.#wireType === fixed64) this.#take(8)
    else if (this.#wireType === fixed32) this.#take(4)
    else this.#span()
  }

  #span(): readonly [number, number] {
    this.#expect(counted)
    this.#pay()
    this.#varint()
    if (this.#high !== 0) throw new Malformed('a length is beyond all bounds')
    const length = this.#low
    const start = this.#take(length)
    return [start, start + length]
  }

  #take(length: number): number {
    const start = this.#at
    if (length > this.#end - start) throw new Malformed('it ends in the middle of a field')
    this.#at = start + length
    return start
  }

  #pay(): void {
    this.budget.items -= 1
    if (this.budget.items < 0) throw new Malformed('it holds more than can be taken in')
  }

  #expect(wireType: number): void {
    if (this.#wireType !== wireType) throw new Malformed(`a field has the wire type ${this.#wireType}, and ${wireType} is due`)
  }

  /** Into two halves, for numbers are exact to 53 bits only. */
  #varint(): void {
    let low = 0
    let high = 0
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.#bytes[this.#at]
      if (byte === undefined || this.#at >= this.#end) throw new Malformed('it ends in the middle of a number')
      this.#at += 1
      const bits = byte & 0x7f
      if (shift < 32) low |= bits << shift
      if (shift === 28) high |= bits >>> 4
      if (shift > 28) high |= bits << (shift - 32)
      if (byte < 0x80) {
        this.#low = low >>> 0
        this.#high = high >>> 0
        return
      }
    }
    throw new Malformed('a number has more than ten bytes')
  }
}
