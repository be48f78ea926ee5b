import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type Files, siteFolder, siteYaml } from '../site/site-folder.ts'
import { lineside, type Ran } from '../support/lineside-program.ts'

const deviceYaml = `# The press by the door.
device: press-07
driver: modbus-tcp
connection: { host: 127.0.0.1 } # its own switch

tags:
  # hydraulics
  hydraulics/pressure: { at: hr:100, type: f32, unit: bar } # after the filter
  setpoint:
    at: hr:200
    type: u16
    write:
      min: 0
      max: 220
      interlock: "!tags['running']" # never while it runs
  running: { at: hr:40.3 }
`

interface Site extends AsyncDisposable {
  readonly path: string
  run(...args: readonly string[]): Promise<Ran>
  device(): Promise<string>
}

async function site(csv: string, more: Files = {}): Promise<Site> {
  const folder = await siteFolder({ 'lineside.yaml': siteYaml, 'devices/press-07.yaml': deviceYaml, 'tags.csv': csv, ...more })
  return {
    path: folder.path,
    run: (...args) => lineside([...args, '--site', folder.path]),
    device: () => readFile(join(folder.path, 'devices/press-07.yaml'), 'utf8'),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  }
}

async function imported(csv: string, ...args: readonly string[]): Promise<Ran & { readonly text: string }> {
  const folder = await siteFolder({ 'lineside.yaml': siteYaml, 'devices/press-07.yaml': deviceYaml, 'tags.csv': csv })
  await using _gone = folder
  const ran = await lineside(['import', 'press-07', '--csv', join(folder.path, 'tags.csv'), '--site', folder.path, ...args])
  return { ...ran, text: await readFile(join(folder.path, 'devices/press-07.yaml'), 'utf8') }
}

