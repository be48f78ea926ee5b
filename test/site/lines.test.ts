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
