import { describe, expect, it, onTestFinished } from 'vitest'
import type { TagValue } from '../../../src/model/tag.ts'
import type { WriteOutcome } from '../../../src/south/driver.ts'
import { type DeviceOptions, type ModbusDevice, startModbusDevice } from '../../support/modbus-device.ts'
import { mbpoll, startLibmodbusServer } from '../../support/modbus-peers.ts'
import { config, connectTo } from './modbus-site.ts'

const done = { outcome: 'done' }
const failed = (code: string) => ({ outcome: 'failed', fault: expect.objectContaining({ code }) })
const unknown = (code: string) => ({ outcome: 'unknown', fault: expect.objectContaining({ code }) })

async function plant(texts: readonly string[], options: DeviceOptions = {}) {
  const device = await startModbusDevice(options)
  const line = await connectTo(config(device.port), texts)
  onTestFinished(async () => {
    await line[Symbol.asyncDispose]()
    await device[Symbol.asyncDispose]()
  })
  /** In the order of the texts, or as `[tag, value]`. */
  const write = (...values: readonly TagValue[]): Promise<readonly WriteOutcome[]> =>
    line.connection.write(
      values.map((value, tag) => ({ tag, value })),
      AbortSignal.timeout(5_000),
    )
  return { device, line, write, registers: (from: number, to: number) => registersOf(device, from, to) }
}

function registersOf({ registers }: ModbusDevice, from: number, to: number): readonly number[] {
  return [...registers.subarray(from, to)]
}

