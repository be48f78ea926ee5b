import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { LearntNote } from '../../../src/south/driver.ts'
import { startManualClock } from '../../support/manual-clock.ts'
import { type DeviceOptions, type ModbusDevice, startModbusDevice } from '../../support/modbus-device.ts'
import { startLibmodbusServer, startPymodbusServer } from '../../support/modbus-peers.ts'
import { makeStateFolder } from '../../support/state-folder.ts'
import { type Connected, config, connectTo, valuesOf } from './modbus-site.ts'

const words = (from: number, count: number): readonly string[] => Array.from({ length: count }, (_, place) => `hr:${from + place} u16`)
const fileName = 'modbus-learnt.json'

function temporaryFolder(): string {
  const folder = makeStateFolder()
  onTestFinished(() => folder[Symbol.dispose]())
  return folder.path
}

interface Site {
  readonly device: ModbusDevice
  readonly folder: string
  readonly told: readonly LearntNote[]
  /** A life of the daemon, ended when the next one begins. */
  start(texts: readonly string[], modbus?: Readonly<Record<string, unknown>>): Promise<Connected>
  stop(): Promise<void>
}

async function site(options: DeviceOptions = {}): Promise<Site> {
  const device = await startModbusDevice(options)
  for (let place = 0; place < 1_000; place += 1) device.registers[place] = place
  const folder = join(temporaryFolder(), 'press')
  const told: LearntNote[] = []
  let line: Connected | undefined
  const stop = async (): Promise<void> => {
    await line?.[Symbol.asyncDispose]()
    line = undefined
  }
  onTestFinished(async () => {
    await stop()
    await device[Symbol.asyncDispose]()
  })
  return {
    device,
    folder,
    told,
    stop,
    start: async (texts, modbus) => {
      await stop()
      device.takeFunctions()
      line = await connectTo(config(device.port, modbus), texts, { stateFolder: folder, learnt: (note) => told.push(note) })
      return line
    },
  }
}

/** `start+count` of the reads that a device has seen since `from`. */
function readsSince(device: ModbusDevice, from: number): readonly string[] {
  return device.requests.slice(from).map(({ pdu }) => `${pdu.readUInt16BE(1)}+${pdu.readUInt16BE(3)}`)
}

