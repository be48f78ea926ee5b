import { describe, expect, it, vi } from 'vitest'
import { startManualClock } from '../../support/manual-clock.ts'
import { type DeviceOptions, type ModbusDevice, startModbusDevice } from '../../support/modbus-device.ts'
import { type Connected, config, connectTo, valuesOf } from './modbus-site.ts'

async function plant(
  texts: readonly string[],
  { modbus, ...options }: DeviceOptions & { readonly modbus?: Readonly<Record<string, unknown>> } = {},
) {
  const device = await startModbusDevice(options)
  for (let place = 0; place < 1_000; place += 1) device.registers[place] = place
  const line = await connectTo(config(device.port, modbus), texts)
  return { device, line, [Symbol.asyncDispose]: () => dispose(line, device) }
}

async function dispose(...parts: readonly AsyncDisposable[]): Promise<void> {
  for (const part of parts) await part[Symbol.asyncDispose]()
}

const registers = (from: number, count: number): readonly string[] => Array.from({ length: count }, (_, place) => `hr:${from + place} u16`)

describe('a Modbus device that is polled', () => {
  it('gives every tag the first time, and afterwards what has changed', async () => {
    await using site = await plant(['hr:1 u16', 'hr:2 f32', 'hr:9.1', 'co:3', 'hr:20 string(4)'])
    expect(Object.keys(await site.line.values())).toEqual(['0', '1', '2', '3', '4'])
    expect(await site.line.poll()).toEqual({ readings: [] })
    site.device.registers[1] = 7
    site.device.coils[3] = 1
    expect(await site.line.values()).toEqual({ 0: 7, 3: true })
    expect(await site.line.poll()).toEqual({ readings: [] })
  })

  it('tells the bits of one register apart', async () => {
    await using site = await plant(['hr:5.0', 'hr:5.1', 'hr:5.9'])
    expect(await site.line.values()).toEqual({ 0: true, 1: false, 2: false })
    site.device.registers[5] = 0x0205
    expect(await site.line.values()).toEqual({ 2: true })
  })

  it('reads in one request what fits into one, and each scan class for itself', async () => {
    await using site = await plant([...registers(0, 100), 'hr:0 u16@fast'])
    await site.line.poll('fast')
    expect(site.device.requests).toHaveLength(1)
    expect((await site.line.poll()).readings).toHaveLength(100)
    expect(site.device.requests).toHaveLength(2)
    expect(await site.line.poll('nobody')).toEqual({ readings: [] })
  })

  it('counts addresses from one where the device file does', async () => {
    await using device = await startModbusDevice()
    device.registers[99] = 4711
    await using line = await connectTo({ ...config(device.port), addressing: 'one' }, ['hr:100 u16'])
    expect(await line.values()).toEqual({ 0: 4711 })
  })

  it('asks each unit by its number', async () => {
    await using site = await plant(['hr:1 u16', '7/hr:1 u16'])
    await site.line.poll()
    expect(site.device.requests.map(({ unit }) => unit)).toEqual([1, 7])
  })

  it('has a bad tag where the device has no number, and a good one again after', async () => {
    await using site = await plant(['hr:10 f32'])
    site.device.registers[10] = 0x7fc0
    expect(await site.line.values()).toEqual({ 0: 'bad' })
    site.device.registers.set([0x3fc0, 0], 10)
    expect(await site.line.values()).toEqual({ 0: 1.5 })
  })

  it('keeps several requests on their way where it may', async () => {
    await using site = await plant(registers(0, 10), { modbus: { inflight: 4, quirks: { registersMax: 1 } } })
    expect((await site.line.poll()).readings).toHaveLength(10)
    expect(site.device.requests).toHaveLength(10)
  })
})