describe('lineside import --csv', () => {
  it('adds tags behind the others, and leaves comments and all else as they are', async () => {
    const { code, out, text } = await imported(
      'tag;at;type;unit;range.min;range.max;write.max\nmotor/speed;40301;f32;1/min;0;1500,5;1200\n',
    )
    expect({ code, out }).toEqual({ code: 0, out: '+ motor/speed\n1 added, 0 in conflict, 0 gone, 0 the same.\n' })
    expect(text).toBe(`${deviceYaml}  motor/speed: { at: hr:300, type: f32, unit: 1/min, range: [ 0, 1500.5 ], write: { max: 1200 } }\n`)
  })

  it.each([
    ['keeps each line as it is written', 'tag,at,type\nnew,hr:300,u16\n', '  new: { at: hr:300, type: u16 }\n'],
    ['does not touch a file that says the same', 'tag,at,type\na,hr:1,i16\n', ''],
  ])('%s, lists too', async (_, csv, added) => {
    const written = `device: press-07\ndriver: modbus-tcp\nconnection: {host: 127.0.0.1}\nmodbus: { quirks: { holes: ["hr:30-39",   "hr:50"] } }\ntags:\n  a: { at: hr:1, type: i16, scale: { raw: [0, 100], to: [0, 10] } } # as in the manual\n  b: { at: hr:2, type: u16, range: [0, 5] }\n`
    await using folder = await site(csv, { 'devices/press-07.yaml': written })
    expect(await folder.run('import', 'press-07', '--csv', join(folder.path, 'tags.csv'))).toMatchObject({ code: 0 })
    expect(await folder.device()).toBe(`${written}${added}`)
  })

  const conflicting = 'tag,at,unit,write.max\nhydraulics/pressure,hr:100,mbar,\nsetpoint,hr:200,,300\nnew,hr:300,,\n'

  it('changes nothing where tags differ, unless it is told what to do', async () => {
    const { code, out, error, text } = await imported(conflicting.replace('new,hr:300,,\n', ''))
    expect({ code, error, text }).toEqual({ code: 1, error: 'Nothing was changed.\n', text: deviceYaml })
    expect(out).toContain('~ hydraulics/pressure  unit: "bar" -> "mbar"')
  })

  it('keeps what is there with `keep`, and adds the rest', async () => {
    const { code, text } = await imported(conflicting.replace('new,hr:300', 'new,hr:300.1'), '--conflicts', 'keep')
    expect(code).toBe(0)
    expect(text).toBe(`${deviceYaml}  new: { at: hr:300.1 }\n`)
  })

  it('takes what the table says with `replace`, and no interlock away that the table has no column for', async () => {
    const { code, out, text } = await imported(conflicting.replace('new,hr:300', 'new,hr:300.1'), '--conflicts', 'replace')
    expect({ code, out }).toMatchObject({ code: 0, out: expect.stringContaining('1 added, 2 changed, 0 gone, 0 the same.') })
    expect(text).toContain('unit: mbar } # after the filter')
    expect(text).toContain('max: 300')
    expect(text).toContain('interlock: "!tags[\'running\']"')
    expect(text).toContain('# hydraulics\n')
  })

  it('only tells with --dry-run', async () => {
    const { code, out, text } = await imported('tag,at\nnew,hr:300.1\n', '--dry-run', '--json')
    expect(JSON.parse(out)).toMatchObject({ mode: 'fail', isDryRun: true, added: ['new'], conflicts: [], same: 0 })
    expect({ code, text }).toEqual({ code: 0, text: deviceYaml })
  })

  it.each([
    ['tag,at,typ\na,hr:1,u16\n', 'tags.csv:1:3  csv.column-unknown', 'Did you mean `type`?'],
    ['tag,at,at\n', 'tags.csv:1:3  csv.column-twice', ''],
    ['name,at\n', 'tags.csv:1:1  csv.', ''],
    ['tag,at,type\na,hr:1,u16\na b,hr:2,u16\n', 'tags.csv:3:1  csv.tag', ''],
    ['tag,at,type\na,hr:1,u16\na,hr:2,u16\n', 'tags.csv:3:1  tag.duplicate', 'Rename'],
    ['tag,at,type\na,xx:1,u16\n', 'tags.csv:2:2  site.value', ''],
    ['tag,at,type\na,4101,u16\n', 'tags.csv:2:2  csv.modicon', '5 or 6 digits'],
    ['tag,at,type,deadband\na,hr:1,u16,"0,5"\n', 'tags.csv:2:4  csv.number', 'decimal point'],
    ['tag,at,type,write\na,hr:1,u16,perhaps\n', 'tags.csv:2:4  csv.yes-no', ''],
    ['tag,at,type,range.min\na,hr:1,u16,0\n', 'tags.csv:2:4  site.', ''],
    ['tag,at,type,write.role\na,hr:1,u16,boss\n', 'tags.csv:2:4  site.choice', ''],
    ['tag,at\na,hr:1,u16\n', 'tags.csv:2:3  csv.too-many-cells', ''],
    ['tag,at\na,hr:1\n', 'tags.csv:2:1  site.value', 'needs its type'],
  ])('names row, column and remedy: %j', async (csv, place, remedy) => {
    const { code, error, text } = await imported(csv)
    expect({ code, text }).toEqual({ code: 1, text: deviceYaml })
    expect(error).toContain(place)
    expect(error).toContain(remedy)
  })

  it('names every row that is wrong, and all that is wrong with it, whatever else is', async () => {
    const rows = [
      'a,hr:10,u16,fasst,,',
      'b,xx:1,u17,,,',
      'c,hr:20,,,,',
      'd,hr:30,u16,,10,5',
      'setpoint,hr:200,u16,9,,',
      'e,hr:31,u16,no,x,',
    ]
    const { error } = await imported(`tag,at,type,scan,write.min,write.max\n${rows.join('\n')}\n`)
    const places = [...error.matchAll(/tags\.csv:(\d+:\d+ {2}[\w.-]+)/g)].map(([, place]) => place?.replace('  ', ' '))
    expect(places).toEqual([
      '2:4 tag.scan-unknown',
      '3:2 site.value',
      '3:3 site.value',
      '4:3 site.value',
      '5:5 site.value',
      '6:4 tag.scan-unknown',
      '7:4 tag.scan-unknown',
      '7:5 csv.number',
    ])
  })

  it('names the rows of a table of nodes as well', async () => {
    const plc = 'device: plc\ndriver: opcua\nconnection: { url: "opc.tcp://127.0.0.1:4840" }\ntags: {}\n'
    const rows = ['a,nsu=urn:x;s=A,f65,fast,50,', 'b,foo,f32,,,', 'c,nsu=urn:x;s=A,f32,nope,50ms,', 'd,nsu=urn:x;s=A,f32,,xx,[[[']
    await using folder = await siteFolder({
      'lineside.yaml': siteYaml,
      'devices/plc.yaml': plc,
      'nodes.csv': `tag,node,type,scan,sampling,field\n${rows.join('\n')}\n`,
    })
    const { error } = await lineside(['import', 'plc', '--csv', join(folder.path, 'nodes.csv'), '--site', folder.path])
    const places = [...error.matchAll(/nodes\.csv:(\d+:\d+)/g)].map(([, place]) => place)
    expect(places).toEqual(['2:3', '2:4', '2:5', '3:2', '4:4', '5:5', '5:6'])
  })

  it('writes no device file that would not pass the check', async () => {
    const { code, error, text } = await imported('tag,at,type\nother,hr:101,u32\n')
    expect({ code, text }).toEqual({ code: 1, text: deviceYaml })
    expect(error).toContain('modbus.overlap')
  })

  it('asks whether another device was meant', async () => {
    await using folder = await site('')
    expect(await folder.run('import', 'press-7', '--csv', 'x.csv')).toMatchObject({
      code: 1,
      error: expect.stringContaining('Did you mean `press-07`?'),
    })
  })

  it('has nothing against what only adds to a tag of a branch, which says nowhere where it is', async () => {
    const device = `device: plc
driver: opcua
connection: { url: "opc.tcp://127.0.0.1:1" }
import: [{ from: i=85 }]
tags: { setpoint: { write: { max: 220 } } }
`
    await using folder = await site('', { 'devices/plc.yaml': device })
    const { code, error } = await folder.run('import', 'plc')
    expect([code, error]).toEqual([3, expect.stringContaining('opcua.refused')])
    expect(error).not.toContain('opcua.no-address')
  })

  it('says that Modbus has no branches', async () => {
    await using folder = await site('')
    expect(await folder.run('import', 'press-07')).toMatchObject({ code: 1, error: expect.stringContaining('import.nothing') })
  })
})

