import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type DataTypeName, dataTypes } from '../../../src/model/sparkplug/data-type.ts'
import { decodePayload } from '../../../src/model/sparkplug/decode.ts'
import { encodePayload } from '../../../src/model/sparkplug/encode.ts'
import type { PropertySet, SparkplugMetric, SparkplugPayload, WireScalar, WireValue } from '../../../src/model/sparkplug/payload.ts'
import { typedValue, wireValue } from '../../../src/model/sparkplug/values.ts'
import type { TagValue } from '../../../src/model/tag.ts'

function decoded(bytes: Uint8Array): SparkplugPayload {
  const result = decodePayload(bytes)
  if ('problem' in result) throw new Error(result.problem)
  return result.payload
}

const text = fc.string({ unit: 'grapheme', maxLength: 20 })
const wide = fc.oneof(fc.maxSafeNat(), fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n }))
const uint32 = fc.nat({ max: 0xffff_ffff })
const bytes = fc.uint8Array({ maxLength: 40 })

const scalar: fc.Arbitrary<WireScalar> = fc.oneof(
  fc.record({ form: fc.constant('int' as const), value: uint32 }),
  fc.record({ form: fc.constant('long' as const), value: wide }),
  fc.record({ form: fc.constant('float' as const), value: fc.float() }),
  fc.record({ form: fc.constant('double' as const), value: fc.double() }),
  fc.record({ form: fc.constant('boolean' as const), value: fc.boolean() }),
  fc.record({ form: fc.constant('string' as const), value: text }),
  fc.record({ form: fc.constant('extension' as const), value: bytes }),
)
const part: { requiredKeys: never[] } = { requiredKeys: [] }

const { propertySet } = fc.letrec<{ propertySet: PropertySet }>((tie) => ({
  propertySet: fc.array(
    fc.record(
      {
        name: text,
        type: uint32,
        isNull: fc.boolean(),
        value: fc.oneof(
          { maxDepth: 2 },
          scalar,
          fc.record({ form: fc.constant('propertySet' as const), value: tie('propertySet') }),
          fc.record({ form: fc.constant('propertySets' as const), value: fc.array(tie('propertySet'), { maxLength: 2 }) }),
        ),
      },
      { requiredKeys: ['name'] },
    ),
    { maxLength: 3 },
  ),
}))

const dataSet = fc.nat({ max: 4 }).chain((count) =>
  fc.record({
    columns: fc.array(fc.record({ name: text, type: uint32 }), { minLength: count, maxLength: count }),
    rows: fc.array(fc.array(fc.option(scalar, { nil: undefined }), { minLength: count, maxLength: count }), { maxLength: 3 }),
  }),
)

const metadata = fc.record(
  { isMultiPart: fc.boolean(), contentType: text, size: wide, seq: wide, fileName: text, fileType: text, md5: text, description: text },
  part,
)

const { metric } = fc.letrec<{ metric: SparkplugMetric }>((tie) => ({
  metric: fc.record(
    {
      name: text,
      alias: wide,
      timestampMs: wide,
      type: uint32,
      isHistorical: fc.boolean(),
      isTransient: fc.boolean(),
      isNull: fc.boolean(),
      metadata,
      properties: propertySet,
      value: fc.oneof(
        { maxDepth: 2 },
        scalar,
        fc.record({ form: fc.constant('bytes' as const), value: bytes }),
        fc.record({ form: fc.constant('dataSet' as const), value: dataSet }),
        fc.record({
          form: fc.constant('template' as const),
          value: fc.record(
            {
              version: text,
              metrics: fc.array(tie('metric'), { maxLength: 2 }),
              parameters: fc.array(fc.record({ name: text, type: uint32, value: scalar }, part), { maxLength: 2 }),
              ref: text,
              isDefinition: fc.boolean(),
            },
            { requiredKeys: ['metrics', 'parameters'] },
          ),
        }),
      ) as fc.Arbitrary<WireValue>,
    },
    part,
  ),
}))

const payload: fc.Arbitrary<SparkplugPayload> = fc.record(
  { timestampMs: wide, metrics: fc.array(metric, { maxLength: 5 }), seq: wide, uuid: text, body: bytes },
  { requiredKeys: ['metrics'] },
)