describe('a Modbus device with a hole', () => {
  it.each([2, 3, 4])(
    'turns bad only the tags that touch it (exception %i), says so once, and reads the rest in few requests',
    async (holeCode) => {
      await using site = await plant([...registers(0, 64), 'hr:19 f32'], { holes: [20], holeCode })
      const { readings } = await site.line.poll()
      const bad = readings
        .filter(({ quality }) => quality === 'bad')
        .map(({ tag }) => tag)
        .sort((one, other) => one - other)
      expect(bad).toEqual([20, 64])
      expect(valuesOf(readings)).toMatchObject({ 19: 19, 21: 21, 63: 63 })
      expect(site.line.log.lines.filter(({ level }) => level === 'warn')).not.toHaveLength(0)
      const warnings = site.line.log.lines.length
      await site.line.poll()
      site.device.takeFunctions()
      site.device.registers[21] = 4711
      expect(await site.line.values()).toEqual({ 21: 4711 })
      expect(site.device.takeFunctions().length).toBeLessThanOrEqual(holeCode === 4 ? 7 : 5)
      expect(site.line.log.lines).toHaveLength(warnings)
    },
  )

  it('is not fooled by a hole that no tag touches', async () => {
    await using site = await plant(['hr:0 u16', 'hr:10 u16'], { holes: [5] })
    expect(await site.line.values()).toEqual({ 0: 0, 1: 10 })
    site.device.takeFunctions()
    await site.line.poll()
    expect(site.device.takeFunctions()).toEqual([3, 3])
  })

  it('learns how much a device reads at once', async () => {
    await using site = await plant(registers(0, 100), { registersMax: 30 })
    expect(Object.keys(await site.line.values())).toHaveLength(100)
    await site.line.poll()
    site.device.takeFunctions()
    await site.line.poll()
    expect(site.device.takeFunctions().length).toBeLessThanOrEqual(4)
  })

  it('probes it again much later, and reads it if it is there', async () => {
    const clock = startManualClock()
    await using device = await startModbusDevice({ holes: [3] })
    let isRefusing = true
    device.intercept = () => (isRefusing ? 2 : undefined)
    await using line = await connectTo({ ...config(device.port), timeoutMs: 60_000 }, ['hr:1 u16'], { clock })
    expect(await line.values()).toEqual({ 0: 'bad' })
    isRefusing = false
    expect(await line.poll()).toEqual({ readings: [] })
    await clock.advance(60_001)
    expect(await line.values()).toEqual({ 0: 0 })
  })

  it('turns everything bad when all is refused, and asks no more for each part in every poll', async () => {
    await using site = await plant(registers(0, 16))
    site.device.intercept = () => 4
    expect(valuesOf((await site.line.poll()).readings)).toMatchObject({ 0: 'bad', 15: 'bad' })
    site.device.takeFunctions()
    expect(await site.line.poll()).toEqual({ readings: [] })
    expect(site.device.takeFunctions()).toEqual([3])
    site.device.intercept = () => undefined
    expect(await site.line.values()).toMatchObject({ 0: 0, 15: 15 })
  })

  it('is no hole when a device that could be read fails for a moment', async () => {
    await using site = await plant(registers(0, 16))
    await site.line.poll()
    site.device.takeFunctions()
    site.device.intercept = () => 4
    await site.line.poll()
    site.device.intercept = () => undefined
    expect(Object.keys(await site.line.values())).toHaveLength(16)
    expect(site.device.takeFunctions()).toEqual([3, 3])
  })
})

describe('a Modbus device that is silent', () => {
  const oneEach = { modbus: { quirks: { registersMax: 1 } } }

  it('costs a poll one timeout, however many requests it would have taken', async () => {
    await using site = await plant(registers(0, 10), oneEach)
    site.device.intercept = () => 'silence'
    expect(await site.line.poll()).toEqual({ readings: [], silent: expect.arrayContaining([0, 9]), code: 'modbus.no-answer' })
    expect(site.device.requests).toHaveLength(1)
  })

  it('cannot starve what lies behind the one request that it never answers', async () => {
    await using site = await plant(registers(0, 4), oneEach)
    site.device.intercept = ({ pdu }) => (pdu.readUInt16BE(1) === 1 ? 'silence' : undefined)
    expect(await site.line.poll()).toMatchObject({ silent: [1, 2, 3] })
    const next = await site.line.poll()
    expect(next.silent).toEqual([1])
    expect(valuesOf(next.readings)).toEqual({ 2: 2, 3: 3 })
  })

  it.each([5, 6, 10, 11])('is what exception %i means: later, not bad', async (code) => {
    await using site = await plant(['hr:1 u16'])
    site.device.intercept = () => code
    expect(await site.line.poll()).toEqual({ readings: [], silent: [0], code: `modbus.exception-${code}` })
    site.device.intercept = () => undefined
    expect(await site.line.values()).toEqual({ 0: 1 })
  })

  it('holds the other units behind its gateway up no more than now and then', async () => {
    await using site = await plant(['hr:1 u16', '7/hr:1 u16'])
    site.device.intercept = ({ unit }) => (unit === 7 ? 'silence' : undefined)
    for (let round = 0; round < 5; round += 1) expect((await site.line.poll()).silent).toEqual([1])
    expect(site.device.requests.filter(({ unit }) => unit === 7)).toHaveLength(2)
    expect(site.device.requests.filter(({ unit }) => unit === 1)).toHaveLength(5)
  })

  it.each([10, 11])('is left alone where its gateway calls it absent, and the others are not (exception %i)', async (code) => {
    await using site = await plant(['hr:1 u16', '7/hr:1 u16', '7/ir:1 u16'])
    site.device.intercept = ({ unit }) => (unit === 7 ? code : undefined)
    for (let round = 0; round < 5; round += 1) {
      const { silent, readings } = await site.line.poll()
      expect([silent?.toSorted(), valuesOf(readings)]).toEqual([[1, 2], round === 0 ? { 0: 1 } : {}])
    }
    expect(site.device.requests.filter(({ unit }) => unit === 7)).toHaveLength(2)
    expect(site.device.requests.filter(({ unit }) => unit === 1)).toHaveLength(5)
  })

  it('says nothing wrong when it answers again', async () => {
    await using site = await plant(['hr:1 u16'])
    await site.line.poll()
    site.device.intercept = () => 'silence'
    await site.line.poll()
    site.device.intercept = () => undefined
    expect(await site.line.poll()).toEqual({ readings: [] })
  })

  it('fails its connection as soon as it is gone', async () => {
    await using site = await plant(['hr:1 u16'])
    site.device.intercept = () => 'silence'
    const poll = site.line.poll()
    await vi.waitFor(() => expect(site.device.requests).toHaveLength(1))
    for (const socket of site.device.sockets) socket.resetAndDestroy()
    await expect(site.line.connection.failure).rejects.toMatchObject({ code: 'modbus.closed', isRetryable: true })
    await expect(poll).rejects.toMatchObject({ code: 'modbus.closed' })
  })
})

