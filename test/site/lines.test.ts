import { describe, expect, it } from 'vitest'
import { type Files, loadFiles, problemsOf, siteYaml } from './site-folder.ts'

function meter(unit: number, scan = '1s'): string {
  const tags = Array.from({ length: 16 }, (_, place) => `  v${place}: { at: hr:${2 * place}, type: f32 }\n`).join('')
  return `device: meter-${unit}
driver: modbus-rtu
connection: { port: /dev/ttyS0, baud: 9600, unit: ${unit} }
scan: { normal: ${scan} }
tags:
${tags}`
}

function site(units: number, scan?: string): Files {
  const meters = Array.from({ length: units }, (_, place) => [`devices/meter-${place + 1}.yaml`, meter(place + 1, scan)])
  return { 'lineside.yaml': siteYaml, ...Object.fromEntries(meters) }
}

describe('the devices of one serial line', () => {
  it('are warned about together where the line has no time for them, at the scan class that asks for most', async () => {
    expect(await problemsOf(site(30))).toEqual(['devices/meter-1.yaml:4:17 modbus.scan-budget'])
  })

  it('are a warning, and no reason not to run', async () => {
    const { site: loaded, problems } = await loadFiles(site(30))
    expect(loaded?.devices).toHaveLength(30)
    expect(problems[0]?.message).toContain('30 units with 480 tags need')
  })

  it('are fine where they fit', async () => {
    expect(await problemsOf(site(30, '5s'))).toEqual([])
    expect(await problemsOf(site(5))).toEqual([])
  })
})

describe('two device files that name one place', () => {
  const modbus = (device: string, tags: string, connection = 'host: 10.1.7.5') =>
    `device: ${device}\ndriver: modbus-tcp\nconnection: { ${connection} }\ntags: { ${tags} }\n`
  const opcua = (device: string, tags: string, url = 'opc.tcp://10.1.7.6:4840') =>
    `device: ${device}\ndriver: opcua\nconnection: { url: "${url}" }\ntags: { ${tags} }\n`
  const found = async (one: string, other: string) => {
    const { problems } = await loadFiles({ 'lineside.yaml': siteYaml, 'devices/a.yaml': one, 'devices/b.yaml': other })
    return problems.map(({ file, line, code, message }) => `${file}:${line} ${code} ${message.split(':')[0]}`)
  }
  const same = (one: string, other: string, more = '') =>
    `devices/b.yaml:4 device.place-twice ${other} is the same place of the same device as ${one}, and both may be written${more}`

  it('are warned about where both may write it, once for both, at the second', async () => {
    const tags = 'x: { at: "hr:10", type: u32, write: {} }, y: { at: "co:5", write: {} }'
    const others = 'v: { at: "hr:11", type: u16, write: {} }, w: { at: "co:5", write: {} }, z: { at: "2/co:5", write: {} }'
    expect(await found(modbus('a', tags), modbus('b', others))).toEqual([same('a/y', 'b/w', ', and so it is with 1 more')])
    const node = 't: { node: "nsu=urn:x;s=A", write: {} }'
    expect(await found(opcua('a', node), opcua('b', node, 'opc.tcp://10.1.7.6'))).toEqual([same('a/t', 'b/t')])
  })

  it('are fine where one of them only reads it, and where they are two devices, units or registers', async () => {
    const x = 'x: { at: "hr:10", type: u16, write: {} }'
    expect(await found(modbus('a', x), modbus('b', 'x: { at: "hr:10", type: u16 }'))).toEqual([])
    expect(await found(modbus('a', x), modbus('b', x, 'host: 10.1.7.7'))).toEqual([])
    expect(await found(modbus('a', x), modbus('b', x, 'host: 10.1.7.5, unit: 2'))).toEqual([])
    expect(await found(modbus('a', x), modbus('b', 'x: { at: "hr:11", type: u16, write: {} }'))).toEqual([])
    expect(
      await found(opcua('a', 't: { node: "nsu=urn:x;s=A", write: {} }'), opcua('b', 't: { node: "nsu=urn:x;s=B", write: {} }')),
    ).toEqual([])
  })

  it('are two bits of one register for each other, unless each has a connection of its own', async () => {
    const bit = (place: number) => `x: { at: "hr:10.${place}", write: {} }`
    expect(await found(modbus('a', bit(3)), modbus('b', bit(4)))).toEqual([])
    expect(await found(modbus('a', bit(3)), modbus('b', bit(4), 'host: 10.1.7.5, shared: false'))).toEqual([same('a/x', 'b/x')])
  })
})