describe('a Sparkplug payload', () => {
  it('is after decoding what it was before encoding', () => {
    fc.assert(
      fc.property(payload, (sent) => {
        expect(decoded(encodePayload(sent))).toEqual(sent)
      }),
    )
  })

  it('is a payload or a problem, whatever the bytes are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), (noise) => {
        const result = decodePayload(noise)
        expect('payload' in result || result.problem.length > 0).toBe(true)
      }),
      { numRuns: 2_000 },
    )
  })

  it('does not throw when bytes of it are changed, cut off or doubled', () => {
    fc.assert(
      fc.property(payload, fc.nat(), fc.nat({ max: 255 }), fc.constantFrom('change', 'cut', 'double'), (sent, place, byte, what) => {
        const whole = Uint8Array.from(encodePayload(sent))
        const at = place % (whole.length + 1)
        if (what === 'change' && at < whole.length) whole[at] = byte
        const mangled = what === 'cut' ? whole.subarray(0, at) : what === 'double' ? Buffer.concat([whole, whole.subarray(at)]) : whole
        expect(() => decodePayload(mangled)).not.toThrow()
      }),
      { numRuns: 1_000 },
    )
  })

  it('is refused where it is too large, too deep or holds too much', () => {
    expect(decodePayload(new Uint8Array(11), { sizeBytesMax: 10, itemsMax: 10 })).toEqual({
      problem: 'it has 11 bytes, and 10 are allowed',
    })
    const many = encodePayload({ metrics: Array.from({ length: 11 }, () => ({})) })
    expect(decodePayload(many, { sizeBytesMax: 1_000, itemsMax: 10 })).toEqual({ problem: 'it holds more than can be taken in' })
    let nest: SparkplugMetric = {}
    for (let depth = 0; depth < 10; depth += 1) nest = { value: { form: 'template', value: { metrics: [nest], parameters: [] } } }
    expect(decodePayload(encodePayload({ metrics: [nest] }))).toMatchObject({ problem: expect.stringContaining('deeper') })
  })

  it('is refused where a data set or a property set contradicts itself', () => {
    const shorter = { form: 'dataSet', value: { columns: [{ name: 'a', type: 3 }], rows: [[]] } } as const
    expect(decodePayload(encodePayload({ metrics: [{ value: shorter }] }))).toMatchObject({ problem: expect.stringContaining('cells') })
    const twoNames = Buffer.from([0x12, 6, 0x4a, 4, 0x0a, 0, 0x0a, 0])
    expect(decodePayload(twoNames)).toEqual({ problem: 'a property set has 2 names for 0 values' })
  })

  it('may hold fields of the future', () => {
    const future = Buffer.concat([encodePayload({ metrics: [], seq: 7 }), Buffer.from([0x98, 0x06, 1, 0xa2, 0x06, 2, 1, 2])])
    expect(decoded(future)).toEqual({ metrics: [], seq: 7 })
  })
})

const samples: Readonly<Partial<Record<DataTypeName, readonly TagValue[]>>> = {
  Int8: [-128, 0, 127],
  Int16: [-32_768, 32_767],
  Int32: [-(2 ** 31), 2 ** 31 - 1],
  Int64: [-(2n ** 63n), -1n, 2n ** 63n - 1n],
  UInt8: [0, 255],
  UInt16: [65_535],
  UInt32: [2 ** 32 - 1],
  UInt64: [0n, 2n ** 64n - 1n],
  Float: [1.5, Number.NaN, Number.POSITIVE_INFINITY],
  Double: [Math.PI, -0],
  Boolean: [true, false],
  String: ['', 'Öl ✓'],
  DateTime: [0, 1_764_000_000_123],
  Text: ['line\nline'],
  UUID: ['7d444840-9dc0-11d1-b245-5ffdce74fad2'],
  Bytes: [new Uint8Array([0, 255])],
  File: [new Uint8Array([1])],
  Int8Array: [[], [-23, 123]],
  Int16Array: [[-30_000, 30_000]],
  Int32Array: [[-1, 315_338_746]],
  Int64Array: [[-4_270_929_666_821_191_986n, -1n]],
  UInt8Array: [[23, 250]],
  UInt16Array: [[30, 52_360]],
  UInt32Array: [[52, 3_293_969_225]],
  UInt64Array: [[52n, 16_444_743_074_749_521_625n]],
  FloatArray: [[1.5, -0.25]],
  DoubleArray: [[12.354_213, 1_022.9123213]],
  BooleanArray: [[], [false, false, true, true, false, true, false, false, true, true, false, true]],
  StringArray: [[], ['ABC', 'hello'], ['']],
  DateTimeArray: [[1_256_102_875_335, 1_656_107_875_000]],
}

