import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Scalar, Tag, TagValue } from '../../src/model/tag.ts'
import { modbusTcp } from '../../src/south/modbus/config.ts'
import { modbusTcpDriver } from '../../src/south/modbus/driver.ts'
import { loadFiles, siteYaml } from '../site/site-folder.ts'
import { type ModbusDevice, startModbusDevice } from '../support/modbus-device.ts'
import { startRealRoad } from './real-road.ts'

/** What a register of each type holds, written out from the standard and not from our codec. `step`: how far two neighbours are apart, relative for floats. */
const types = {
  i16: { low: -32_768, high: 32_767 },
  u16: { low: 0, high: 65_535 },
  i32: { low: -2_147_483_648, high: 2_147_483_647 },
  u32: { low: 0, high: 4_294_967_295 },
  // Up to what a number surely keeps exactly, scaled as well; from 2^53 on nobody can say which value was meant.
  i64: { low: -(2 ** 50), high: 2 ** 50 },
  u64: { low: 0, high: 2 ** 50 },
  bcd16: { low: 0, high: 9_999 },
  bcd32: { low: 0, high: 99_999_999 },
  f32: { low: -3.4028234663852886e38, high: 3.4028234663852886e38 },
  f64: { low: -Number.MAX_VALUE, high: Number.MAX_VALUE },
} as const
type NumberType = keyof typeof types

/** Engineering units are raw × slope + offset. */
const scales = {
  none: { slope: 1, offset: 0 },
  tenths: { slope: 0.1, offset: 0, yaml: ', scale: { raw: [0, 100], to: [0, 10] }' },
  analog: { slope: 250 / 27_648, offset: -50, yaml: ', scale: { raw: [0, 27648], to: [-50, 200] }' },
  falling: { slope: -0.5, offset: 100, yaml: ', scale: { raw: [0, 200], to: [100, 0] }' },
} as const
type ScaleName = keyof typeof scales

interface Kind {
  readonly path: string
  readonly type: NumberType
  readonly scale: ScaleName
  readonly isArray: boolean
}

const kinds: readonly Kind[] = (Object.keys(types) as NumberType[]).flatMap((type) =>
  (Object.keys(scales) as ScaleName[]).flatMap((scale) =>
    [false, true].map((isArray) => ({ path: `${type}-${scale}${isArray ? '-3' : ''}`, type, scale, isArray })),
  ),
)

const deviceYaml = `device: plc
driver: modbus-tcp
connection: { host: 127.0.0.1 }
tags:
${kinds
  .map(({ path, type, scale, isArray }, place) => {
    const { yaml = '' } = scales[scale] as { readonly yaml?: string }
    return `  ${path}: { at: "hr:${20 * place}${isArray ? '[3]' : ''}", type: ${type}${yaml}, write: { rate: 1000 } }`
  })
  .join('\n')}
  word: { at: "hr:5000", type: string(6), write: { rate: 1000 } }
`

async function startPlc(hasSpans: boolean) {
  await using parts = new AsyncDisposableStack()
  const plc = parts.use(await startModbusDevice())
  const { site } = await loadFiles({ 'lineside.yaml': siteYaml, 'devices/plc.yaml': deviceYaml })
  const config = modbusTcp.config.parse({ connection: { host: '127.0.0.1', port: plc.port } })
  const tags = (site?.devices[0]?.tags ?? []).map(({ id: _id, device: _device, write, rawSpan, ...tag }: Tag<unknown>) => ({
    ...tag,
    ...(hasSpans && rawSpan !== undefined ? { rawSpan } : {}),
    ...(write === undefined ? {} : { rules: write }),
  }))
  expect(tags).toHaveLength(kinds.length + 1)
  const road = parts.use(startRealRoad(modbusTcpDriver, config, tags))
  await expect.poll(() => road.quality('word')).toBe('good')
  const started = parts.move()
  return { plc, ...road, [Symbol.asyncDispose]: () => started.disposeAsync() }
}

function writesOf({ requests }: ModbusDevice): number {
  return requests.filter(({ pdu }) => (pdu[0] ?? 0) > 4).length
}