describe('a hole of a Modbus device', () => {
  it('is found once, told once, and known after a restart without asking', async () => {
    const plant = await site({ holes: [20] })
    await (await plant.start(words(0, 40))).poll()
    expect(plant.told.map(({ code }) => code)).toEqual(['modbus.hole'])
    expect(plant.told[0]).toMatchObject({
      message: 'hr:20 cannot be read: exception 2, illegal address. Only the tags there are bad.',
      pin: 'modbus: { quirks: { holes: ["hr:20"] } }',
    })
    const line = await plant.start(words(0, 40))
    const before = plant.device.requests.length
    const { readings } = await line.poll()
    expect(readsSince(plant.device, before)).toEqual(['0+20', '21+19'])
    expect(readings.filter(({ quality }) => quality === 'bad')).toEqual([{ tag: 20, value: null, quality: 'bad', status: 0x803e_0000 }])
    expect(valuesOf(readings)).toMatchObject({ 0: 0, 19: 19, 21: 21, 39: 39 })
    expect(plant.told).toHaveLength(1)
    expect(line.connection.learnt?.()).toEqual(plant.told.map((note) => ({ ...note, sinceMs: expect.any(Number) })))
  })

  it('is asked for again later, ever more rarely, and forgotten when it can be read', async () => {
    const clock = startManualClock()
    const holes = [20]
    const plant = await site({ holes })
    const connect = () =>
      connectTo({ ...config(plant.device.port), timeoutMs: 60_000 }, words(18, 4), { clock, stateFolder: plant.folder, learnt: () => {} })
    let line = await connect()
    await line.poll()
    const probes = async (ms: number): Promise<number> => {
      const before = plant.device.requests.length
      await clock.advance(ms)
      await line.poll()
      return readsSince(plant.device, before).filter((read) => read === '20+1').length
    }
    expect([await probes(59_000), await probes(2_000), await probes(61_000), await probes(61_000)]).toEqual([0, 1, 0, 1])
    holes.length = 0
    await clock.advance(16 * 60_000)
    expect(await line.values()).toEqual({ 2: 20 })
    await line[Symbol.asyncDispose]()
    line = await connect()
    expect(Object.keys(await line.values())).toHaveLength(4)
    expect(plant.device.requests.at(-1)?.pdu.readUInt16BE(3)).toBe(4)
    await line[Symbol.asyncDispose]()
  })

  it('that is a whole request is taken apart once, and known after a restart until something of it can be read', async () => {
    const clock = startManualClock()
    const holes = Array.from({ length: 10 }, (_, place) => 400 + place)
    const plant = await site({ holes })
    const told: string[] = []
    const connect = (texts: readonly string[] = [...words(0, 4), ...words(400, 10)]) =>
      connectTo({ ...config(plant.device.port), timeoutMs: 60_000 }, texts, {
        clock,
        stateFolder: plant.folder,
        learnt: ({ message }) => told.push(message),
      })
    const readsOf = async (line: Connected, ms: number): Promise<readonly string[]> => {
      const before = plant.device.requests.length
      await clock.advance(ms)
      await line.poll()
      return readsSince(plant.device, before)
    }
    {
      await using line = await connect()
      expect(await readsOf(line, 0)).toHaveLength(2 + 18)
      expect(await readsOf(line, 6_000)).toEqual(['0+4', '400+10'])
      expect(told).toEqual(['Nothing of hr:400-409 can be read: exception 2, illegal address. Only the tags there are bad.'])
    }
    {
      await using line = await connect()
      expect(line.connection.learnt?.()).toMatchObject([{ code: 'modbus.hole', pin: expect.stringContaining('["hr:400-409"]') }])
      expect(Object.values(await line.values()).filter((value) => value === 'bad')).toHaveLength(10)
      expect(await readsOf(line, 5 * 60_000)).toEqual(['0+4', '400+10'])
    }
    {
      await using other = await connect(words(400, 9))
      expect(await readsOf(other, 0)).toHaveLength(1 + 16)
    }
    await using line = await connect()
    expect(await readsOf(line, 0)).toEqual(['0+4', '400+10'])
    holes.length = 1
    expect((await readsOf(line, 17 * 60_000)).length).toBeGreaterThan(3)
    expect(line.connection.learnt?.()).toMatchObject([{ message: expect.stringContaining('hr:400 cannot be read') }])
    expect(await readsOf(line, 1_000)).toEqual(['0+4', '401+9'])
  })

  it('of an area that the device has no function for is remembered, costs only its own tags, and is probed again later', async () => {
    const clock = startManualClock()
    const lacks = [4]
    const plant = await site({ lacks })
    const inputs = ['ir:1 u16', 'ir:2 u16', 'ir:3 u16']
    const connect = () =>
      connectTo({ ...config(plant.device.port), timeoutMs: 60_000 }, [...words(0, 4), ...inputs], { clock, stateFolder: plant.folder })
    const functionsOf = async (line: Connected, ms: number): Promise<readonly number[]> => {
      plant.device.takeFunctions()
      await clock.advance(ms)
      await line.poll()
      return plant.device.takeFunctions()
    }
    {
      await using line = await connect()
      const values = Object.values(await line.values())
      expect([values.filter((value) => value === 'bad').length, values.length]).toEqual([3, 7])
      expect(await functionsOf(line, 1_000)).toEqual([3])
      expect(await functionsOf(line, 6_000)).toEqual([3, 4])
      expect(line.connection.learnt?.()).toMatchObject([{ message: expect.stringContaining('exception 1, illegal function') }])
    }
    await using line = await connect()
    expect(await functionsOf(line, 0)).toEqual([3, 4]) // not taken apart again
    expect(await functionsOf(line, 1_000)).toEqual([3])
    lacks.length = 0
    expect(await functionsOf(line, 17 * 60_000)).toEqual([3, 4])
    expect(Object.values(await line.values())).not.toContain('bad')
  })

  it('that is a whole request is forgotten as soon as it is given', async () => {
    const clock = startManualClock()
    const holes = [400, 401, 402]
    const plant = await site({ holes })
    const connect = () =>
      connectTo({ ...config(plant.device.port), timeoutMs: 60_000 }, words(400, 3), { clock, stateFolder: plant.folder })
    {
      await using line = await connect()
      await line.poll()
      await clock.advance(6_000)
      await line.poll()
      expect(line.connection.learnt?.()).toHaveLength(1)
    }
    holes.length = 0
    await using line = await connect()
    expect(await line.values()).toEqual({ 0: 400, 1: 401, 2: 402 })
    expect(line.connection.learnt?.()).toEqual([])
  })

  it('is looked for anew when the tag there has changed', async () => {
    const plant = await site({ holes: [20] })
    await (await plant.start(words(18, 4))).poll()
    const line = await plant.start(['hr:18 u16', 'hr:19 u16', 'hr:20 i16', 'hr:21 u16'])
    const before = plant.device.requests.length
    await line.poll()
    expect(readsSince(plant.device, before)[0]).toBe('18+4')
  })

  it('says nothing about a device at another address', async () => {
    const plant = await site({ holes: [20] })
    await (await plant.start(words(18, 4))).poll()
    await plant.stop()
    await using other = await startModbusDevice()
    await using line = await connectTo(config(other.port), words(18, 4), { stateFolder: plant.folder })
    expect(await line.values()).toEqual({ 0: 0, 1: 0, 2: 0, 3: 0 })
  })

  it('that the device file names is never asked for, nor read along, nor probed', async () => {
    const clock = startManualClock()
    const plant = await site({ holes: [20] })
    const settings = { ...config(plant.device.port, { quirks: { holes: ['hr:20-22'] } }), timeoutMs: 60_000 }
    await using line = await connectTo(settings, [...words(0, 30), 'hr:19 f32'], { clock, stateFolder: plant.folder })
    const { readings } = await line.poll()
    expect(readings.filter(({ status }) => status === 0x8089_0000).map(({ tag }) => tag)).toEqual([20, 21, 22, 30])
    await clock.advance(3_600_000)
    await line.poll()
    expect(new Set(readsSince(plant.device, 0))).toEqual(new Set(['0+20', '23+7']))
    expect(line.connection.learnt?.()).toEqual([])
    expect(await line.connection.read([20, 3], AbortSignal.timeout(5_000))).toMatchObject([{ quality: 'bad' }, { value: 3 }])
  })
})

