import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { get as sparkplugPayload } from 'sparkplug-payload'
import { describe, expect, it } from 'vitest'
import { dataTypes } from '../../../src/model/sparkplug/data-type.ts'
import { decodePayload } from '../../../src/model/sparkplug/decode.ts'
import { encodePayload } from '../../../src/model/sparkplug/encode.ts'
import type { SparkplugPayload } from '../../../src/model/sparkplug/payload.ts'
import { typedValue } from '../../../src/model/sparkplug/values.ts'

const found = sparkplugPayload('spBv1.0')
if (found === null) throw new Error('sparkplug-payload knows no Sparkplug B')
const tahu = found

/** One of everything. */
const rich: SparkplugPayload = {
  timestampMs: 1_764_000_000_000,
  seq: 255,
  uuid: 'a-uuid',
  body: new Uint8Array([1, 2, 3]),
  metrics: [
    { name: 'i32', alias: 7, timestampMs: 1_764_000_000_001, type: dataTypes.Int32, value: { form: 'int', value: 0xffff_ffff } },
    { name: 'u32', type: dataTypes.UInt32, value: { form: 'long', value: 4_000_000_000 } },
    { name: 'u64', type: dataTypes.UInt64, value: { form: 'long', value: 2n ** 64n - 1n } },
    { name: 'f32', type: dataTypes.Float, value: { form: 'float', value: 1.5 } },
    { name: 'f64', type: dataTypes.Double, value: { form: 'double', value: Math.PI } },
    { name: 'bool', type: dataTypes.Boolean, value: { form: 'boolean', value: true } },
    { name: 'text', type: dataTypes.String, value: { form: 'string', value: 'Öl' } },
    { name: 'bytes', type: dataTypes.Bytes, value: { form: 'bytes', value: new Uint8Array([0, 255]) } },
    { alias: 9, isHistorical: true, isTransient: false, isNull: true },
    {
      name: 'with properties',
      type: dataTypes.Double,
      metadata: {
        isMultiPart: false,
        contentType: 'text/plain',
        size: 5,
        seq: 1,
        fileName: 'f',
        fileType: 't',
        md5: 'm',
        description: 'd',
      },
      properties: [
        { name: 'Quality', type: dataTypes.Int32, value: { form: 'int', value: 192 } },
        { name: 'engUnit', type: dataTypes.String, value: { form: 'string', value: 'bar' } },
        { name: 'none', type: dataTypes.Double, isNull: true },
        {
          name: 'set',
          type: dataTypes.PropertySet,
          value: { form: 'propertySet', value: [{ name: 'x', type: 10, value: { form: 'double', value: 2 } }] },
        },
        {
          name: 'sets',
          type: dataTypes.PropertySetList,
          value: { form: 'propertySets', value: [[], [{ name: 'y', type: 11, value: { form: 'boolean', value: true } }]] },
        },
      ],
      value: { form: 'double', value: 2.5 },
    },
    {
      name: 'set',
      type: dataTypes.DataSet,
      value: {
        form: 'dataSet',
        value: {
          columns: [
            { name: 'a', type: dataTypes.Int32 },
            { name: 'b', type: dataTypes.String },
          ],
          rows: [
            [
              { form: 'int', value: 1 },
              { form: 'string', value: 'x' },
            ],
            [undefined, { form: 'string', value: 'y' }],
          ],
        },
      },
    },
    {
      name: 'template',
      type: dataTypes.Template,
      value: {
        form: 'template',
        value: {
          version: '1',
          ref: 'Pump',
          isDefinition: false,
          parameters: [{ name: 'size', type: dataTypes.Double, value: { form: 'double', value: 3 } }],
          metrics: [{ name: 'speed', type: dataTypes.Double, value: { form: 'double', value: 4.5 } }],
        },
      },
    },
  ],
}

/** The published sparkplug_b.proto, its facts: names, numbers and types of fields. */
const proto = `syntax = "proto2"; package judge;
message Payload {
  optional uint64 timestamp = 1; repeated Metric metrics = 2; optional uint64 seq = 3; optional string uuid = 4; optional bytes body = 5;
  message Parameter { optional string name = 1; optional uint32 type = 2; oneof value { uint32 int_value = 3; uint64 long_value = 4; float float_value = 5; double double_value = 6; bool boolean_value = 7; string string_value = 8; } }
  message Template { optional string version = 1; repeated Metric metrics = 2; repeated Parameter parameters = 3; optional string template_ref = 4; optional bool is_definition = 5; }
  message Cell { oneof value { uint32 int_value = 1; uint64 long_value = 2; float float_value = 3; double double_value = 4; bool boolean_value = 5; string string_value = 6; } }
  message Row { repeated Cell elements = 1; }
  message DataSet { optional uint64 num_of_columns = 1; repeated string columns = 2; repeated uint32 types = 3; repeated Row rows = 4; }
  message PropertyValue { optional uint32 type = 1; optional bool is_null = 2; oneof value { uint32 int_value = 3; uint64 long_value = 4; float float_value = 5; double double_value = 6; bool boolean_value = 7; string string_value = 8; PropertySet propertyset_value = 9; PropertySetList propertysets_value = 10; } }
  message PropertySet { repeated string keys = 1; repeated PropertyValue values = 2; }
  message PropertySetList { repeated PropertySet propertyset = 1; }
  message MetaData { optional bool is_multi_part = 1; optional string content_type = 2; optional uint64 size = 3; optional uint64 seq = 4; optional string file_name = 5; optional string file_type = 6; optional string md5 = 7; optional string description = 8; }
  message Metric {
    optional string name = 1; optional uint64 alias = 2; optional uint64 timestamp = 3; optional uint32 datatype = 4; optional bool is_historical = 5; optional bool is_transient = 6; optional bool is_null = 7; optional MetaData metadata = 8; optional PropertySet properties = 9;
    oneof value { uint32 int_value = 10; uint64 long_value = 11; float float_value = 12; double double_value = 13; bool boolean_value = 14; string string_value = 15; bytes bytes_value = 16; DataSet dataset_value = 17; Template template_value = 18; }
  }
}`