describe('a tool that is interrupted', () => {
  it.each([
    ['import', 'plc', '--site'],
    ['browse', 'opc.tcp://127.0.0.1:1', '--exclude'],
    ['probe', 'modbus-tcp://127.0.0.1:1', '--pause'],
  ])('by Ctrl-C ends with 1, and calls it no bug: %s', async (command, what, option) => {
    const device = 'device: plc\ndriver: opcua\nconnection: { url: "opc.tcp://127.0.0.1:1" }\nimport: [{ from: i=85 }]\ntags: {}\n'
    await using folder = await siteFolder({ 'lineside.yaml': siteYaml, 'devices/plc.yaml': device })
    const value = option === '--site' ? folder.path : '0ms'
    const around = { stop: AbortSignal.abort(), environment: { XDG_STATE_HOME: folder.path } }
    const { code, error } = await lineside([command, what, option, value], around)
    expect(code).toBe(1)
    expect(error).not.toContain('bug')
  })
})

describe('lineside export', () => {
  it('writes a table that brings the same tags back', async () => {
    await using folder = await site('')
    const { out, code } = await folder.run('export', 'press-07')
    expect(code).toBe(0)
    expect(out.split('\r\n')).toEqual([
      'tag,at,type,unit,scan,description,write,write.min,write.max,write.interlock',
      'hydraulics/pressure,hr:100,f32,bar,,,,,,',
      "setpoint,hr:200,u16,,,,yes,0,220,!tags['running']",
      'running,hr:40.3,,,,,,,,',
      '',
    ])
    const again = await imported(out, '--conflicts', 'replace')
    expect(again).toMatchObject({ code: 0, out: '0 added, 0 changed, 0 gone, 3 the same.\n', text: deviceYaml })
  })
  it('writes over nothing that is there, be it a table or the device file itself, unless it is told to', async () => {
    await using folder = await site('')
    const table = join(folder.path, 'press-07.csv')
    expect(await folder.run('export', 'press-07', '--out', table)).toMatchObject({ code: 0 })
    for (const out of [table, join(folder.path, 'devices/press-07.yaml')]) {
      const { code, error } = await folder.run('export', 'press-07', '--out', out)
      expect({ code, error }).toEqual({ code: 1, error: expect.stringContaining(`${out} is there already.  (table.exists)`) })
    }
    expect(await folder.device()).toBe(deviceYaml)
    expect(await folder.run('export', 'press-07', '--out', table, '--force')).toMatchObject({ code: 0, error: '' })
  })
})
