import { describe, expect, it } from 'vitest'
import { type Files, loadFiles, problemsOf, siteYaml } from './site-folder.ts'

const device = (name: string, text: string): Files => ({
  'lineside.yaml': siteYaml,
  [`devices/${name}.yaml`]: `device: ${name}\n${text}`,
})

async function codesOf(...files: readonly Files[]): Promise<readonly string[]> {
  const found = await problemsOf(Object.assign({}, ...files))
  return found.map((text) => text.replace(/:\d+:\d+/, ''))
}

const tcp = (more: string, tags = 'a: { at: hr:0, type: u16 }'): string =>
  `driver: modbus-tcp\nconnection: { host: 10.0.0.1${more} }\ntags:\n  ${tags}\n`

describe('a mistyped key', () => {
  it('of a connection hides nothing that the driver sees in the tags', async () => {
    const tags = 'a: { at: hr:0, type: f32 }\n  b: { at: hr:1, type: u16 }\n  c: { at: hr:9, type: u16, scan: fats }'
    expect(await codesOf(device('d', tcp(', prot: 502', tags)))).toEqual([
      'devices/d.yaml site.unknown-key',
      'devices/d.yaml modbus.overlap',
      'devices/d.yaml tag.scan-unknown',
    ])
  })

  it('or a wrong value under `modbus` hides nothing either', async () => {
    const tags = 'a: { at: ir:0, type: u16, write: {} }'
    const text = tcp('', tags).replace('tags:', 'modbus: { gap: many, quirks: { pauze: 1ms } }\ntags:')
    expect(await codesOf(device('d', text))).toEqual([
      'devices/d.yaml site.type',
      'devices/d.yaml site.unknown-key',
      'devices/d.yaml modbus.read-only',
    ])
  })

  it('of a tag hides nothing else that is wrong with it, with others, or in other files', async () => {
    const tags = "a: { at: hr:0, type: f32, units: bar }\n  b: { at: hr:1, type: u16, write: { mni: 1, interlock: 'tags[' } }"
    const flow = 'flow: f\non: [{ tag: d/nope, when: value > 1, wen: x }]\nsteps: [{ id: s, write: { d/a: 1 }, tittle: x }]\n'
    const other = device('e', tcp('', 'a: { at: hr:0, type: u16 }\n  a: { at: hr:0, type: u16 }'))
    const site = { 'lineside.yaml': `${siteYaml}mqtt: { port: 8080, prot: 1 }\n`, 'flows/f.yaml': flow }
    expect((await codesOf(device('d', tcp('', tags)), other, site)).toSorted()).toEqual(
      [
        'devices/d.yaml site.unknown-key',
        'devices/d.yaml modbus.overlap',
        'devices/d.yaml site.unknown-key',
        'devices/d.yaml expression.invalid',
        'devices/e.yaml tag.duplicate',
        'flows/f.yaml site.unknown-key',
        'flows/f.yaml flow.tag-unknown',
        'flows/f.yaml site.unknown-key',
        'flows/f.yaml flow.tag-read-only',
        'lineside.yaml site.unknown-key',
        'lineside.yaml site.port-taken',
      ].toSorted(),
    )
  })

  it('lets nothing run', async () => {
    expect((await loadFiles(device('d', tcp(', prot: 502')))).site).toBeUndefined()
    expect((await loadFiles(device('d', tcp('', 'a: { at: hr:0, type: u16, units: bar }')))).site).toBeUndefined()
  })
})

describe('a problem', () => {
  it('says what to do, and not only what the key is', async () => {
    const { problems } = await loadFiles({
      ...device('d', tcp(', unit: 300', 'a: { at: 40101, type: u17 }')),
      'lineside.yaml': 'site: a b\n',
    })
    expect(problems.length).toBeGreaterThanOrEqual(4)
    for (const { remedy } of problems) expect(remedy).toMatch(/^(Write|Use|Add|Change|Did you mean|Correct|Remove)/)
    for (const { message } of problems) expect(message).not.toMatch(/Unrecognized|Invalid (string|input)/)
  })
})

describe('two devices at one host and port', () => {
  const rtu = 'driver: modbus-rtu-tcp\nconnection: { host: 10.0.0.1, port: 502 }\ntags:\n  a: { at: hr:0, type: u16 }\n'
  const opcua = 'driver: opcua\nconnection: { url: "opc.tcp://10.0.0.1:502/x" }\ntags: {}\n'

  it.each([
    ['RTU over TCP', rtu],
    ['OPC UA', opcua],
    ['TLS', tcp(', port: 502, shared: false, tls: {}')],
  ])('cannot speak Modbus TCP in one file and %s in the other', async (_, text) => {
    expect(await codesOf(device('d', tcp('')), device('e', text))).toContain('devices/e.yaml device.port-conflict')
  })

  it('may be two units behind one gateway, or two ports', async () => {
    expect(await codesOf(device('d', tcp('')), device('e', tcp(', unit: 2')))).toEqual([])
    expect(await codesOf(device('d', tcp('')), device('e', rtu.replace('502', '4001')))).toEqual([])
  })
})

