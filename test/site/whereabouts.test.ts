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