describe('the largest request of a Modbus device', () => {
  it('is found, told, and kept over a restart', async () => {
    const plant = await site({ registersMax: 50 })
    const first = await plant.start(words(0, 120))
    expect(Object.keys(valuesOf((await first.poll()).readings))).toHaveLength(120)
    expect(plant.told).toMatchObject([{ code: 'modbus.limit', message: 'The device gives at most 50 registers in one answer.' }])
    const line = await plant.start(words(0, 120))
    await line.poll()
    expect(plant.device.takeFunctions()).toEqual([3, 3, 3])
    expect(plant.told).toHaveLength(1)
  })

  it('is looked for again after a month: somebody may have mended the device', async () => {
    const clock = startManualClock()
    const options = { registersMax: 50 }
    const plant = await site(options)
    const connect = () =>
      connectTo({ ...config(plant.device.port), timeoutMs: 60_000 }, words(0, 120), { clock, stateFolder: plant.folder })
    const requestsOf = async (): Promise<number> => {
      await using line = await connect()
      await line.poll()
      const before = plant.device.requests.length
      await line.poll()
      return plant.device.requests.length - before
    }
    expect(await requestsOf()).toBe(3)
    options.registersMax = 125
    await clock.advance(29 * 24 * 3_600_000)
    expect(await requestsOf()).toBe(3)
    await clock.advance(2 * 24 * 3_600_000)
    expect(await requestsOf()).toBe(1)
  })

  it('is no matter where no request may cross a border', async () => {
    const plant = await site()
    plant.device.intercept = ({ pdu }) => {
      const [start, count] = [pdu.readUInt16BE(1), pdu.readUInt16BE(3)]
      return start < 60 && start + count > 60 ? 2 : undefined
    }
    await (await plant.start(words(0, 120))).poll()
    expect(plant.told).toMatchObject([{ code: 'modbus.border' }])
    const line = await plant.start(words(0, 120))
    await line.poll()
    expect(plant.device.takeFunctions()).toEqual([3, 3])
  })
})

