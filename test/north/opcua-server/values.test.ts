import { DataType } from 'node-opcua-variant'
import { describe, expect, it } from 'vitest'
import { epochMs } from '../../../src/base/clock.ts'
import type { Sample } from '../../../src/model/sample.ts'
import type { TagValue, ValueType } from '../../../src/model/tag.ts'
import { clampRequest } from '../../../src/north/opcua-server/limits.ts'
import { engineeringUnits } from '../../../src/north/opcua-server/units.ts'
import { statusOf, tagValueOf, variantOf } from '../../../src/north/opcua-server/values.ts'

describe('a value', () => {
  it.each<[ValueType | undefined, TagValue]>([
    ['bool', true],
    ['i8', -128],
    ['u32', 4_294_967_295],
    ['i64', -(2n ** 63n)],
    ['u64', 2n ** 64n - 1n],
    ['f64', 0.1],
    ['string', 'ä'],
    ['bytes', new Uint8Array([1, 2])],
    ['time', '2024-01-01T00:00:00.000Z'],
    ['i32', [1, 2, 3]],
    ['i64', [1n, -1n]],
    [undefined, 'x'],
    [undefined, 1.5],
    [undefined, 2n ** 63n],
    [undefined, [true, false]],
  ])('of type %s goes to OPC UA and back as %s', (type, value) => {
    const back = tagValueOf(variantOf(value, type))
    if (value instanceof Uint8Array) expect([...(back as Uint8Array)]).toEqual([...value])
    else expect(back).toEqual(value)
  })

  it.each<[ValueType, TagValue]>([
    ['i16', 40_000],
    ['u8', 1.5],
    ['bool', 1],
    ['f64', 'x'],
    ['time', 'yesterday'],
    ['u64', 2n ** 64n],
    ['i64', 2n ** 63n],
  ])('that is no %s (%s) is sent as nothing', (type, value) => {
    expect(variantOf(value, type).dataType).toBe(DataType.Null)
  })
})

function sample(rest: Partial<Sample>): Sample {
  return { value: 1, quality: 'good', sourceMs: epochMs(0), receivedMs: epochMs(0), ...rest }
}

describe('a quality', () => {
  it.each([
    [{}, 'Good'],
    [{ status: 0x00960000 }, 'GoodLocalOverride'],
    [{ quality: 'uncertain' }, 'Uncertain'],
    [{ quality: 'bad' }, 'Bad'],
    [{ quality: 'bad', status: 0x80320000 }, 'BadWaitingForInitialData'],
    [{ quality: 'stale', status: 0 }, 'UncertainNoCommunicationLastUsableValue'],
  ] as const)('of %o is %s', (rest, name) => {
    expect(statusOf(sample(rest as Partial<Sample>)).name).toMatch(new RegExp(`^${name}`))
  })
})

describe('a unit', () => {
  it('has the code that UN/ECE gave it, and its own text in any case', () => {
    expect(engineeringUnits('°C')).toMatchObject({ unitId: 4_408_652, displayName: { text: '°C' } })
    expect(engineeringUnits('furlong')).toMatchObject({ unitId: -1, displayName: { text: 'furlong' } })
  })
})

describe('a request', () => {
  it.each([
    [
      { queueSize: 4_000_000_000, samplingInterval: 0 },
      { queueSize: 100, samplingInterval: 100 },
    ],
    [
      { queueSize: 1, samplingInterval: 250 },
      { queueSize: 1, samplingInterval: 250 },
    ],
    [
      { queueSize: 1, samplingInterval: -1 },
      { queueSize: 1, samplingInterval: -1 },
    ],
    [
      { queueSize: 1, samplingInterval: Number.NaN },
      { queueSize: 1, samplingInterval: -1 },
    ],
  ])('for %o gets %o', (asked, given) => {
    const requestedParameters = { ...asked }
    clampRequest({ schema: { name: 'CreateMonitoredItemsRequest' }, itemsToCreate: [{ requestedParameters }, {}] })
    expect(requestedParameters).toEqual(given)
  })
})