describe('a batch of writes to a Modbus device', () => {
  it('goes out as one request where the registers touch', async () => {
    const site = await plant(['hr:10! u16', 'hr:12! f32', 'hr:11! u16'])
    expect(await site.write(1, 1.5, 2)).toEqual([done, done, done])
    expect(site.device.takeFunctions()).toEqual([16])
    expect(site.registers(9, 15)).toEqual([0, 1, 2, 0x3fc0, 0, 0])
  })

  it('goes out as one request where the coils touch, and leaves the others alone', async () => {
    const site = await plant(['co:3!', 'co:4[2]!', 'co:2!'])
    site.device.coils.fill(1, 0, 8)
    expect(await site.write(false, [false, true], false)).toEqual([done, done, done])
    expect(site.device.takeFunctions()).toEqual([15])
    expect([...site.device.coils.subarray(0, 8)]).toEqual([1, 1, 0, 0, 0, 1, 1, 1])
  })

  it('goes out as one mask for the bits of a register', async () => {
    const site = await plant(['hr:10.0!', 'hr:10.3!', 'hr:10.8!'])
    site.device.registers[10] = 0x00f8
    expect(await site.write(true, false, true)).toEqual([done, done, done])
    expect(site.device.takeFunctions()).toEqual([22])
    expect(site.registers(10, 11)).toEqual([0x01f1])
  })

  it('reads, changes and writes a register once for all of its bits where the device has no masks', async () => {
    const site = await plant(['hr:10.0!', 'hr:10.3!'], { lacks: [22] })
    site.device.registers[10] = 0x00f8
    expect(await site.write(true, false)).toEqual([done, done])
    expect(site.device.takeFunctions()).toEqual([22, 3, 6])
    expect(site.registers(10, 11)).toEqual([0x00f1])
  })

  it('was never sent where a register cannot be read whose bits it was to change', async () => {
    const site = await plant(['hr:10.0!'], { lacks: [22] })
    site.device.intercept = ({ pdu }) => (pdu[0] === 3 ? 6 : undefined)
    expect(await site.write(true)).toEqual([{ ...failed('modbus.exception-6'), neverSent: true }])
    expect(site.device.takeFunctions()).toEqual([22, 3])
  })

  it.each([5, 11])('is not called refused where the device left it open (exception %i)', async (code) => {
    const site = await plant(['hr:10! u16'])
    site.device.intercept = () => code
    const [outcome] = await site.write(1)
    expect(outcome).toEqual(unknown(`modbus.exception-${code}`))
    expect(outcome).toMatchObject({
      fault: { message: expect.stringContaining('did not say whether the write to 1/hr:10 was carried out') },
    })
  })

  it('keeps its order: nothing is written before what stands before it', async () => {
    const site = await plant(['hr:10! u16', 'co:0!', 'hr:11! u16'])
    expect(await site.write(1, true, 2)).toEqual([done, done, done])
    expect(site.device.takeFunctions()).toEqual([6, 5, 6])
  })

  it('writes nothing that it does not name', async () => {
    const site = await plant(['hr:10! u16', 'hr:12! u16'])
    site.device.registers[11] = 4711
    expect(await site.write(1, 2)).toEqual([done, done])
    expect(site.device.takeFunctions()).toEqual([6, 6])
    expect(site.registers(10, 13)).toEqual([1, 4711, 2])
  })

  it('leaves the later value of a tag that it names twice', async () => {
    const site = await plant(['hr:10! u16'])
    const writes = [1, 2].map((value) => ({ tag: 0, value }))
    expect(await site.line.connection.write(writes, AbortSignal.timeout(5_000))).toEqual([done, done])
    expect(site.registers(10, 11)).toEqual([2])
  })

  it('refuses the value that does not fit, and writes the others', async () => {
    const site = await plant(['hr:10! u16', 'hr:11! u16', 'hr:12! u16'])
    expect(await site.write(1, 70_000, 3)).toEqual([done, failed('modbus.value-range'), done])
    expect(site.registers(10, 13)).toEqual([1, 0, 3])
  })

  it('is written value by value where the device takes no several, which is remembered', async () => {
    const site = await plant(['hr:10! u16', 'hr:11! u16'], { lacks: [16] })
    expect(await site.write(1, 2)).toEqual([done, done])
    expect(await site.write(3, 4)).toEqual([done, done])
    expect(site.device.takeFunctions()).toEqual([16, 6, 6, 6, 6])
    expect(site.line.connection.learnt?.()).toMatchObject([{ code: 'modbus.function' }])
  })

  it.each([2, 3])('says which value the device refused (exception %i), and has written the others', async (holeCode) => {
    const site = await plant(['hr:10! u16', 'hr:11! u16', 'hr:12! u16'], { holes: [11], holeCode })
    expect(await site.write(1, 2, 3)).toEqual([done, failed(`modbus.exception-${holeCode}`), done])
    expect(await site.write(4, 5, 6)).toEqual([done, failed(`modbus.exception-${holeCode}`), done])
    expect(site.registers(10, 13)).toEqual([4, 0, 6])
    expect(site.device.takeFunctions()).toEqual([16, 6, 6, 6, 6, 6, 6])
  })

  it.each([4, 6])('failed as a whole where the device failed at it (exception %i), and is not sent again', async (code) => {
    const site = await plant(['hr:10! u16', 'hr:11! u16'])
    site.device.intercept = () => code
    expect(await site.write(1, 2)).toEqual([failed(`modbus.exception-${code}`), failed(`modbus.exception-${code}`)])
    expect(site.device.takeFunctions()).toEqual([16])
  })

  it('is unknown as a whole where the answer was lost, and is never sent again', async () => {
    const site = await plant(['hr:10! u16', 'hr:11! u16', 'hr:20! u16'])
    site.device.intercept = ({ pdu }) => (pdu[0] === 16 ? 'silence' : undefined)
    expect(await site.write(1, 2, 3)).toEqual([unknown('modbus.no-answer'), unknown('modbus.no-answer'), done])
    expect(site.device.takeFunctions()).toEqual([16, 6])
  })

  it('comes through whole beside others, each asker having its turn', async () => {
    const site = await plant(['hr:10! u16', 'hr:11! u16'])
    const batches = Array.from({ length: 20 }, (_, place) => site.write(place, place))
    expect((await Promise.all(batches)).flat()).toEqual(Array.from({ length: 40 }, () => done))
    expect(site.registers(10, 12)).toEqual([19, 19])
    expect(site.device.requests.map(({ pdu }) => pdu.readUInt16BE(6))).toEqual(Array.from({ length: 20 }, (_, place) => place))
  })

  it('lets nobody else on the line between the read and the write of a register, though it were another device', async () => {
    const site = await plant(['hr:10.0!', 'hr:10.1!'], { lacks: [22] })
    await using other = await connectTo(config(site.device.port), ['hr:10.2!', 'hr:10.3!'])
    const signal = AbortSignal.timeout(5_000)
    const writes = [site.line, other].flatMap(({ connection }) => [0, 1].map((tag) => connection.write([{ tag, value: true }], signal)))
    expect((await Promise.all(writes)).flat()).toEqual([done, done, done, done])
    expect(site.registers(10, 11)).toEqual([15])
  })

  it('is refused where a thousand already wait', async () => {
    const site = await plant(['hr:10! u16'])
    site.device.intercept = () => 'silence'
    const stop = new AbortController()
    const waiting = Array.from({ length: 1_024 }, () => site.line.connection.write([{ tag: 0, value: 1 }], stop.signal))
    expect(await site.line.connection.write([{ tag: 0, value: 1 }], stop.signal)).toEqual([{ ...failed('modbus.busy'), neverSent: true }])
    stop.abort()
    const outcomes = (await Promise.all(waiting)).flat().map(({ outcome }) => outcome)
    expect(outcomes.filter((outcome) => outcome === 'unknown').length).toBeLessThanOrEqual(1)
    expect(outcomes.filter((outcome) => outcome === 'done')).toEqual([])
  })

  it('is seen whole by mbpoll on a libmodbus server', async () => {
    await using server = await startLibmodbusServer()
    await using line = await connectTo({ ...config(server.port), timeoutMs: 5_000 }, [
      'hr:60! u16',
      'hr:61! f32 CDAB',
      'hr:63! i16',
      'co:20!',
      'co:21!',
    ])
    const writes = [4711, 1.5, -3, true, false].map((value, tag) => ({ tag, value }))
    expect(await line.connection.write(writes, AbortSignal.timeout(5_000))).toEqual([done, done, done, done, done])
    expect(await mbpoll(server.port, { type: '4:hex', start: 60, count: 4 })).toEqual(['0x1267', '0x0000', '0x3FC0', '0xFFFD'])
    expect(await mbpoll(server.port, { type: '0', start: 20, count: 2 })).toEqual(['1', '0'])
  })
})
