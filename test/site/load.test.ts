import { symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { loadSite } from '../../src/site/load.ts'
import { deviceYaml, flowYaml, goodSite, loadFiles, problemsOf, siteFolder, siteYaml } from './site-folder.ts'

describe('a good site', () => {
  it('is loaded as plain data, its tags in order', async () => {
    const { site, problems } = await loadFiles(goodSite)
    expect(problems).toEqual([])
    expect(site?.tags.map((tag) => tag.id)).toEqual(['press-07/hydraulics/pressure', 'press-07/motor/running', 'press-07/recipe/setpoint'])
    expect(structuredClone(site)).toEqual(site)
  })

  it('says of each tag what it is once decoded', async () => {
    const tags = `tags:\n  a: { at: hr:0, type: bcd32 }\n  b: { at: hr:2, type: i16, scale: { raw: [0, 27648], to: [0, 150] } }\n  c: { at: 'hr:10[4]', type: u16 }\n`
    const { site } = await loadFiles({
      'lineside.yaml': siteYaml,
      'devices/d.yaml': `device: d\ndriver: modbus-tcp\nconnection: { host: h }\n${tags}`,
    })
    expect(site?.tags.map(({ type, length }) => [type, length])).toEqual([
      ['u32', undefined],
      ['f64', undefined],
      ['u16', 4],
    ])
  })

  it('says of a text how much room it has', async () => {
    const tags = 'tags:\n  a: { at: hr:0, type: string(20) }\n  b: { at: hr:20, type: u16 }\n'
    const { site } = await loadFiles({
      'lineside.yaml': siteYaml,
      'devices/d.yaml': `device: d\ndriver: modbus-tcp\nconnection: { host: h }\n${tags}`,
    })
    expect(site?.tags.map(({ sizeBytes }) => sizeBytes)).toEqual([20, undefined])
  })

  it('reads a tag without a scan class once a second', async () => {
    const { site } = await loadFiles(goodSite)
    expect(site?.devices[0]?.scanMs).toEqual({ normal: 1_000, fast: 100 })
  })

  it('keeps its state where systemd says, or beside its files where they say so', async () => {
    const environment = { STATE_DIRECTORY: '/var/lib/lineside/a:/var/lib/b' }
    expect((await loadFiles(goodSite, { environment })).site?.storage.path).toBe('/var/lib/lineside/a')
    const { site } = await loadFiles({ ...goodSite, 'lineside.yaml': `${siteYaml}storage: { path: ./state }\n` })
    expect(site?.storage.path).toBe(join(site?.folder ?? '', 'state'))
  })

  it('may use anchors', async () => {
    const tags = 'tags:\n  a: &word { at: hr:1, type: u16 }\n  b: *word\n'
    const site = { 'lineside.yaml': siteYaml, 'devices/d.yaml': `device: d\ndriver: modbus-tcp\nconnection: { host: h }\n${tags}` }
    expect((await loadFiles(site)).site?.tags.map((tag) => tag.path)).toEqual(['a', 'b'])
  })
})

/** The good site with one file changed. */
function changed(file: keyof typeof goodSite, from: string, to: string, more: typeof goodSite = {}): typeof goodSite {
  const text = String(goodSite[file])
  if (!text.includes(from)) throw new Error(`${file} holds no ${from}`)
  return { ...goodSite, ...more, [file]: text.replace(from, to) }
}

const otherYaml = 'device: other\ndriver: modbus-tcp\nconnection: { host: h }\ntags:\n  name: { at: hr:0, type: string(4), write: {} }\n'

const device = 'devices/press-07.yaml'
const flow = 'flows/watch.yaml'
const site = 'lineside.yaml'

describe('a mistake in a site', () => {
  it.each([
    ['an unknown key', changed(site, siteYaml, `${siteYaml}mqtt:\n  prot: 1883\n`), `${site}:3:3 site.unknown-key`],
    ['a missing key', changed(device, 'connection: { host: 127.0.0.1 }', 'connection: { port: 502 }'), `${device}:3:13 site.missing`],
    ['a wrong type', changed(site, siteYaml, `${siteYaml}api: { port: http }\n`), `${site}:2:14 site.type`],
    ['a port out of range', changed(site, siteYaml, `${siteYaml}api: { port: 70000 }\n`), `${site}:2:14 site.value`],
    ['a site path with a wildcard', changed(site, 'munich', 'mun+ich'), `${site}:1:7 site.value`],
    ['an unknown driver', changed(device, 'modbus-tcp', 'modbus-tpc'), `${device}:2:9 site.choice`],
    ['a duration without unit', changed(device, '100ms', '100'), `${device}:4:15 site.type`],
    [
      'a range that begins with its largest value',
      changed(device, 'scan: fast', 'scan: fast, range: [250, 0]'),
      `${device}:6:68 site.value`,
    ],
    ['an unknown scan class', changed(device, 'scan: fast', 'scan: fats'), `${device}:6:55 tag.scan-unknown`],
    ['a tag twice', changed(device, 'motor/running: {', 'hydraulics/pressure: {'), `${device}:7:3 tag.duplicate`],
    ['a tag name with a wildcard', changed(device, 'motor/running: {', 'motor/#: {'), `${device}:7:3 site.key`],
    ['a tag named set', changed(device, 'motor/running: {', 'motor/set: {'), `${device}:7:3 site.key`],
    ['an unknown key of a tag', changed(device, 'unit: bar', 'units: bar'), `${device}:6:61 site.unknown-key`],
    ['a bad address', changed(device, 'at: hr:100', 'at: hx:100'), `${device}:6:30 site.value`],
    ['limits that exclude each other', changed(device, 'min: 0', 'min: 300'), `${device}:8:59 site.value`],
    [
      'an interlock that is no CEL',
      changed(device, "!tags['motor/running']", '!tags['),
      expect.stringMatching(/:8:\d+ expression\.invalid/),
    ],
    ['an interlock on another device', changed(device, "!tags['motor", "!tags['press-07/motor"), `${device}:8:91 expression.tag-unknown`],
    [
      'a trigger on an unknown tag',
      changed(flow, 'tag: press-07/hydraulics/pressure', 'tag: press-07/hydraulics/presure'),
      `${flow}:3:10 flow.tag-unknown`,
    ],
    ['a condition that is no CEL', changed(flow, 'value > 210', 'valu > 210'), `${flow}:4:11 expression.invalid`],
    [
      'a condition on an unknown tag',
      changed(flow, "['press-07/motor/running']", "['press-07/motor/runs']"),
      `${flow}:4:32 flow.tag-unknown`,
    ],
    ['a write to a read-only tag', changed(flow, 'recipe/setpoint: 100', 'hydraulics/pressure: 1'), `${flow}:7:14 flow.tag-read-only`],
    ['a write outside the limits', changed(flow, 'setpoint: 100', 'setpoint: 221'), `${flow}:7:40 flow.value-range`],
    ['a write of a fraction to a whole number', changed(flow, 'setpoint: 100', 'setpoint: 1.5'), `${flow}:7:40 flow.value-range`],
    ['a write of the wrong type', changed(flow, 'setpoint: 100', 'setpoint: true'), `${flow}:7:40 flow.value-type`],
    [
      'a write of a text that is too long',
      changed(flow, 'press-07/recipe/setpoint: 100', 'other/name: Hello', { 'devices/other.yaml': otherYaml }),
      `${flow}:7:26 flow.value-length`,
    ],
    ['a step twice', changed(flow, 'id: tell', 'id: lower'), `${flow}:9:9 flow.step-duplicate`],
    ['a step of no kind', changed(flow, 'write:', 'wirte:'), `${flow}:7:5 site.unknown-key`],
    ['a step of two kinds', changed(flow, '  - id: tell\n', ''), `${flow}:9:14 site.value`],
    ['an unknown key of a step', changed(flow, 'payload:', 'paylod:'), expect.stringContaining(`${flow}:10:14 site.missing`)],
    [
      'a payload with a wrong expression',
      changed(flow, '${value}', '${vlue}'),
      expect.stringMatching(/flows\/watch.yaml:10:\d+ expression\.invalid/),
    ],
    ['a publish over a tag', changed(flow, 'messages/press', 'press-07/motor/running/set'), `${flow}:10:23 flow.topic-of-tag`],
    ['a topic with a wildcard', changed(flow, 'messages/press', 'messages/+'), `${flow}:10:23 site.value`],
    ['a port taken twice', changed(site, siteYaml, `${siteYaml}mqtt: { port: 8080 }\n`), `${site}:2:15 site.port-taken`],
    [
      'a secret nobody knows',
      changed(site, siteYaml, `${siteYaml}upstreams:\n  plant: { url: mqtts://h, user: u, password: '\${secret:x}' }\n`),
      `${site}:3:48 secret.unknown`,
    ],
    ['what only the driver sees', changed(device, 'at: hr:200', 'at: hr:101'), `${device}:8:26 modbus.overlap`],
    ['a bool compared with a number', changed(flow, '&& tags[', '&& 1 == tags['), `${flow}:4:26 expression.invalid`],
    ['a device twice', { ...goodSite, 'devices/z.yaml': deviceYaml }, 'devices/z.yaml:1:9 device.duplicate'],
    ['a flow twice', { ...goodSite, 'flows/z.yaml': flowYaml }, 'flows/z.yaml:1:7 flow.duplicate'],
  ])('is found at its place: %s', async (_, files, expected) => {
    expect(await problemsOf(files)).toContainEqual(expected)
  })

  it('is told with what was probably meant', async () => {
    const { problems } = await loadFiles(changed(device, 'unit: bar', 'units: bar'))
    expect(problems).toMatchObject([
      { message: 'There is no key `units` in `tags › hydraulics/pressure`.', remedy: 'Did you mean `unit`?' },
    ])
  })

  it('in a duration is told with its units', async () => {
    const { problems } = await loadFiles(changed(device, '100ms', '100'))
    expect(problems).toMatchObject([
      { message: '`scan › fast`: 100 of what? A duration has its unit with it.', remedy: 'Write 100ms, or with s, m, h or d.' },
    ])
  })

  it('in a key is told once', async () => {
    expect(await problemsOf(changed(flow, 'write:', 'wirte:'))).toEqual([`${flow}:7:5 site.unknown-key`])
  })

  it('hides no other: all of them are told at once', async () => {
    const files = {
      ...goodSite,
      [device]: deviceYaml.replace('type: f32', 'type: f31').replace('max: 220', 'max: x'),
      [site]: `${siteYaml}a: 1\n`,
    }
    expect(await problemsOf(files)).toEqual([`${device}:6:44 site.value`, `${device}:8:67 site.type`, `${site}:2:1 site.unknown-key`])
  })

  it.each<[string, typeof goodSite, readonly string[]]>([
    [
      'in one tag does not hide what is wrong with the others',
      {
        ...goodSite,
        [device]: deviceYaml
          .replace('type: f32', 'type: f31')
          .replace('at: hr:40.3, type: bool', 'at: hr:40.99, type: bool')
          .replace("running']", "runing']"),
      },
      [`${device}:6:44 site.value`, `${device}:7:24 modbus.bit-range`, `${device}:8:91 expression.tag-unknown`],
    ],
    [
      'in the scan classes does not hide what is wrong with the tags, nor make those look wrong that name one',
      { ...goodSite, [device]: deviceYaml.replace('fast: 100ms', 'fast: 100').replace('at: hr:40.3', 'at: hr:40.99') },
      [`${device}:4:15 site.type`, `${device}:7:24 modbus.bit-range`],
    ],
    [
      'in the connection does not hide a wrong interlock',
      { ...goodSite, [device]: deviceYaml.replace('host: 127', 'hots: 127').replace("running']", "runing']") },
      [`${device}:3:13 site.missing`, `${device}:3:15 site.unknown-key`, `${device}:8:91 expression.tag-unknown`],
    ],
    [
      'in one step of a flow does not hide what is wrong with its trigger and the other steps',
      { ...goodSite, [flow]: flowYaml.replace('valu', 'vlau').replace('setpoint: 100', 'setpoint: 221').replace('payload:', 'paylod:') },
      [`${flow}:4:11 expression.invalid`, `${flow}:7:40 flow.value-range`, `${flow}:10:14 site.missing`, `${flow}:10:39 site.unknown-key`],
    ],
    [
      'in one key of lineside.yaml does not hide what is wrong with the others',
      { ...goodSite, [site]: `${siteYaml}node: "a b"\nmqtt: { port: 8080 }\n` },
      [`${site}:2:8 site.value`, `${site}:3:15 site.port-taken`],
    ],
  ])('%s', async (_, files, expected) => {
    expect(await problemsOf(files)).toEqual(expected)
  })

  it('in a device does not make every flow look wrong', async () => {
    expect(await problemsOf(changed(device, 'type: f32', 'type: f31'))).toEqual([`${device}:6:44 site.value`])
  })

  it('in the broker is found at its other doors, too', async () => {
    const doors = `${siteYaml}mqtt:
  host: 0.0.0.0
  tls: { port: 8080, cert: a.pem, key: b.pem, clientCertificates: required }
  websocket: { port: 8080, tls: true }
`
    expect(await problemsOf(changed(site, siteYaml, doors))).toEqual([`${site}:4:8 site.value`])
    const { problems, site: loaded } = await loadFiles(
      changed(
        site,
        siteYaml,
        doors
          .replace(', clientCertificates: required', '')
          .replace('port: 8080, cert', 'port: 8883, cert')
          .replace('port: 8080, tls: true', 'port: 9001'),
      ),
    )
    expect(problems.map(({ code, line }) => `${line} ${code}`)).toEqual([
      '3 mqtt.unencrypted',
      '4 mqtt.certificate-missing',
      '4 mqtt.certificate-missing',
      '5 mqtt.unencrypted',
    ])
    expect(loaded?.mqtt.tls?.cert).toMatch(/^\/.*\/a\.pem$/)
    const taken = await problemsOf(changed(site, siteYaml, `${siteYaml}mqtt: { websocket: { port: 8080 } }\n`))
    expect(taken).toEqual([`${site}:2:28 site.port-taken`])
  })

  it('takes the site away, and a warning does not', async () => {
    const wrong = await loadFiles(changed(site, 'site:', 'sight:'))
    expect(wrong.site).toBeUndefined()
    const open = await loadFiles(changed(site, siteYaml, `${siteYaml}mqtt: { anonymous: true }\nopcua: { security: [None] }\n`))
    expect(open.problems.map(({ code, severity }) => [code, severity])).toEqual([
      ['mqtt.anonymous', 'warning'],
      ['opcua-server.unencrypted', 'warning'],
    ])
    expect(open.site).toBeDefined()
  })

  it('is none when the secret is in the environment', async () => {
    const files = changed(site, siteYaml, `${siteYaml}upstreams:\n  plant: { url: mqtts://h, user: u, password: '\${secret:x}' }\n`)
    expect(await problemsOf(files, { environment: { LINESIDE_SECRET_X: 'y' } })).toEqual([])
  })
})

describe('a file that cannot be used', () => {
  it.each([
    ['is missing', { [device]: deviceYaml }, `${site}:1:1 file.missing`],
    ['is empty', { ...goodSite, [site]: '' }, `${site}:1:1 site.type`],
    ['is no UTF-8', { ...goodSite, [device]: new Uint8Array([0x61, 0xff]) }, `${device}:1:1 file.encoding`],
    ['is larger than 4 MiB', { ...goodSite, [device]: '#'.repeat(4 * 1024 * 1024 + 1) }, `${device}:1:1 file.unusable`],
    ['is a folder', { ...goodSite, 'devices/x.yaml/y': '' }, 'devices/x.yaml:1:1 file.unusable'],
    ['is no YAML', { ...goodSite, [site]: 'site: "a\n' }, expect.stringMatching(/lineside.yaml:\d:\d+ yaml\./)],
    ['is indented with tabs', { ...goodSite, [site]: 'mqtt:\n\tport: 1\n' }, `${site}:2:1 yaml.tab-as-indent`],
    ['holds two documents', { ...goodSite, [site]: 'a: 1\n---\nb: 1\n' }, `${site}:2:1 yaml.multiple-docs`],
    ['holds a tag of its own', { ...goodSite, [site]: 'site: !js a\n' }, `${site}:1:7 yaml.tag-resolve-failed`],
    ['has a list as a key', { ...goodSite, [site]: '? [a]\n: 1\n' }, `${site}:1:3 yaml.key`],
    ['has __proto__ as a key', { ...goodSite, [site]: '__proto__: { site: a }\n' }, `${site}:1:1 yaml.key`],
    ['refers to nothing', { ...goodSite, [site]: 'site: *a\n' }, `${site}:1:7 yaml.alias`],
    ['refers to itself', { ...goodSite, [site]: 'site: &a [*a]\n' }, `${site}:1:11 yaml.too-deep`],
    [
      'is nested a thousandfold',
      { ...goodSite, [site]: `site: ${'['.repeat(1_000)}${']'.repeat(1_000)}` },
      expect.stringContaining('yaml.too-deep'),
    ],
    ['is misnamed', { ...goodSite, 'devices/a.yml': '' }, 'devices/a.yml:1:1 file.extension'],
  ])('is named when it %s', async (_, files, expected) => {
    expect(await problemsOf(files)).toContainEqual(expected)
  })

  it('that holds two documents is told of it in words for people', async () => {
    const { problems } = await loadFiles({ ...goodSite, [site]: 'a: 1\n---\nb: 1\n' })
    expect(problems).toMatchObject([
      { message: 'A second document begins here.', remedy: 'Keep one document in a file: remove what follows `---`.' },
    ])
  })

  it('with an array that needs quotes in a map of one line is told so once, and all else that YAML minds', async () => {
    const bare = changed(device, 'at: hr:100,', 'at: hr:100[4],')
    const { problems } = await loadFiles(bare)
    expect(problems).toMatchObject([
      {
        line: 6,
        column: 30,
        code: 'yaml.quotes-missing',
        message: expect.stringContaining('hr:100[4]'),
        remedy: 'Write "hr:100[4]", with the quotes.',
      },
    ])
    const twice = { ...bare, [device]: String(bare[device]).replace('at: hr:40.3', 'at: 3/co:40[2]') }
    expect(await problemsOf({ ...twice, [device]: `${twice[device]}\tx: 1\n` })).toEqual([
      `${device}:6:30 yaml.quotes-missing`,
      `${device}:7:24 yaml.quotes-missing`,
      `${device}:9:1 yaml.tab-as-indent`,
    ])
  })

  it('may have an array without quotes on a line of its own', async () => {
    const lines = '  hydraulics/pressure:\n    at: hr:100[4]\n    type: f32\n'
    expect(await problemsOf({ ...goodSite, [device]: deviceYaml.replace(/ {2}hydraulics\/pressure:.*\n/, lines) })).not.toContainEqual(
      expect.stringContaining('yaml.'),
    )
  })

  it('is bounded when its aliases multiply', async () => {
    const levels = Array.from({ length: 12 }, (_, level) => `l${level + 1}: &l${level + 1} [${Array(10).fill(`*l${level}`).join(', ')}]`)
    const bomb = `l0: &l0 [x]\n${levels.join('\n')}\n`
    expect(await problemsOf({ ...goodSite, [site]: bomb })).toEqual([expect.stringContaining('yaml.too-large')])
  })

  it('is named when it is a link that leads back to itself', async () => {
    await using folder = await siteFolder(goodSite)
    await symlink('loop.yaml', join(folder.path, 'devices/loop.yaml'))
    expect((await loadSite(folder.path)).problems).toMatchObject([{ file: 'devices/loop.yaml', code: 'file.link-loop' }])
  })

  it('is not waited for when it is a device', async () => {
    await using folder = await siteFolder(goodSite)
    await symlink('/dev/zero', join(folder.path, 'devices/zero.yaml'))
    expect((await loadSite(folder.path)).problems).toMatchObject([{ file: 'devices/zero.yaml', code: 'file.unusable' }])
  })

  it('does not make a folder that is none a site', async () => {
    expect((await loadSite('/nowhere')).problems).toMatchObject([{ code: 'site.no-folder', message: '/nowhere is not there.' }])
    expect((await loadSite('/etc/hostname')).problems).toMatchObject([{ code: 'site.no-folder', message: '/etc/hostname is no folder.' }])
  })
})
