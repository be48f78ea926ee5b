import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { capperRegisters } from '../../simulators/devices/capper.ts'
import { fillerRegisters } from '../../simulators/devices/filler.ts'
import { infeedRegisters } from '../../simulators/devices/infeed.ts'
import { labellerNamespace, labellerNodes } from '../../simulators/devices/labeller.ts'
import { meterRegisters } from '../../simulators/devices/meter.ts'
import { palletiserRegisters } from '../../simulators/devices/palletiser.ts'
import type { Point, RegisterMap } from '../../simulators/devices/registers.ts'
import { createLine, stepLine } from '../../simulators/plant/line.ts'
import { sitePorts } from '../../simulators/plant.ts'

interface DeviceFile {
  readonly device: string
  readonly connection: { readonly port?: number; readonly unit?: number; readonly url?: string }
  readonly modbus?: { readonly order?: string }
  readonly tags: Readonly<Record<string, TagEntry>>
}

interface TagEntry {
  readonly at?: string
  readonly node?: string
  readonly type?: string
  readonly range?: readonly [number, number]
  readonly scale?: { readonly raw: readonly [number, number]; readonly to: readonly [number, number] }
  readonly write?: object
}

const folder = join(import.meta.dirname, '../../devices')

async function deviceFiles(): Promise<readonly DeviceFile[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.yaml'))
  return Promise.all(names.map(async (name) => parse(await readFile(join(folder, name), 'utf8')) as DeviceFile))
}

const maps: Readonly<Record<string, RegisterMap>> = {
  'infeed-1': infeedRegisters,
  'filler-1': fillerRegisters,
  'capper-1': capperRegisters,
  'palletiser-1': palletiserRegisters,
  'meter-1': meterRegisters,
}
const files = await deviceFiles()
const modbusFiles = files.filter(({ device }) => device in maps)

/** A point as a device file would write it. */
function written(point: Point): string {
  const type = point.type === 'text' ? `string(${2 * (point.words ?? 0)})` : point.type
  return `${point.area}:${point.address}${point.bit === undefined ? '' : `.${point.bit}`} ${type}`
}

describe('the example site', () => {
  it('has about 120 tags, on the ports that the plant has without options', () => {
    expect(files.reduce((count, { tags }) => count + Object.keys(tags).length, 0)).toBeGreaterThanOrEqual(120)
    const ports = modbusFiles.map(({ connection }) => connection.port).toSorted()
    expect(ports).toEqual([0, 1, 2, 3, 4].map((place) => sitePorts.modbusPort + place))
    expect(files.find(({ device }) => device === 'labeller-1')?.connection.url).toBe(`opc.tcp://127.0.0.1:${sitePorts.opcuaPort}`)
  })

  it.each(modbusFiles)('reads $device where the plant has its values, as what they are', ({ device, tags, modbus }) => {
    const map = maps[device]
    expect(modbus?.order ?? 'ABCD').toBe(map?.wordOrder === 'little' ? 'CDAB' : 'ABCD')
    for (const [name, tag] of Object.entries(tags)) {
      const point = map?.points.find((candidate) => candidate.name === name || candidate.name === `${name}/0`)
      const at = tag.at?.replace(/\[\d+\]$/, '')
      expect(`${name} ${at} ${tag.type ?? 'bool'}`).toBe(`${name} ${point ? written(point) : 'nowhere'}`)
      expect(tag.write !== undefined, `${name} is writable`).toBe(point?.write !== undefined)
    }
  })

  it('reads the labeller where the plant has its nodes', () => {
    const labeller = files.find(({ device }) => device === 'labeller-1')
    const nodes = Object.entries(labeller?.tags ?? {}).map(([name, tag]) => `${name} ${tag.node} ${tag.write !== undefined}`)
    expect(nodes).toEqual(labellerNodes.map(({ name, write }) => `${name} nsu=${labellerNamespace};s=${name} ${write !== undefined}`))
  })

  it('gives every number a range that the plant keeps', () => {
    const line = createLine(3)
    for (let minute = 0; minute < 30; minute += 1) {
      stepLine(line, 60)
      for (const { device, tags } of modbusFiles) {
        for (const point of maps[device]?.points ?? []) expectInRange(tags[point.name], Number(point.read(line)), `${device}/${point.name}`)
      }
    }
  })
})

function expectInRange(tag: TagEntry | undefined, raw: number, name: string): void {
  if (tag?.range === undefined) return
  const { raw: [rawLow, rawHigh] = [0, 1], to: [low, high] = [0, 1] } = tag.scale ?? {}
  const value = low + ((raw - rawLow) / (rawHigh - rawLow)) * (high - low)
  expect(value, name).toBeGreaterThanOrEqual(tag.range[0])
  expect(value, name).toBeLessThanOrEqual(tag.range[1])
}
