import type { Quality } from './quality.ts'

declare const tagId: unique symbol
declare const tagIndex: unique symbol

/** `DEVICE/TAG`, unique in a site and never changing: it is the tail of the MQTT topic and of the OPC UA node id. */
export type TagId = string & { readonly [tagId]: true }
/** A tag's place in the site's list of tags. Means nothing outside this process: what is stored or sent uses the TagId. */
export type TagIndex = number & { readonly [tagIndex]: true }

export function asTagId(text: string): TagId {
  return text as TagId
}

export function asTagIndex(place: number): TagIndex {
  return place as TagIndex
}

/** 64-bit integers are bigint, all other numbers are number, byte strings are Uint8Array. */
export type Scalar = boolean | number | bigint | string | Uint8Array
export type TagValue = Scalar | readonly Scalar[]

/** What a value is once decoded and scaled. bcd16, bcd32 are u16 and u32 by then; a scaled number is f64. */
export type ValueType = 'bool' | 'i8' | 'u8' | 'i16' | 'u16' | 'i32' | 'u32' | 'i64' | 'u64' | 'f32' | 'f64' | 'string' | 'bytes' | 'time'

export type Role = 'viewer' | 'operator' | 'engineer' | 'admin'
const roles: readonly Role[] = ['viewer', 'operator', 'engineer', 'admin']

/** Whether somebody with `role` may do what asks for `needed`: each role may do all that the ones before it may. */
export function roleAllows(role: Role, needed: Role): boolean {
  return roles.indexOf(role) >= roles.indexOf(needed)
}

/** Linear: raw from `raw[0]` to `raw[1]` means engineering units from `to[0]` to `to[1]`. */
export interface LinearScale {
  readonly raw: readonly [number, number]
  readonly to: readonly [number, number]
  /** The device holds whole numbers: what is written lies between two of them, and the nearest is meant. */
  readonly isRawWhole?: boolean
}

/** The rules of the command road for one tag. A tag without them is read-only. */
export interface WriteRules {
  readonly min?: number
  readonly max?: number
  /** How long the read-back may take to show the value; 0 asks for no read-back. */
  readonly confirmMs: number
  /** How far the read-back may be off, in engineering units. */
  readonly tolerance: number
  readonly role: Role
  /** CEL over the device's own tags; the write is refused unless it is true. */
  readonly interlock?: string
  /** Writes a second, by all askers together. */
  readonly ratePerSecondMax: number
  /** How far one write may lie from what the device holds, in engineering units. */
  readonly stepMax?: number
  /** How much all writes together may change the value within a span of time, in engineering units. */
  readonly ramp?: Ramp
}

/** `10/s`: at most 10 at once, and no more than 10 a second on average. */
export interface Ramp {
  readonly amount: number
  readonly perMs: number
}

/** Everything about a tag but its address: what the whole product needs to know of it. Plain data. */
export interface TagMeta {
  readonly id: TagId
  readonly device: string
  /** Inside the device: `hydraulics/pressure`. */
  readonly path: string
  /** Absent where the device alone knows (an OPC UA node without a declared type). */
  readonly type?: ValueType
  /** Number of elements; absent for a scalar. */
  readonly length?: number
  /** Where the device's place for it has a fixed size: what one text takes at most, in UTF-8, and one byte string exactly. */
  readonly sizeBytes?: number
  /** What the device's place for one element can hold, raw, where `type` does not say it: scaled numbers and BCD. */
  readonly rawSpan?: readonly [number, number]
  readonly unit?: string
  readonly range?: readonly [number, number]
  readonly description?: string
  readonly scan: string
  readonly scale?: LinearScale
  /** In engineering units: a smaller change is not passed on. */
  readonly deadband?: number
  /** An unchanged value is passed on again after this long. */
  readonly refreshMs?: number
  readonly write?: WriteRules
  /** Paths of the device's other tags that show the same place, or a part of it, where it may be written through one of them. */
  readonly sharedWith?: readonly string[]
}

/** A tag as its driver sees it. */
export interface Tag<Address> extends TagMeta {
  readonly address: Address
}

/** What a driver brings: one value, not yet scaled. */
export interface Reading {
  /** Position in the list of tags the driver was connected with. */
  readonly tag: number
  /** null where the device gave none. */
  readonly value: TagValue | null
  readonly quality: Quality
  /** The OPC UA status code, where the device speaks OPC UA. */
  readonly status?: number
  /** When the source says the value was taken; absent where the protocol has no time: then it is the time of reading. */
  readonly sourceMs?: number
}
