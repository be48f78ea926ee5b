import type { Scalar } from '../../model/tag.ts'
import { isByteSwapped, type Order, type Padding } from './address.ts'
import { tooLong, wrongType } from './value-faults.ts'

/** One element of a value. `undefined` from `decode` is no value. */
export interface ElementCodec {
  readonly sizeBytes: number
  decode(raw: Uint8Array, at: number): Scalar | undefined
  encode(value: Scalar, into: Buffer, at: number): void
}

export function stringCodec({
  sizeBytes,
  order,
  padding,
}: {
  readonly sizeBytes: number
  readonly order: Order
  readonly padding: Padding
}): ElementCodec {
  const bytes = bytesCodec(sizeBytes, order)
  return {
    sizeBytes: bytes.sizeBytes,
    decode: (raw, at) => textOf(pick(raw, { at, sizeBytes, order })),
    encode: (value, into, at) => {
      if (typeof value !== 'string') throw wrongType(value, 'text')
      if (!value.isWellFormed()) throw wrongType(value, 'text of whole characters')
      const text = Buffer.from(value)
      if (text.length > sizeBytes) throw tooLong(text.length, sizeBytes)
      if (text.includes(0)) throw wrongType(value, 'text without NUL, which ends a text in a device')
      const isFilledUp = padding === 'nul' && text.length < sizeBytes
      if (!isFilledUp && value.endsWith(' '))
        throw wrongType(value, 'text without blanks at its end, which a device cannot tell from filling')
      bytes.encode(Buffer.concat([text, Buffer.alloc(sizeBytes - text.length, padding === 'space' ? ' ' : 0)]), into, at)
    },
  }
}

/** Text ends at the first NUL; where there is none, blanks at the end are filling. */
function textOf(bytes: Buffer): string {
  const end = bytes.indexOf(0)
  const text = bytes.subarray(0, end === -1 ? bytes.length : end)
  const decoded = decodeText(text)
  return end === -1 ? decoded.replace(/ +$/, '') : decoded
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Devices older than UTF-8 speak Latin-1; what is no UTF-8 is taken for that. */
function decodeText(bytes: Buffer): string {
  try {
    return utf8.decode(bytes)
  } catch {
    return bytes.toString('latin1')
  }
}

export function bytesCodec(sizeBytes: number, order: Order): ElementCodec {
  return {
    sizeBytes: 2 * Math.ceil(sizeBytes / 2),
    decode: (raw, at) => Uint8Array.from(pick(raw, { at, sizeBytes, order })),
    encode: (value, into, at) => {
      if (!(value instanceof Uint8Array)) throw wrongType(value, 'bytes')
      if (value.length !== sizeBytes) throw tooLong(value.length, sizeBytes)
      const flip = isByteSwapped(order) ? 1 : 0
      for (const [place, byte] of value.entries()) into[at + (place ^ flip)] = byte
    },
  }
}

function pick(raw: Uint8Array, from: { readonly at: number; readonly sizeBytes: number; readonly order: Order }): Buffer {
  const flip = isByteSwapped(from.order) ? 1 : 0
  const bytes = Buffer.alloc(from.sizeBytes)
  for (let place = 0; place < from.sizeBytes; place += 1) bytes[place] = raw[from.at + (place ^ flip)] ?? 0
  return bytes
}
