import { z } from 'zod'
import { asTagId, type LinearScale, type Tag, type TagMeta, type ValueType } from '../model/tag.ts'
import type { DeviceConfig } from '../south/config.ts'
import { commonTagShape } from '../south/tag-config.ts'
import { allIssues, asFarAsRight } from './as-far-as-right.ts'
import { integerSpans } from './check-values.ts'
import { commonDeviceShape } from './device-schema.ts'
import { suggestion } from './did-you-mean.ts'
import { findDriver, type SiteDriver } from './drivers.ts'
import { type JsonSchema, lazily } from './json-schema.ts'
import { deviceJsonSchema, driverJsonSchema } from './json-schemas.ts'
import type { DevicePart } from './loaded.ts'
import { once } from './parse-once.ts'
import type { ProblemList } from './problems.ts'
import { reportIssues } from './schema-problems.ts'
import { withShared } from './shared-tags.ts'
import type { SourceFile } from './source.ts'

const commonDeviceSchema = z.object(commonDeviceShape)
const commonTagSchema = z.object(commonTagShape)
type CommonTag = z.output<typeof commonTagSchema>

/** What of the file is right; undefined where nobody knows whose it is. What is wrong stands in `problems`. */
export function parseDevice(source: SourceFile, problems: ProblemList): DevicePart | undefined {
  const fields = fieldsOf(source.value)
  const driver = findDriver(fields['driver'])
  const schema = lazily(() => (driver === undefined ? deviceJsonSchema() : driverJsonSchema(driver)))
  const context = { source, schema, problems }
  const common = commonDeviceSchema.safeParse(source.value, once)
  if (!common.success) reportIssues(common.error, context)
  if (driver === undefined) return undefined
  const ownFields = without(fields, commonDeviceShape)
  const config = driver.config.safeParse(ownFields, once)
  if (!config.success) reportIssues(config.error, context)
  const device = common.success ? common.data.device : String(fields['device'] ?? '')
  const tagFields = fieldsOf(fields['tags'])
  const paths = new Set(Object.keys(tagFields))
  const found = [...paths].map((path) => parseTag(path, tagFields[path], { ...context, driver, device })).filter((tag) => tag !== undefined)
  const tags = found.map(({ tag }) => tag)
  const areTagsWhole = found.length === paths.size && found.every(({ isWhole }) => isWhole)
  const part = { device, tags, paths, isWhole: common.success && config.success && areTagsWhole }
  const { capabilities, scan } = common.success ? common.data : { capabilities: [], scan: scanAsFarAsKnown(fields['scan'], tags) }
  const known = config.success ? config.data : asFarAsRight(driver.config, ownFields, { valuesFrom: 2 })
  if (known === undefined) return part
  const parsed = { device, driver: driver.name, config: known, capabilities, scanMs: scanOf(scan, tags), tags }
  checkDevice(parsed, { source, driver, problems })
  if (!config.success) return part
  return { ...part, config: { ...parsed, tags: withShared(tags, driver.sharing?.(known, tags) ?? []) } }
}

/** Where the classes themselves are wrong, nothing is said of the tags that name them. */
function scanAsFarAsKnown(value: unknown, tags: readonly Tag<unknown>[]): Readonly<Record<string, number>> {
  const scan = commonDeviceShape.scan.safeParse(value, once)
  return scan.success ? scan.data : Object.fromEntries(tags.map((tag) => [tag.scan, 1_000]))
}

interface TagContext {
  readonly source: SourceFile
  readonly schema: () => JsonSchema
  readonly problems: ProblemList
  readonly driver: SiteDriver
  readonly device: string
}

interface ParsedTag {
  readonly tag: Tag<unknown>
  /** Nothing in it is wrong. */
  readonly isWhole: boolean
}

function parseTag(path: string, fields: unknown, context: TagContext): ParsedTag | undefined {
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) return undefined // told of by the common schema
  const at = ['tags', path]
  const common = commonTagSchema.safeParse(fields)
  if (!common.success) reportIssues({ issues: allIssues(commonTagSchema, fields) }, { ...context, at })
  const own = without(fieldsOf(fields), commonTagShape)
  const address = context.driver.address.safeParse(own)
  if (!address.success) reportIssues({ issues: allIssues(context.driver.address, own) }, { ...context, at })
  const isWhole = common.success && address.success
  const commonKnown = common.success ? common.data : asFarAsRight(commonTagSchema, fields, { valuesFrom: 1 })
  const addressKnown = address.success ? address.data : asFarAsRight(context.driver.address, own, { valuesFrom: 1 })
  if (commonKnown === undefined || addressKnown === undefined) return undefined
  return { tag: tagOf(path, commonKnown, { address: addressKnown, device: context.device }), isWhole }
}

