import { hostname } from 'node:os'
import { describe, expect, it } from 'vitest'
import { deviceYaml, loadFiles, siteYaml } from './site-folder.ts'

describe('a folder inside devices/ or flows/', () => {
  it('is warned of, for nothing in it is read', async () => {
    const { site, problems } = await loadFiles({
      'lineside.yaml': siteYaml,
      'devices/press-07.yaml': deviceYaml,
      'devices/old/press-08.yaml': 'nonsense',
      'devices/.git/x': '',
      'flows/line-1/watch.yaml': 'nonsense',
    })
    expect(site).toBeDefined()
    expect(problems.map(({ file, code, severity, remedy }) => ({ file, code, severity, remedy }))).toEqual([
      {
        file: 'devices/old',
        code: 'file.folder',
        severity: 'warning',
        remedy: 'Move its files up into devices/, or the folder out of it.',
      },
      { file: 'flows/line-1', code: 'file.folder', severity: 'warning', remedy: 'Move its files up into flows/, or the folder out of it.' },
    ])
  })
})

describe('Sparkplug ids', () => {
  const twinsOf = async (one: string, other: string): Promise<readonly string[]> => {
    const upstream = (url: string, ids: string): string => `{ url: "${url}", format: sparkplug, sparkplug: ${ids} }`
    const upstreams = `upstreams:\n  a: ${upstream('mqtt://a.example', one)}\n  b: ${upstream('mqtt://b.example', other)}\n`
    const { problems } = await loadFiles({ 'lineside.yaml': `${siteYaml}node: edge-07\n${upstreams}` })
    return problems.filter(({ code }) => code === 'sparkplug.twin').map(({ line, severity }) => `${line} ${severity}`)
  }

  it.each([
    ['{ group: munich }', '{ group: Munich }'],
    ['{ group: munich }', '{ group: munich, edgeNode: Edge-07 }'],
    ['{ group: munich, servers: ["mqtt://b.example"] }', '{ group: munich }'],
  ])('of one site are warned of where hosts would take them for one: %s, %s', async (one, other) => {
    expect(await twinsOf(one, other)).toEqual(['5 warning'])
  })

  it.each([
    ['{ group: munich }', '{ group: munich }'],
    ['{ group: munich }', '{ group: munich, edgeNode: edge-08 }'],
    ['{ group: munich }', '{ group: berlin, edgeNode: Edge-07 }'],
  ])('of one site may be alike at different brokers, or different: %s, %s', async (one, other) => {
    expect(await twinsOf(one, other)).toEqual([])
  })

  it('are names of devices, too: two that differ in capitals alone are warned of', async () => {
    const { problems } = await loadFiles({
      'lineside.yaml': siteYaml,
      'devices/press-07.yaml': deviceYaml,
      'devices/press-7.yaml': deviceYaml.replace('press-07', 'Press-07').replace('127.0.0.1', 'press-7.plant.example'),
    })
    expect(problems.map(({ file, code, severity }) => ({ file, code, severity }))).toEqual([
      { file: 'devices/press-7.yaml', code: 'device.case-twin', severity: 'warning' },
    ])
  })
})

describe('an upstream', () => {
  const codesOf = async (mqtt: string, url: string): Promise<readonly string[]> => {
    const { problems } = await loadFiles({ 'lineside.yaml': `${siteYaml}mqtt: ${mqtt}\nupstreams: { plant: { url: "${url}" } }\n` })
    return problems.filter(({ severity }) => severity === 'error').map(({ code, line }) => `${line} ${code}`)
  }

  it.each([
    ['{}', 'mqtt://127.0.0.1:1883'],
    ['{}', 'mqtt://localhost'],
    ['{ port: 2883 }', 'mqtt://[::1]:2883'],
    ['{ host: 0.0.0.0 }', `mqtt://${hostname()}:1883`],
    ['{ host: 10.1.7.5 }', 'mqtt://10.1.7.5:1883'],
    ['{ tls: { cert: a.pem, key: a.key, port: 8883 } }', 'mqtts://127.0.0.1'],
  ])('may not be the own broker: mqtt: %s, %s', async (mqtt, url) => {
    expect(await codesOf(mqtt, url)).toContain('3 upstream.own-broker')
  })

  it.each([
    ['{}', 'mqtt://127.0.0.1:1884'],
    ['{}', 'mqtt://10.1.7.9:1883'],
    ['{ host: 10.1.7.5 }', 'mqtt://127.0.0.1:1883'],
    ['{ port: 0 }', 'mqtt://127.0.0.1:1883'],
  ])('may be another broker: mqtt: %s, %s', async (mqtt, url) => {
    expect(await codesOf(mqtt, url)).toEqual([])
  })
})

describe('the rules of an upstream', () => {
  const foundIn = async (...upstreams: readonly string[]): Promise<readonly string[]> => {
    const lines = upstreams.map((keys, place) => `  u${place}: { url: "mqtts://plant.example", ${keys} }\n`).join('')
    const { problems } = await loadFiles({ 'lineside.yaml': `${siteYaml}upstreams:\n${lines}` })
    return problems.map(({ code, line, severity }) => `${line} ${code} ${severity}`)
  }
  const root = /^site: (\S+)/m.exec(siteYaml)?.[1] ?? ''

  it.each([root, `${root}/press-07`, 'lineside', 'lineside/edge-07/x'])('publish nothing into the own topics: %s', async (into) => {
    expect(await foundIn(`receive: [{ from: "a/#", do: publish, into: "${into}" }]`)).toEqual(['3 upstream.into-own error'])
  })

  it.each([
    ['{ from: a, to: x }, { from: a/b, to: y }', ['3 upstream.map-overlap warning']],
    ['{ from: a, to: x }, { from: a, to: y }', ['3 upstream.map-overlap warning']],
    ['{ from: a, to: x }, { from: b, to: x/b }', ['3 upstream.map-overlap warning']],
    ['{ from: a/b, to: y }, { from: a, to: x }, { from: ab, to: xb }', []],
  ])('are warned of where a mapping never counts, or two meet: %s', async (map, found) => {
    expect(await foundIn(`map: [${map}]`)).toEqual(found)
  })

  it('are warned of where a file is not there, and where two are one client', async () => {
    expect(await foundIn('tls: { ca: /nowhere/ca.pem }')).toEqual(['3 upstream.certificate-missing warning'])
    expect(await foundIn('client: c', 'client: c')).toEqual(['4 upstream.client-twin warning'])
    expect(await foundIn('client: c', 'client: d', 'send: ["#"]', 'receive: [{ from: "a/#", do: publish, into: b }]')).toEqual([])
  })
})