/** Raw values at and around every edge, as engineering units: whether they fit is computed here, by hand. */
function valueFor({ type, scale, isArray }: Kind): fc.Arbitrary<{ readonly value: TagValue; readonly fits: boolean }> {
  const { low, high } = types[type]
  const isFloat = type.startsWith('f')
  const farther = type.endsWith('64') ? 9 : 1.01
  const inside = isFloat
    ? fc.double({ min: -1e6, max: 1e6, noNaN: true })
    : fc.integer({ min: Math.max(low, -1e9), max: Math.min(high, 1e9) })
  const beyond =
    type === 'f64'
      ? fc.constantFrom(Number.POSITIVE_INFINITY, Number.NaN)
      : fc.constantFrom(high * farther + 2, low * farther - 2, Number.NaN)
  const one = fc.oneof(
    { weight: 6, arbitrary: inside.map((raw) => ({ raw, fits: true })) },
    { weight: isFloat ? 0 : 1, arbitrary: fc.constantFrom(low, high).map((raw) => ({ raw, fits: true })) },
    { weight: 1, arbitrary: beyond.map((raw) => ({ raw, fits: false })) },
  )
  const { slope, offset } = scales[scale]
  const scaled = one.map(({ raw, fits }) => ({ value: (scale === 'none' ? raw : raw * slope + offset) as Scalar, fits }))
  if (!isArray) return scaled
  return fc
    .tuple(scaled, scaled, scaled)
    .map((items) => ({ value: items.map(({ value }) => value), fits: items.every(({ fits }) => fits) }))
}

const batch = fc
  .uniqueArray(fc.constantFrom(...kinds), { minLength: 1, maxLength: 6, selector: ({ path }) => path })
  .chain((chosen) => fc.tuple(...chosen.map((kind) => valueFor(kind).map((meant) => ({ kind, ...meant })))))

/** What two neighbours of the type are apart, in engineering units, and what arithmetic adds. */
function resolutionOf({ type, scale }: Kind, value: number): number {
  const slope = Math.abs(scales[scale].slope)
  const magnitude = Math.abs(value) + Math.abs(scales[scale].offset)
  const grid = type === 'f32' ? (magnitude + 2 ** -126) * 2 ** -22 : type === 'f64' ? 0 : scale === 'none' ? 0 : slope / 2
  return grid + magnitude * 1e-12
}

describe('a batch that is to be written together', () => {
  it.each([
    ['with what the site knows of its registers', true],
    ['with what the driver alone knows', false],
  ])('is written whole and as it was meant, or not at all: %s', { timeout: 120_000 }, async (_, hasSpans) => {
    await using line = await startPlc(hasSpans)
    await fc.assert(
      fc.asyncProperty(batch, async (wishes) => {
        const before = writesOf(line.plc)
        const commands = wishes.map(({ kind, value }) => line.command(kind.path, value))
        const results = await line.road.writeAll({ commands, isTogether: true })
        if (wishes.some(({ fits }) => !fits)) {
          expect(writesOf(line.plc)).toBe(before)
          const told = wishes.filter(({ kind, fits }, place) => {
            expect(results[place]).toMatchObject({ status: 'refused', remedy: expect.stringMatching(/\w+/) })
            if (results[place]?.code === 'command.together') return false // found out after another one, or fits
            expect(results[place]).toMatchObject({ code: expect.stringMatching(/^command\.type/) })
            expect([fits, results[place]?.message]).toEqual([false, expect.stringContaining(`plc/${kind.path}`)])
            return true
          })
          expect(told).not.toHaveLength(0)
          return
        }
        for (const [place, { kind, value }] of wishes.entries()) {
          expect(results[place]).toMatchObject({ status: 'done' })
          const seen = [results[place]?.value].flat()
          for (const [at, item] of [value].flat().entries()) {
            const meant = Number(item)
            expect(Math.abs(Number(seen[at]) - meant)).toBeLessThanOrEqual(resolutionOf(kind, meant))
          }
        }
      }),
      { numRuns: 150 },
    )
  })

  it.each(['a\0b', 'longer than its place', 'blank   ', '\ud800'])(
    'has nothing sent for a text that no device can hold: %j',
    async (text) => {
      await using line = await startPlc(true)
      const commands = [line.command('u16-none', 7), line.command('word', text)]
      const results = await line.road.writeAll({ commands, isTogether: true })
      expect(results[1]).toMatchObject({ status: 'refused', code: expect.stringMatching(/^command\.(type-range|length)$/) })
      expect(results[1]?.message).toContain('plc/word')
      expect(writesOf(line.plc)).toBe(0)
    },
  )
})