describe('reading some tags of a Modbus device now', () => {
  const signal = AbortSignal.timeout(10_000)

  it('answers for each tag in the order asked, whatever was polled', async () => {
    await using site = await plant(['hr:1 u16', 'hr:2 u16', 'hr:400 u16'])
    await site.line.poll()
    expect(valuesOf(await site.line.connection.read([2, 0], signal))).toEqual({ 2: 400, 0: 1 })
    expect((await site.line.connection.read([2, 0], signal)).map(({ tag }) => tag)).toEqual([2, 0])
  })

  it('gives what can be read beside a hole', async () => {
    await using site = await plant(['hr:1 u16', 'hr:2 u16', 'hr:3 u16'], { holes: [2] })
    expect(valuesOf(await site.line.connection.read([0, 1, 2], signal))).toEqual({ 0: 1, 1: 'bad', 2: 3 })
  })

  it('rejects where nobody answers', async () => {
    await using site = await plant(['hr:1 u16'])
    site.device.intercept = () => 'silence'
    await expect(site.line.connection.read([0], signal)).rejects.toMatchObject({ code: 'modbus.no-answer' })
    site.device.intercept = () => 11
    await expect(site.line.connection.read([0], signal)).rejects.toMatchObject({ code: 'modbus.exception-11', isRetryable: true })
  })
})

