import fc from 'fast-check'
import { StatusCodes } from 'node-opcua-client'
import { describe, expect, it } from 'vitest'
import type { Scalar, TagValue } from '../../../src/model/tag.ts'
import { connect, plant, sharedPeer, until } from './opcua-site.ts'

type Holds = (value: Scalar) => Scalar | undefined

/** What each built-in type holds, written out from OPC 10000-6 and not from our code: what comes back, undefined for what does not fit. */
const whole =
  (low: bigint, high: bigint): Holds =>
  (value) => {
    if (typeof value !== 'bigint' && !Number.isSafeInteger(value)) return undefined
    const number = BigInt(value as number | bigint)
    return number >= low && number <= high ? Number(number) : undefined
  }
const wide =
  (low: bigint, high: bigint): Holds =>
  (value) =>
    whole(low, high)(value) === undefined ? undefined : BigInt(value as number | bigint)
const float =
  (nearest: (value: number) => number): Holds =>
  (value) =>
    (typeof value === 'number' || typeof value === 'bigint') && Number.isFinite(nearest(Number(value))) ? nearest(Number(value)) : undefined
const text: Holds = (value) => (typeof value === 'string' ? value : undefined)
const never: Holds = () => undefined
const isMoment = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/
const isGuid = /^[0-9A-F]{8}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{12}$/
/** The codes that OPC 10000-6, annex A, gives a name, all of them: chance finds them. The lower 16 bits of a code say more about what the upper ones name. */
const codes: ReadonlySet<number> = new Set(Object.values(StatusCodes).flatMap(({ value }) => (value % 0x1_0000 === 0 ? [value] : [])))
const namespaceMax = 65_535
const isNumberedName = /^(\d+):(.*)$/s
/** As reading writes them: any other spelling would come back as another text. */
const ids = [
  'ns=0;i=85',
  'ns=1;i=5',
  'ns=1;i=4294967295',
  'ns=1;s=abc',
  'ns=65535;s=x;y=z',
  'ns=1;g=72962B91-FA75-4AE6-8D28-B404DC7DAF63',
  'ns=1;b=YWJj',
]
const noIds = ['i=85x', 'ns=1;i=4294967296', 'ns=1;i=-1', 'ns=65536;s=abc', 'ns=1;g=72962B91', 'ns=1;x=5', 'nsu=urn:x;i=5', 'ns=-1;i=5']
const qualified = ['1:Name', '65535:Name', '65536:Name', '0:Name', '01:Name', '1:', '1:a:b', ':Name', 'a:b', '99999999999:x']

const scalars: Readonly<Record<string, Holds>> = {
  Bool: (value) => (typeof value === 'boolean' ? value : undefined),
  SByte: whole(-128n, 127n),
  Byte: whole(0n, 255n),
  Int16: whole(-32_768n, 32_767n),
  UInt16: whole(0n, 65_535n),
  N0: whole(-2_147_483_648n, 2_147_483_647n),
  UInt32: whole(0n, 4_294_967_295n),
  Int64: wide(-(2n ** 63n), 2n ** 63n - 1n),
  UInt64: wide(0n, 2n ** 64n - 1n),
  Float: float(Math.fround),
  Double: float((value) => value),
  Text: text,
  Label: text,
  When: (value) =>
    typeof value === 'string' && isMoment.test(value) && value > '1601-01-01T00:00:00.000Z' && value < '9999-12-31' ? value : undefined,
  Bytes: (value) => (value instanceof Uint8Array ? value : undefined),
  Guid: (value) => (typeof value === 'string' && isGuid.test(value) ? value : undefined),
  Xml: text,
  Code: (value) =>
    whole(0n, 0xffff_ffffn)(value) !== undefined && typeof value === 'number' && codes.has(value - (value % 0x1_0000)) ? value : undefined,
  Name: (value) => {
    if (typeof value !== 'string' || value === '') return undefined // the null name: nobody asks for that by writing it
    const [, namespace, name] = isNumberedName.exec(value) ?? []
    if (namespace === undefined) return value
    return name !== '' && /^[1-9]/.test(namespace) && Number(namespace) <= namespaceMax ? value : undefined
  },
  Id: (value) => (ids.includes(value as string) ? value : undefined),
  Press: never,
}
const arrays: Readonly<Record<string, { readonly holds: Holds; readonly length?: number }>> = {
  Doubles: { holds: float((value) => value) },
  Int64s: { holds: wide(-(2n ** 63n), 2n ** 63n - 1n) },
  Matrix: { holds: whole(-32_768n, 32_767n), length: 6 },
}
const names = [...Object.keys(scalars), ...Object.keys(arrays)]

