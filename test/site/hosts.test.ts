import { describe, expect, it } from 'vitest'
import { loadSite } from '../../src/site/load.ts'
import { siteFolder } from './site-folder.ts'

async function codesOf(site: string, device = ''): Promise<readonly string[]> {
  const devices = device === '' ? {} : { 'devices/d.yaml': `device: d\ndriver: modbus-tcp\nconnection: ${device}\ntags: {}\n` }
  await using folder = await siteFolder({ 'lineside.yaml': site, ...devices })
  const { problems } = await loadSite(folder.path, { environment: {} })
  return problems.filter(({ severity }) => severity === 'error').map(({ code, line, column }) => `${line}:${column} ${code}`)
}

describe('a host in a site file', () => {
  it.each(['10.1.7.20:1883', 'mqtt://10.1.7.20', 'a host', '[::1]', '10.1.7.256', '10.1.7', '*', 'a..b', '-a'])(
    'is a name or an address alone, so %s is none, wherever it stands',
    async (host) => {
      for (const key of ['mqtt', 'api', 'opcua'])
        expect(await codesOf(`site: a\n${key}: { host: "${host}" }\n`)).toContain(`2:${key.length + 12} site.value`)
      expect(await codesOf('site: a\n', `{ host: "${host}" }`)).toEqual(['3:22 site.value'])
    },
  )

  it.each(['10.1.7.20', '::1', 'fe80::1%eth0', 'plc-7', 'plc_7.line.example', 'plc7.', 'steuerung-ü.example', '7up.example'])(
    'may be %s',
    async (host) => {
      expect(await codesOf(`site: a\nmqtt: { host: "${host}" }\n`, `{ host: "${host}" }`)).toEqual([])
    },
  )

  it.each([
    ['0:0:0:0:0:0:0:0', '127.0.0.1'],
    ['0:0:0:0:0:0:0:1', 'localhost'],
    ['FE80::1', 'fe80:0::1'],
    ['::ffff:127.0.0.1', '127.0.0.1'],
    ['LOCALHOST', '127.0.0.1'],
  ])('is the same however it is written: %s and %s cannot both have one port', async (one, other) => {
    expect(await codesOf(`site: a\nmqtt: { host: "${one}", port: 9 }\napi: { host: "${other}", port: 9 }\n`)).toContain(
      `3:${other.length + 24} site.port-taken`,
    )
  })
})

describe('what no site may name', () => {
  it('are the topics of Sparkplug as its own', async () => {
    expect(await codesOf('site: spBv1.0/line\n')).toEqual(['1:7 site.value'])
  })

  it('is port 0 of a broker above', async () => {
    expect(await codesOf('site: a\nupstreams: { p: { url: "mqtt://broker:0" } }\n')).toEqual(['2:25 site.value'])
  })
})
