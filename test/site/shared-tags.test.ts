import { describe, expect, it } from 'vitest'
import { loadFiles, siteYaml } from './site-folder.ts'

const head = {
  modbus: 'driver: modbus-tcp\nconnection: { host: 10.1.7.21 }',
  serial: 'driver: modbus-rtu\nconnection: { port: /dev/ttyS0 }',
  opcua: 'driver: opcua\nconnection: { url: "opc.tcp://10.1.7.21" }',
}

async function sharedOf(driver: keyof typeof head, tags: Readonly<Record<string, string>>): Promise<object> {
  const lines = Object.entries(tags).map(([path, yaml]) => `  ${path}: { ${yaml} }`)
  const device = `device: plc\n${head[driver]}\ntags:\n${lines.join('\n')}\n`
  const { site, problems } = await loadFiles({ 'lineside.yaml': siteYaml, 'devices/plc.yaml': device })
  expect(problems.filter(({ severity }) => severity !== 'warning')).toEqual([])
  const found = site?.devices.flatMap(({ tags: all }) => all) ?? []
  return Object.fromEntries(found.flatMap(({ path, sharedWith }) => (sharedWith === undefined ? [] : [[path, sharedWith]])))
}

describe('tags of one place of a device', () => {
  it('know each other where one may be written: registers, their bits, and parts of longer values', async () => {
    const tags = {
      word: 'at: hr:9, type: u16, write: {}',
      'bit-3': 'at: hr:9.3',
      'bit-4': 'at: hr:9.4, write: {}',
      all: 'at: "hr:9[4]", type: u16',
      last: 'at: hr:12, type: u16, write: {}',
      input: 'at: ir:9, type: u16',
      other: 'at: 2/hr:9, type: u16, write: {}',
      behind: 'at: hr:13, type: u16, write: {}',
      coil: 'at: co:9, write: {}',
      coils: 'at: "co:8[4]"',
    }
    const shared = (await sharedOf('modbus', tags)) as Record<string, readonly string[]>
    expect(Object.fromEntries(Object.entries(shared).map(([path, all]) => [path, [...all].sort()]))).toEqual({
      word: ['all', 'bit-3', 'bit-4'],
      'bit-3': ['word'],
      'bit-4': ['all', 'word'],
      all: ['bit-4', 'last', 'word'],
      last: ['all'],
      coil: ['coils'],
      coils: ['coil'],
    })
  })

  it('are those of one unit and those of all units, where there is a unit 0 of all', async () => {
    const tags = {
      'all-start': 'at: 0/hr:9, type: u16, write: { confirm: 0ms }',
      start: 'at: hr:9, type: u16',
      'start-2': 'at: 2/hr:9, type: u16',
      other: 'at: hr:10, type: u16, write: {}',
    }
    expect(await sharedOf('serial', tags)).toEqual({ 'all-start': ['start', 'start-2'], start: ['all-start'], 'start-2': ['all-start'] })
    expect(await sharedOf('modbus', tags)).toEqual({})
  })

  it('are those of one node of OPC UA', async () => {
    const tags = {
      all: 'node: "nsu=urn:x;s=A", write: {}',
      part: 'node: "nsu=urn:x;s=A", field: "[2]"',
      other: 'node: "nsu=urn:x;s=B", write: {}',
      one: 'node: "nsu=urn:x;s=C"',
      two: 'node: "nsu=urn:x;s=C"',
    }
    expect(await sharedOf('opcua', tags)).toEqual({ all: ['part'], part: ['all'] })
  })
})
