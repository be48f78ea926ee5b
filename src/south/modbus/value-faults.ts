import { Fault } from '../../base/fault.ts'
import type { Scalar } from '../../model/tag.ts'

export function wrongType(value: unknown, wanted: string): Fault {
  return new Fault('modbus.value-type', `"${String(value).slice(0, 80)}" is not ${wanted}.`, { remedy: `Write ${wanted}.` })
}

export function outOfRange(value: Scalar, limits: { readonly min: unknown; readonly max: unknown }): Fault {
  return new Fault('modbus.value-range', `${value} does not fit: it must lie between ${limits.min} and ${limits.max}.`, {
    remedy: 'Write a value that fits, or give the tag the type that the device really has.',
  })
}

export function tooLong(sizeBytes: number, sizeBytesMax: number): Fault {
  return new Fault('modbus.value-length', `The value has ${sizeBytes} bytes, and the device's has ${sizeBytesMax}.`, {
    remedy: `Write a value of ${sizeBytesMax} bytes; text may be shorter.`,
  })
}