describe('writing to a Modbus device', () => {
  const done = { outcome: 'done' }
  const failed = (code: string) => ({ outcome: 'failed', fault: expect.objectContaining({ code }) })
  const unknown = (code: string) => ({ outcome: 'unknown', fault: expect.objectContaining({ code }) })

  async function wrote(
    texts: readonly string[],
    options: DeviceOptions,
    write: (line: Connected, device: ModbusDevice) => Promise<unknown>,
  ) {
    await using site = await plant(texts, options)
    const outcome = await write(site.line, site.device)
    return {
      outcome,
      functions: site.device.takeFunctions(),
      registers: [...site.device.registers.subarray(8, 12)],
      coils: [...site.device.coils.subarray(8, 12)],
    }
  }

  it.each([
    ['one register', 'hr:8 u16', 4711, [], [6], [4711, 9, 10, 11]],
    ['one register where FC6 is missing', 'hr:8 u16', 4711, [6], [6, 16], [4711, 9, 10, 11]],
    ['a value of two registers', 'hr:8 f32', 1.5, [], [16], [0x3fc0, 0, 10, 11]],
    ['an array', 'hr:8[3] u16', [1, 2, 3], [], [16], [1, 2, 3, 11]],
    ['an array where FC16 is missing', 'hr:8[3] u16', [1, 2, 3], [16], [16, 6, 6, 6], [1, 2, 3, 11]],
    ['a bit that is set', 'hr:8.2', true, [], [22], [12, 9, 10, 11]],
    ['a bit that is cleared', 'hr:8.3', false, [], [22], [0, 9, 10, 11]],
    ['a bit where FC22 is missing', 'hr:8.2', true, [22], [22, 3, 6], [12, 9, 10, 11]],
    ['a bit of a register with swapped bytes', 'hr:8.8 bool BADC', true, [], [22], [9, 9, 10, 11]],
  ])('writes %s', async (_, text, value, lacks, functions, registersAfter) => {
    expect(await wrote([text], { lacks }, (line) => line.write(0, value))).toMatchObject({
      outcome: done,
      functions,
      registers: registersAfter,
    })
  })

  it.each([
    ['one coil', 'co:8', true, [], [5], [1, 0, 0, 0]],
    ['one coil where FC5 is missing', 'co:8', true, [5], [5, 15], [1, 0, 0, 0]],
    ['coils', 'co:8[3]', [true, false, true], [], [15], [1, 0, 1, 0]],
    ['coils where FC15 is missing', 'co:8[3]', [true, false, true], [15], [15, 5, 5, 5], [1, 0, 1, 0]],
  ])('writes %s', async (_, text, value, lacks, functions, coils) => {
    expect(await wrote([text], { lacks }, (line) => line.write(0, value))).toMatchObject({ outcome: done, functions, coils })
  })

  it('remembers which function the device lacks', async () => {
    const twice = async (line: Connected): Promise<unknown> => [await line.write(0, 1), await line.write(0, 2)]
    expect(await wrote(['hr:8 u16'], { lacks: [6] }, twice)).toMatchObject({ outcome: [done, done], functions: [6, 16, 16] })
  })

  it('never writes half of a value, even where the device knows single registers only', async () => {
    const result = await wrote(['hr:8 f32'], { lacks: [16] }, (line) => line.write(0, 1.5))
    expect(result).toMatchObject({ outcome: failed('modbus.exception-1'), functions: [16], registers: [8, 9, 10, 11] })
  })

  it.each([
    ['a value that does not fit', 'hr:8 u16', 65_536, 'modbus.value-range'],
    ['a number to a bit', 'hr:8.1', 1, 'modbus.value-type'],
    ['to an input register', 'ir:8 u16', 1, 'modbus.read-only'],
  ])('refuses %s, and sends nothing', async (_, text, value, code) => {
    expect(await wrote([text], {}, (line) => line.write(0, value))).toMatchObject({ outcome: failed(code), functions: [] })
  })

  it.each([
    [2, 'failed'],
    [3, 'failed'],
    [4, 'failed'],
    [6, 'failed'],
    [10, 'failed'],
    [5, 'unknown'],
    [11, 'unknown'],
  ])('takes exception %i for %s', async (code, outcome) => {
    const result = await wrote(['hr:8 u16'], {}, (line, device) => {
      device.intercept = () => code
      return line.write(0, 1)
    })
    expect(result.outcome).toMatchObject({ outcome, fault: { code: `modbus.exception-${code}` } })
  })

  it('does not know when the answer is lost, and never sends it twice', async () => {
    const result = await wrote(['hr:8 u16'], {}, (line, device) => {
      device.intercept = () => 'silence'
      return line.write(0, 1)
    })
    expect(result).toMatchObject({ outcome: unknown('modbus.no-answer'), functions: [6] })
  })

  it('knows that nothing was written when the read before it was lost', async () => {
    const result = await wrote(['hr:8.1'], { lacks: [22] }, (line, device) => {
      device.intercept = ({ pdu }) => (pdu[0] === 3 ? 'silence' : undefined)
      return line.write(0, true)
    })
    expect(result).toMatchObject({ outcome: failed('modbus.no-answer'), functions: [22, 3] })
  })

  it('does not know when the connection went with the answer, and knows that what came after was not sent', async () => {
    await using site = await plant(['hr:8 u16', 'hr:20 u16'])
    site.device.intercept = ({ socket }) => {
      socket.resetAndDestroy()
      return 'silence'
    }
    const writes = [
      { tag: 0, value: 1 },
      { tag: 1, value: 2 },
    ]
    expect(await site.line.connection.write(writes, AbortSignal.timeout(5_000))).toEqual([
      unknown('modbus.closed'),
      { ...failed('modbus.closed'), neverSent: true },
    ])
  })

  it('lets no other write of ours between the read and the write of a bit', async () => {
    await using site = await plant(['hr:8.0', 'hr:8.1', 'hr:8.2'], { lacks: [22] })
    site.device.registers[8] = 0
    expect(await Promise.all([0, 1, 2].map((tag) => site.line.write(tag, true)))).toEqual([done, done, done])
    expect(site.device.registers[8]).toBe(7)
  })

  it('waits for no poll', async () => {
    await using site = await plant([...registers(0, 20), 'hr:500 u16'], { modbus: { quirks: { registersMax: 1 } } })
    const writes: Promise<unknown>[] = []
    site.device.intercept = () => {
      if (writes.length === 0) writes.push(site.line.write(20, 1))
      return undefined
    }
    await site.line.poll()
    expect(await Promise.all(writes)).toEqual([done])
    const place = site.device.requests.findIndex(({ pdu }) => pdu[0] === 6)
    expect(place).toBeLessThan(10)
  })
})
