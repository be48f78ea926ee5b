import { Fault } from '../base/fault.ts'
import type { Scalar, TagMeta } from '../model/tag.ts'

/** Throws where a text or a byte string does not fit its place in the device: it is never cut, and bytes are never filled up. */
export function checkSize(value: Scalar, { id, sizeBytes }: TagMeta): void {
  if (sizeBytes === undefined) return
  if (typeof value === 'string' && Buffer.byteLength(value) > sizeBytes) {
    throw new Fault('command.length', `The text has ${Buffer.byteLength(value)} bytes, and ${id} has room for ${sizeBytes}.`, {
      remedy: `Write at most ${sizeBytes} bytes of UTF-8: letters beyond ASCII take two or more.`,
    })
  }
  if (value instanceof Uint8Array && value.length !== sizeBytes) {
    throw new Fault('command.length', `The value has ${value.length} bytes, and ${id} takes ${sizeBytes}.`, {
      remedy: `Write exactly ${sizeBytes} bytes.`,
    })
  }
}