function tagOf(path: string, common: CommonTag, where: { readonly address: unknown; readonly device: string }): Tag<unknown> {
  const { unit, range, scale, scan, deadband, refresh, description, write } = common
  return {
    id: asTagId(`${where.device}/${path}`),
    device: where.device,
    path,
    scan,
    ...defined({ unit, range, deadband, refreshMs: refresh, description, write }),
    ...shapeOf(where.address, scale),
    address: where.address,
  }
}

/** What a value is once decoded and scaled, as far as the address says. */
function shapeOf(address: unknown, scale: LinearScale | undefined): Pick<TagMeta, 'type' | 'length' | 'sizeBytes' | 'rawSpan' | 'scale'> {
  const { type, length, sizeBytes } = fieldsOf(address)
  const valueType = typeof type === 'string' ? decodedTypes[type] : undefined
  const isRawWhole = valueType !== undefined && /^[iu]\d+$/.test(valueType)
  return defined({
    scale: scale && { ...scale, isRawWhole },
    type: valueType !== undefined && scale !== undefined ? 'f64' : valueType,
    rawSpan: typeof type === 'string' && (scale !== undefined || type.startsWith('bcd')) ? rawSpans[type] : undefined,
    length: typeof length === 'number' ? length : undefined,
    sizeBytes: typeof sizeBytes === 'number' ? sizeBytes : undefined,
  })
}

const decodedTypes: Readonly<Record<string, ValueType>> = {
  ...Object.fromEntries(
    (['bool', 'i8', 'u8', 'i16', 'u16', 'i32', 'u32', 'i64', 'u64', 'f32', 'f64', 'string', 'bytes', 'time'] as const).map((type) => [
      type,
      type,
    ]),
  ),
  bcd16: 'u16',
  bcd32: 'u32',
}

const f32Max = 3.4028234663852886e38

/** Whole numbers beyond 2^53 cannot be scaled exactly. */
const rawSpans: Readonly<Record<string, readonly [number, number]>> = {
  ...integerSpans,
  i64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  u64: [0, Number.MAX_SAFE_INTEGER],
  f32: [-f32Max, f32Max],
  bcd16: [0, 9_999],
  bcd32: [0, 99_999_999],
}

/** `normal` is there for tags that name no scan class, also where `scan:` does not name it. */
function scanOf(scan: Readonly<Record<string, number>>, tags: readonly (Tag<unknown> | undefined)[]): Readonly<Record<string, number>> {
  return tags.some((tag) => tag?.scan === 'normal') ? { normal: 1_000, ...scan } : scan
}

interface CheckContext {
  readonly source: SourceFile
  readonly driver: SiteDriver
  readonly problems: ProblemList
}

/** Scan classes, and what only the driver can know. */
function checkDevice(device: DeviceConfig, { source, driver, problems }: CheckContext): void {
  for (const tag of device.tags.filter(({ scan }) => !Object.hasOwn(device.scanMs, scan))) {
    problems.add(
      source,
      { path: ['tags', tag.path, 'scan'] },
      {
        code: 'tag.scan-unknown',
        message: `There is no scan class \`${tag.scan.slice(0, 100)}\` in this device.`,
        remedy: suggestion(tag.scan, Object.keys(device.scanMs)),
      },
    )
  }
  const found = driver.check(device.config, device.tags)
  for (const { path, ...finding } of found) problems.add(source, { path }, finding)
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Readonly<Record<string, unknown>>) : {}
}

function without(fields: Readonly<Record<string, unknown>>, taken: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([key]) => !Object.hasOwn(taken, key)))
}

type Defined<Fields> = { readonly [Key in keyof Fields]?: Exclude<Fields[Key], undefined> }

function defined<Fields extends Readonly<Record<string, unknown>>>(fields: Fields): Defined<Fields> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Defined<Fields>
}