describe('a limit of a write', () => {
  it.each([
    ['type: u16, write: { max: 70000 }', true],
    ['type: u16, write: { max: 65535 }', false],
    ['type: u16, write: { min: -1 }', true],
    ['type: bcd16, write: { max: 10000 }', true],
    ['type: i64, write: { max: 5e12 }', false],
    ['type: f32, write: { max: 1e39 }', true],
    ['type: i16, scale: { raw: [0, 1000], to: [0, 10] }, write: { max: 400 }', true],
    ['type: i16, scale: { raw: [0, 1000], to: [0, 10] }, write: { min: -327.68, max: 327.67 }', false],
  ])('must fit what the device holds: %s', async (text, isWrong) => {
    expect(await codesOf(device('d', tcp('', `a: { at: hr:0, ${text} }`)))).toEqual(isWrong ? ['devices/d.yaml tag.write-span'] : [])
  })
})

describe('the ends that a message names', () => {
  it.each([
    ['type: u64, write: { max: 1e30 }', 'u64 goes from 0 to 18446744073709551615.'],
    ['type: i64, write: { min: -1e30 }', 'i64 goes from -9223372036854775808 to 9223372036854775807.'],
    ['type: u16, write: { rate: 0 }', 'must be above 0.'],
    ['type: u16, write: { step: 0 }', 'must be above 0.'],
    ['type: u16, deadband: -1', 'must be at least 0.'],
  ])('are the true ones: %s', async (text, message) => {
    const { problems } = await loadFiles(device('d', tcp('', `a: { at: hr:0, ${text} }`)))
    expect(problems.map((problem) => problem.message)).toEqual([expect.stringContaining(message)])
  })
})

describe('two tags', () => {
  it('that differ in capitals alone are warned of, and run', async () => {
    const files = device('d', tcp('', 'a/b: { at: hr:0, type: u16 }\n  A/b: { at: hr:1, type: u16 }'))
    expect(await codesOf(files)).toEqual(['devices/d.yaml tag.case-twin'])
    expect((await loadFiles(files)).site?.tags).toHaveLength(2)
  })

  it('of which one stands below the other are fine: a topic and a node can hold a value and others', async () => {
    expect(await codesOf(device('d', tcp('', 'a: { at: hr:0, type: u16 }\n  a/b: { at: hr:1, type: u16 }')))).toEqual([])
  })
})

describe('an expression that is wrong', () => {
  const flow = (step: string): Files => ({
    ...device('d', tcp('')),
    'flows/f.yaml': `flow: f\non: [{ start: operator }]\nsteps:\n  - ${step}\n`,
  })
  const both = ['expression.invalid', 'flow.tag-unknown'].map((code) => `flows/f.yaml ${code}`)

  it.each([
    ['in the same text', `{ id: a, log: { text: "\${tags['d/a'] > 'x'} \${tags['d/nope']}" } }`],
    ['in the same payload', `{ id: a, publish: { topic: x, payload: { one: "\${valeu}", two: ["\${tags['d/nope']}"] } } }`],
    ['in the same condition', `{ id: a, when: "tags['d/a'] > 'x' || tags['d/nope'] > 1", log: { text: x } }`],
    ['in itself', `{ id: a, when: "tags['d/nope'] + levle > 1", log: { text: x } }`],
    ['in a number that is no condition', `{ id: a, when: "tags['d/nope'] + 1 - 1", log: { text: x } }`],
  ])('hides no unknown tag %s', async (_, step) => {
    expect((await codesOf(flow(step))).toSorted()).toEqual(both)
  })

  it('hides none in a route and in an interlock either', async () => {
    const routes = `routes:\n  - { route: r, from: { tag: d/a }, where: "value > 'x' && tags['d/nope'] > 1", map: { a: "\${valeu} \${tags['d/none']}" }, to: { topic: x } }\n`
    expect((await codesOf(device('d', tcp('')), { 'lineside.yaml': siteYaml + routes })).toSorted()).toEqual(
      ['expression.invalid', 'expression.invalid', 'route.tag-unknown', 'route.tag-unknown'].map((code) => `lineside.yaml ${code}`),
    )
    const interlock = `a: { at: hr:0, type: u16, write: { interlock: "tags['a'] > 'x' && tags['nope']" } }`
    expect(await codesOf(device('d', tcp('', interlock)))).toEqual(
      expect.arrayContaining(['devices/d.yaml expression.invalid', 'devices/d.yaml expression.tag-unknown']),
    )
  })
})