describe('what one unit or scan class has shown', () => {
  it('is not held against another unit', async () => {
    const plant = await site()
    plant.device.intercept = ({ unit, pdu }) => (unit === 7 && pdu.readUInt16BE(3) > 10 ? 3 : undefined)
    const line = await plant.start([...words(0, 40), ...words(0, 40).map((text) => `7/${text}`)])
    expect(Object.keys(await line.values())).toHaveLength(80)
    expect(plant.told).toMatchObject([{ message: 'Unit 7 gives at most 10 registers in one answer.' }])
    const before = plant.device.requests.length
    await line.poll()
    expect(readsSince(plant.device, before)).toEqual(['0+40', '0+10', '10+10', '20+10', '30+10'])
  })

  it('is told once, though another scan class meets it too', async () => {
    const plant = await site({ holes: [2] })
    const line = await plant.start(['hr:1 u16', 'hr:2 u16', 'hr:3 u16', 'hr:1 u16@fast', 'hr:2 u16@fast', 'hr:3 u16@fast'])
    expect(await line.values()).toEqual({ 0: 1, 1: 'bad', 2: 3 })
    expect(valuesOf((await line.poll('fast')).readings)).toEqual({ 3: 1, 4: 'bad', 5: 3 })
    expect(plant.told).toHaveLength(1)
  })

  it('is as true of coils as of registers', async () => {
    const plant = await site({ holes: [30] })
    plant.device.intercept = ({ pdu }) => (pdu[0] === 1 && pdu.readUInt16BE(3) > 64 ? 3 : undefined)
    plant.device.coils.fill(1, 0, 200)
    const line = await plant.start(Array.from({ length: 200 }, (_, place) => `co:${place}`))
    const { readings } = await line.poll()
    expect(readings.filter(({ quality }) => quality === 'bad').map(({ tag }) => tag)).toEqual([30])
    for (let round = 0; round < 4; round += 1) await line.poll()
    plant.device.takeFunctions()
    await line.poll()
    expect(plant.device.takeFunctions().length).toBeLessThanOrEqual(5)
    expect(plant.told.map(({ message }) => message)).toEqual([
      expect.stringContaining('co:30 cannot be read'),
      'The device gives at most 64 bits in one answer.',
    ])
  })
})

describe('a function that a Modbus device lacks', () => {
  it.each([
    ['hr:8! u16', 1, [6], [6, 16], [16]],
    ['hr:8[2]! u16', [1, 2], [16], [16, 6, 6], [6, 6]],
    ['co:8!', true, [5], [5, 15], [15]],
    ['co:8[2]!', [true, false], [15], [15, 5, 5], [5, 5]],
    ['hr:8.1!', true, [22], [22, 3, 6], [3, 6]],
  ])('is found by writing %s, told, and kept over a restart', async (text, value, lacks, first, later) => {
    const plant = await site({ lacks })
    expect(await (await plant.start([text])).write(0, value)).toEqual({ outcome: 'done' })
    expect(plant.device.takeFunctions()).toEqual(first)
    expect(plant.told).toMatchObject([{ code: 'modbus.function', pin: `modbus: { quirks: { without: [${lacks[0]}] } }` }])
    expect(await (await plant.start([text])).write(0, value)).toEqual({ outcome: 'done' })
    expect(plant.device.takeFunctions()).toEqual(later)
  })

  it('is tried again where nothing else can do the work: it may be there by then', async () => {
    const plant = await site({ lacks: [6, 16] })
    const line = await plant.start(['hr:8! u16'])
    expect(await line.write(0, 1)).toMatchObject({ outcome: 'failed', fault: { code: 'modbus.exception-1' } })
    await line.write(0, 1)
    expect(plant.device.takeFunctions()).toEqual([6, 16, 6, 16])
    expect(plant.told).toEqual([])
  })

  it('that the device file names is never tried', async () => {
    const plant = await site()
    const line = await plant.start(['hr:8! u16', 'hr:9.1!', 'hr:10! f32'], { quirks: { without: [6, 22] } })
    for (const [tag, value] of [1, true, 1.5].entries()) expect(await line.write(tag, value)).toEqual({ outcome: 'done' })
    expect(plant.device.takeFunctions()).toEqual([16, 3, 16, 16])
    const other = await plant.start(['hr:8! f32'], { quirks: { without: [16] } })
    expect(await other.write(0, 1.5)).toMatchObject({ outcome: 'failed', fault: { code: 'modbus.exception-1' } })
    expect(plant.device.takeFunctions()).toEqual([])
  })
})