const edges = [7n, 8n, 15n, 16n, 31n, 32n, 53n, 63n, 64n].flatMap((bits) => [2n ** bits - 1n, 2n ** bits, 2n ** bits + 1n])
/** Each of them is tried in every run of the test: what only some of them find shall not wait for chance. */
const fixed: readonly Scalar[] = [
  ...edges,
  ...edges.map((edge) => -edge),
  ...edges.filter((edge) => edge <= 2n ** 53n).map(Number),
  ...[0, 0x4000_0000, 0x8000_0000, 0x808b_0000, 0x0401_0000, 0x0401_2c00, 0x400, 0x808b_0480, 0x0123_4567, 0x8fff_0000, 0xffff_ffff],
  ...[2 ** 32, -1, -0, 0.5, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.MAX_VALUE, Number.MIN_VALUE],
  ...[...ids, ...noIds, ...qualified],
  ...['', '5', '2024', '2024-01-01', '1500-01-01T00:00:00.000Z', 'true', '1e3', '0001-01-01T00:00:00.000Z'],
]
const scalar: fc.Arbitrary<Scalar> = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...fixed) },
  fc.double(),
  fc.integer(),
  fc.integer({ min: -300, max: 300 }),
  fc.integer({ min: 0, max: 0xffff_ffff }),
  fc.boolean(),
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.uint8Array(),
  fc.uuid().map((uuid) => uuid.toUpperCase()),
  fc.date({ min: new Date('1601-01-02'), max: new Date('9999-12-30'), noInvalidDate: true }).map((date) => date.toISOString()),
)
const values: fc.Arbitrary<TagValue> = fc.oneof(
  { weight: 4, arbitrary: scalar },
  { weight: 1, arbitrary: fc.array(scalar, { maxLength: 7 }) },
  { weight: 1, arbitrary: fc.array(fc.oneof(fc.integer({ min: -40_000, max: 40_000 }), fc.bigInt()), { minLength: 5, maxLength: 7 }) },
)

function heldBy(name: string, value: TagValue): TagValue | undefined {
  const list = arrays[name]
  if (list === undefined) return Array.isArray(value) ? undefined : scalars[name]?.(value as Scalar)
  if (!Array.isArray(value) || (list.length !== undefined && value.length !== list.length)) return undefined
  const items = value.map((item: Scalar) => list.holds(item))
  return items.every((item) => item !== undefined) ? items : undefined
}

/** Minus zero of whole numbers is zero; bytes by what they hold. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain)
  if (value instanceof Uint8Array) return [...value]
  return typeof value === 'number' ? value + 0 : value
}

const rich = sharedPeer({ isRich: true, count: 1 })

describe('a value that is written to OPC UA', () => {
  it('comes back as it was meant, or is refused as none of the type of the node and leaves it as it was', {
    timeout: 180_000,
  }, async () => {
    await using parts = new AsyncDisposableStack()
    const addresses = names.map((name) => plant(name))
    const connection = await connect(parts, rich.url, addresses)
    const readAll = async () => (await connection.read([...names.keys()], until())).map(({ value }) => plain(value))
    let last = await readAll()
    const property = fc.asyncProperty(values, async (value) => {
      const writes = names.map((_, tag) => ({ tag, value }))
      const refusals = (await connection.refusals?.(writes, until())) ?? []
      const outcomes = await connection.write(writes, until())
      const before = last
      const after = await readAll()
      last = after // now, not at the end: a smaller example is tried after one that failed
      for (const [tag, name] of names.entries()) {
        const held = heldBy(name, value)
        expect({ name, refused: refusals[tag] !== undefined, ...outcomes[tag] }).toMatchObject({
          name,
          refused: held === undefined,
          outcome: held === undefined ? 'failed' : 'done',
        })
        expect({ name, value: after[tag] }).toEqual({ name, value: held === undefined ? before[tag] : plain(held) })
      }
    })
    await fc.assert(property, { examples: fixed.map((value) => [value]), numRuns: fixed.length + 400 })
  })
})