/** Google's own compiler turns bytes into text and back. */
function protoc(mode: 'decode' | 'encode', input: Uint8Array): Buffer {
  const folder = mkdtempSync(join(tmpdir(), 'lineside-proto-'))
  try {
    writeFileSync(join(folder, 'judge.proto'), proto)
    return execFileSync('/usr/bin/protoc', [`--${mode}=judge.Payload`, `--proto_path=${folder}`, 'judge.proto'], { input })
  } finally {
    rmSync(folder, { recursive: true })
  }
}

describe('our payloads', () => {
  it('are read by protoc, field by field, and its bytes are read by us', () => {
    const text = protoc('decode', encodePayload(rich))
    expect(text.toString()).not.toMatch(/^\s*\d+[:{ ]/m) // a number in place of a name: a field the .proto does not know
    for (const word of [
      'int_value: 4294967295',
      'long_value: 18446744073709551615',
      'template_ref: "Pump"',
      'is_historical: true',
      'num_of_columns: 2',
    ])
      expect(text.toString()).toContain(word)
    expect(decodePayload(protoc('encode', text))).toEqual({ payload: rich })
  })

  // It cannot read metrics without type, nor whole numbers in data sets and template parameters.
  it('are read by sparkplug-payload', () => {
    const read = tahu.decodePayload(
      encodePayload({ ...rich, metrics: rich.metrics.filter(({ type }) => type !== undefined && type !== dataTypes.DataSet) }),
    )
    expect(Number(read.seq)).toBe(255)
    const value = (name: string) => read.metrics?.find((metric) => metric.name === name)?.value
    expect(value('i32')).toBe(-1)
    expect(String(value('u64'))).toBe('18446744073709551615')
    expect(value('f32')).toBe(1.5)
    expect(value('f64')).toBe(Math.PI)
    expect(value('bool')).toBe(true)
    expect(value('text')).toBe('Öl')
    expect(value('bytes')).toEqual(Buffer.from([0, 255]))
    expect(value('template')).toMatchObject({ templateRef: 'Pump', metrics: [{ name: 'speed', value: 4.5 }] })
  })
})

describe('payloads of sparkplug-payload', () => {
  it('are read by us', () => {
    const bytes = tahu.encodePayload({
      timestamp: 1_764_000_000_000,
      seq: 3,
      metrics: [
        { name: 'i8', type: 'Int8', value: -5 },
        { name: 'i16', type: 'Int16', value: -300 },
        { name: 'i32', type: 'Int32', value: -70_000 },
        { name: 'u32', type: 'UInt32', value: 4_000_000_000 },
        { name: 'f', type: 'Float', value: 0.5 },
        { name: 'b', type: 'Boolean', value: true },
        { name: 's', type: 'String', value: 'x', alias: 4 },
        { name: 'nothing', type: 'Double', value: null },
        { name: 'bytes', type: 'Bytes', value: new Uint8Array([1, 2]) },
        { name: 'set', type: 'DataSet', value: { numOfColumns: 2, types: ['Int32', 'String'], columns: ['a', 'b'], rows: [[1, 'x']] } },
      ],
    })
    const result = decodePayload(bytes)
    if ('problem' in result) throw new Error(result.problem)
    const values = Object.fromEntries(
      result.payload.metrics.map(({ name, type, value }) => [name, value === undefined ? undefined : typedValue(value, type ?? 0)]),
    )
    expect(values).toMatchObject({
      i8: -5,
      i16: -300,
      i32: -70_000,
      u32: 4_000_000_000,
      f: 0.5,
      b: true,
      s: 'x',
      bytes: new Uint8Array([1, 2]),
    })
    expect(values['set']).toMatchObject({
      columns: [
        { name: 'a', type: 3 },
        { name: 'b', type: 12 },
      ],
    })
    expect(result.payload.metrics.find(({ name }) => name === 'nothing')?.isNull).toBe(true)
  })
})