describe('what was learnt about a Modbus device', () => {
  it.each([
    ['no JSON', '{"version": 1, "peer'],
    ['something else', '{"version": 1, "holes": "all"}'],
    ['of a later version', '{"version": 2}'],
    ['absurd', `[${' '.repeat(2 * 1024 * 1024)}]`],
  ])('is learnt again where the file is %s, which is set aside', async (_, text) => {
    const plant = await site({ holes: [20] })
    await mkdir(plant.folder, { recursive: true })
    await writeFile(join(plant.folder, fileName), text)
    const line = await plant.start(words(18, 4))
    await line.poll()
    expect(line.log.lines.filter(({ level }) => level === 'warn')).not.toHaveLength(0)
    await plant.stop()
    expect(await readFile(join(plant.folder, 'modbus-learnt.corrupt.json'), 'utf8')).toBe(text)
    expect(JSON.parse(await readFile(join(plant.folder, fileName), 'utf8'))).toMatchObject({
      version: 1,
      holes: [{ start: 20 }, { start: 20 }],
    })
  })

  it('holds nobody up where it cannot be kept', async () => {
    const plant = await site({ holes: [20] })
    await writeFile(plant.folder, 'a file where a folder should be')
    const line = await plant.start(words(18, 4))
    expect(await line.values()).toEqual({ 0: 18, 1: 19, 2: 'bad', 3: 21 })
    await plant.stop()
    expect(line.log.lines.map(({ message }) => message)).toContain(
      'What was learnt about the device cannot be kept; after a restart it is learnt again.',
    )
    const again = await plant.start(words(18, 4))
    expect(await again.values()).toEqual({ 0: 18, 1: 19, 2: 'bad', 3: 21 })
    expect(plant.told).toHaveLength(1)
  })

  it('takes no more than so much room, however broken the device is', async () => {
    const holes = Array.from({ length: 700 }, (_, place) => 2 * place)
    const plant = await site({ holes })
    const line = await plant.start(words(0, 1_400))
    const { readings } = await line.poll()
    expect(readings.filter(({ quality }) => quality === 'bad')).toHaveLength(700)
    expect(plant.told).toHaveLength(51)
    expect(plant.told.at(-1)).toMatchObject({ code: 'modbus.learnt-much' })
    await plant.stop()
    expect((await stat(join(plant.folder, fileName))).size).toBeLessThan(256 * 1024)
    expect(await readdir(plant.folder)).toEqual([fileName])
    const again = await plant.start(words(0, 1_400))
    expect(Object.values(valuesOf((await again.poll()).readings)).filter((value) => value === 'bad')).toHaveLength(700)
  })
})

describe('the driver, over a restart,', () => {
  it('asks a libmodbus server no more for what it refused', async () => {
    await using server = await startLibmodbusServer()
    const stateFolder = temporaryFolder()
    const texts = ['hr:198 u16', 'hr:199 u16', 'hr:200 u16', 'hr:199 u32', 'ir:190 u16', 'ir:250 u16', 'co:199', 'co:205']
    const expected = { 0: 198, 1: 199, 2: 'bad', 3: 'bad', 4: 1_190, 5: 'bad', 6: true, 7: 'bad' }
    const settings = { ...config(server.port), timeoutMs: 5_000 }
    for (let life = 0; life < 2; life += 1) {
      const told: LearntNote[] = []
      await using line = await connectTo(settings, texts, { stateFolder, learnt: (note) => told.push(note) })
      expect(await line.values()).toEqual(expected)
      expect(told.filter(({ code }) => code === 'modbus.hole')).toHaveLength(life === 0 ? 4 : 0)
      expect(line.log.lines.filter(({ level }) => level === 'warn')).toHaveLength(life === 0 ? 4 : 0)
    }
  })

  it('asks a pymodbus server no more for what it refused', async () => {
    await using server = await startPymodbusServer()
    const stateFolder = temporaryFolder()
    const settings = { ...config(server.port), timeoutMs: 5_000 }
    for (let life = 0; life < 2; life += 1) {
      const told: LearntNote[] = []
      await using line = await connectTo(settings, ['hr:49 u16', 'hr:55 u16', 'hr:60 u16', '7/hr:40 u16', '7/hr:61 u16'], {
        stateFolder,
        learnt: (note) => told.push(note),
      })
      expect(await line.values()).toEqual({ 0: 49, 1: 'bad', 2: 60, 3: 740, 4: 761 })
      expect(told.map(({ code }) => code)).toEqual(life === 0 ? ['modbus.hole', 'modbus.gap', 'modbus.gap'] : [])
    }
  })
})
