import { describe, expect, it } from 'vitest'
import { loadFiles, problemsOf, siteYaml } from './site-folder.ts'

const deviceYaml = `device: line-1
driver: opcua
connection: { url: opc.tcp://127.0.0.1:4840 }
import:
  - from: /Objects/2:Line
tags:
  own: { node: "nsu=urn:x;s=own" }
  line/setpoint: { write: { max: 10 } }
`
const lock = 'tag,node,type,unit\r\nline/setpoint,nsu=urn:x;s=sp,f64,bar\r\nline/speed,nsu=urn:x;s=speed,f32,\r\n'
const files = { 'lineside.yaml': siteYaml, 'devices/line-1.yaml': deviceYaml, 'devices/line-1.import.csv': lock }

describe('a device that imports branches', () => {
  it('has the tags of the table beside its file, and what the file adds to them', async () => {
    const { site, problems } = await loadFiles(files)
    expect(problems).toEqual([])
    expect(site?.tags).toMatchObject([
      { path: 'line/setpoint', type: 'f64', unit: 'bar', write: { max: 10 } },
      { path: 'line/speed', type: 'f32' },
      { path: 'own' },
    ])
    expect(site?.devices[0]?.tags.map(({ address }) => address)).toMatchObject([
      { node: 'nsu=urn:x;s=sp' },
      { node: 'nsu=urn:x;s=speed' },
      { node: 'nsu=urn:x;s=own' },
    ])
  })

  it('runs with the tags it has, and says so, before the branches were asked for', async () => {
    const { 'devices/line-1.import.csv': _, ...without } = files
    const { site, problems } = await loadFiles(without)
    expect(problems).toMatchObject([
      { code: 'import.not-done', severity: 'warning', line: 4, remedy: expect.stringContaining('lineside import line-1') },
    ])
    expect(site?.tags.map(({ path }) => path)).toEqual(['own'])
  })

  it('names the place in the table, or in the file, whichever is wrong', async () => {
    expect(await problemsOf({ ...files, 'devices/line-1.import.csv': `${lock}line/bad,nsu=urn:x;s=y,f33,\r\n` })).toEqual([
      'devices/line-1.import.csv:4:3 site.choice',
    ])
    expect(await problemsOf({ ...files, 'devices/line-1.import.csv': lock.replace('nsu=urn:x;s=speed', 'speed') })).toEqual([
      'devices/line-1.import.csv:3:2 opcua.node-syntax',
    ])
    expect(await problemsOf({ ...files, 'devices/line-1.yaml': deviceYaml.replace('max: 10', 'mx: 10') })).toEqual([
      'devices/line-1.yaml:8:29 site.unknown-key',
    ])
  })

  it('cannot add to a tag that no branch has', async () => {
    const { problems } = await loadFiles({ ...files, 'devices/line-1.import.csv': lock.replace('line/setpoint', 'line/set-point') })
    expect(problems).toMatchObject([
      {
        file: 'devices/line-1.yaml',
        line: 8,
        code: 'import.tag-unknown',
        remedy: expect.stringContaining('Did you mean `line/set-point`?'),
      },
    ])
  })

  it('must say where a branch begins', async () => {
    expect(await problemsOf({ ...files, 'devices/line-1.yaml': deviceYaml.replace('/Objects/2:Line', 'Line') })).toEqual([
      'devices/line-1.yaml:5:11 opcua.import-from',
    ])
  })

  it('loads 10,000 imported tags in less time than it takes to wait for', async () => {
    const many = Array.from({ length: 10_000 }, (_, place) => `line/n${place},nsu=urn:x;s=Line.Machine.Value${place},f64,bar\r\n`).join('')
    const started = performance.now()
    const { site } = await loadFiles({ ...files, 'devices/line-1.import.csv': lock + many })
    expect(site?.tags.length).toBe(10_003)
    expect(performance.now() - started).toBeLessThan(10_000)
  })
})
