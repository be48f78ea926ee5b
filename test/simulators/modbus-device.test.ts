import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { SimulatedDevice } from '../../simulators/device.ts'
import { fillerRegisters } from '../../simulators/devices/filler.ts'
import { startModbusDevice } from '../../simulators/modbus-device.ts'
import { createLine, type Line, stepLine } from '../../simulators/plant/line.ts'
import { connectRaw, quietMs } from './modbus-client.ts'

const readLevel = [3, 0, 2, 0, 2]

let line: Line
let device: SimulatedDevice
beforeEach(async () => {
  line = createLine(1)
  device = await startModbusDevice({ name: 'filler-1', port: 0, unit: 1, map: fillerRegisters, line })
})
afterEach(() => device[Symbol.asyncDispose]())

function move(seconds: number): void {
  stepLine(line, seconds)
  device.refresh(line)
}

describe('a simulated Modbus device', () => {
  it('shows the line in its registers, and goes with it', async () => {
    using client = await connectRaw(device.port)
    const before = await client.ask(readLevel)
    move(8)
    const after = await client.ask(readLevel)
    expect(before.data.readFloatBE(1)).toBeCloseTo(60)
    expect(after.data.readFloatBE(1)).toBeCloseTo(line.filler.levelPct, 4)
    expect(after.data).not.toEqual(before.data)
  })

  it('takes a float that is written in one request, and shows it at once', async () => {
    using client = await connectRaw(device.port)
    const setpoint = Buffer.alloc(4)
    setpoint.writeFloatBE(55.5)
    expect(await client.ask([16, 0, 100, 0, 2, 4, ...setpoint])).toMatchObject({ code: 16 })
    expect((await client.ask([3, 0, 100, 0, 2])).data.readFloatBE(1)).toBe(55.5)
    expect(line.filler.levelSetpointPct).toBe(55.5)
  })

  it('takes a coil, and answers with its unit', async () => {
    using client = await connectRaw(device.port)
    expect(await client.ask([5, 0, 0, 0xff, 0])).toMatchObject({ code: 5, unit: 1 })
    expect(line.filler.isRejectRequested).toBe(true)
    expect((await client.ask([1, 0, 0, 0, 1])).data[1]).toBe(1)
  })

  it.each([
    ['an address that does not exist', [3, 0, 64, 0, 1], 0x83, 2],
    ['a read across a hole', [3, 0, 60, 0, 50], 0x83, 2],
    ['a write to what is only measured', [6, 0, 2, 0, 1], 0x86, 2],
    ['a value out of bounds', [16, 0, 100, 0, 2, 4, 0x44, 0x7a, 0, 0], 0x90, 3],
    ['a function it does not have', [22, 0, 100, 0, 0, 0, 0], 0x96, 1],
  ])('refuses %s', async (_, pdu, code, exception) => {
    using client = await connectRaw(device.port)
    const answer = await client.ask(pdu)
    expect(answer).toMatchObject({ code })
    expect(answer.data[0]).toBe(exception)
  })
})

describe('a fault of a simulated Modbus device', () => {
  it('silence: takes requests and says nothing, and never answers them later', async () => {
    using client = await connectRaw(device.port)
    await device.fail({ kind: 'silence' })
    client.send(readLevel)
    client.send(readLevel)
    await quietMs(150)
    expect(client.received).toEqual([])
    await device.clear()
    expect((await client.ask(readLevel)).transaction).toBe(3)
  })

  it('drop: hangs up on those who are connected and on those who ask', async () => {
    using before = await connectRaw(device.port)
    await before.ask(readLevel)
    await device.fail({ kind: 'drop' })
    await vi.waitFor(() => expect(before.socket.destroyed).toBe(true))
    using after = await connectRaw(device.port)
    await expect(after.ask(readLevel)).rejects.toThrow()
    await device.clear()
    using mended = await connectRaw(device.port)
    expect(await mended.ask(readLevel)).toMatchObject({ code: 3 })
  })

  it('late: answers correctly, after so many ms', async () => {
    using client = await connectRaw(device.port)
    await device.fail({ kind: 'late', ms: 200 })
    const askedMs = performance.now()
    expect(await client.ask(readLevel)).toMatchObject({ code: 3 })
    expect(performance.now() - askedMs).toBeGreaterThanOrEqual(199)
  })

  it('exception: answers everything with this code', async () => {
    using client = await connectRaw(device.port)
    await device.fail({ kind: 'exception', code: 11 })
    const answer = await client.ask(readLevel)
    expect([answer.code, ...answer.data]).toEqual([0x83, 11])
  })

  it('freeze: keeps one value and lets the others go on', async () => {
    using client = await connectRaw(device.port)
    await device.fail({ kind: 'freeze', point: 'bowl/level' })
    const before = await client.ask([3, 0, 2, 0, 8])
    move(2)
    const after = await client.ask([3, 0, 2, 0, 8])
    expect(after.data.readFloatBE(1)).toBe(before.data.readFloatBE(1))
    expect(after.data.readFloatBE(13)).not.toBe(before.data.readFloatBE(13))
    await device.clear()
    move(0.1)
    expect((await client.ask(readLevel)).data.readFloatBE(1)).not.toBe(before.data.readFloatBE(1))
  })

  it('refuse: nobody listens, until it does on the same port again', async () => {
    const { port } = device
    using before = await connectRaw(port)
    await device.fail({ kind: 'refuse' })
    await vi.waitFor(() => expect(before.socket.destroyed).toBe(true))
    await expect(connectRaw(port)).rejects.toThrow('ECONNREFUSED')
    await device.clear()
    using after = await connectRaw(port)
    expect(await after.ask(readLevel)).toMatchObject({ code: 3 })
  })

  it('garbage: answers with bytes that are no Modbus', async () => {
    using client = await connectRaw(device.port)
    await device.fail({ kind: 'garbage' })
    client.send(readLevel)
    await vi.waitFor(() => expect(client.received[0]?.readUInt16BE(2)).toBe(0))
    expect(client.received[0]?.readUInt16BE(4)).toBe(0xffff)
  })

  it('takes the place of the one before, and names what there is not', async () => {
    using client = await connectRaw(device.port)
    await device.fail({ kind: 'silence' })
    await device.fail({ kind: 'exception', code: 6 })
    expect((await client.ask(readLevel)).data[0]).toBe(6)
    await expect(device.fail({ kind: 'freeze', point: 'bowl/lid' })).rejects.toThrow('no point "bowl/lid"')
    await expect(device.fail({ kind: 'namespace' })).rejects.toThrow('no namespaces')
  })
})