describe('a Sparkplug value', () => {
  it.each(Object.entries(samples))('of type %s comes back as it was', (name, values) => {
    const type = dataTypes[name as DataTypeName]
    for (const value of values) {
      const wire = wireValue(value, type)
      expect(wire).toBeDefined()
      if (wire === undefined) return
      const metric = decoded(encodePayload({ metrics: [{ value: wire }] })).metrics[0]
      expect(typedValue(metric?.value ?? wire, type)).toEqual(value)
    }
  })

  it('has the bytes of the examples in the specification where it is an array', () => {
    const hex = (value: TagValue, type: DataTypeName) => {
      const wire = wireValue(value, dataTypes[type])
      return wire?.form === 'bytes' ? Buffer.from(wire.value).toString('hex') : undefined
    }
    expect(hex([-23, 123], 'Int8Array')).toBe('e97b')
    expect(hex([-30_000, 30_000], 'Int16Array')).toBe('d08a3075')
    expect(hex([-1, 315_338_746], 'Int32Array')).toBe('fffffffffaafcb12')
    expect(hex([23, 250], 'UInt8Array')).toBe('17fa')
    expect(hex([30, 52_360], 'UInt16Array')).toBe('1e0088cc')
    expect(hex(['ABC', 'hello'], 'StringArray')).toBe('4142430068656c6c6f00')
    expect(hex([false, false, true, true, false, true, false, false, true, true, false, true], 'BooleanArray')).toBe('0c00000034d0')
    expect(hex([1_256_102_875_335, 1_656_107_875_000], 'DateTimeArray')).toBe('c7d0907524010000b8bab89781010000')
  })

  it.each<[TagValue, DataTypeName]>([
    [128, 'Int8'],
    [-1, 'UInt32'],
    [1.5, 'Int32'],
    [Number.NaN, 'Int64'],
    [2n ** 64n, 'UInt64'],
    ['1', 'Int32'],
    [1, 'Boolean'],
    [1, 'String'],
    [[1, 256], 'UInt8Array'],
    [['a\0b'], 'StringArray'],
    [[true], 'Int8Array'],
    [[1], 'Int8'],
    [1, 'Int8Array'],
    [1, 'DataSet'],
  ])('%s is not made to fit %s', (value, type) => {
    expect(wireValue(value, dataTypes[type])).toBeUndefined()
  })

  it('is understood from makes that extend signs further, or put 32 bits into 64', () => {
    expect(typedValue({ form: 'int', value: 0xffff_fffb }, dataTypes.Int8)).toBe(-5)
    expect(typedValue({ form: 'int', value: 0xfb }, dataTypes.Int8)).toBe(-5)
    expect(typedValue({ form: 'long', value: 2n ** 64n - 5n }, dataTypes.Int16)).toBe(-5)
    expect(typedValue({ form: 'long', value: 2 ** 32 - 1 }, dataTypes.UInt32)).toBe(2 ** 32 - 1)
    expect(typedValue({ form: 'int', value: 300 }, dataTypes.Int8)).toBeUndefined()
    expect(typedValue({ form: 'int', value: 256 }, dataTypes.UInt8)).toBeUndefined()
  })

  it('is undefined where its form is not that of the type', () => {
    expect(typedValue({ form: 'string', value: '1' }, dataTypes.Int32)).toBeUndefined()
    expect(typedValue({ form: 'bytes', value: new Uint8Array(3) }, dataTypes.Int16Array)).toBeUndefined()
    expect(typedValue({ form: 'bytes', value: new Uint8Array([9, 0, 0, 0, 1]) }, dataTypes.BooleanArray)).toBeUndefined()
    expect(typedValue({ form: 'bytes', value: Buffer.from('no zero') }, dataTypes.StringArray)).toBeUndefined()
    expect(typedValue({ form: 'int', value: 1 }, 99)).toBeUndefined()
  })
})
