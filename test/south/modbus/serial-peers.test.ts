import { ServerSerial } from 'modbus-serial'
import { describe, expect, it } from 'vitest'
import { mbpoll, startLibmodbusServer, startPymodbusServer } from '../../support/modbus-peers.ts'
import { startSerialLine } from '../../support/serial-line.ts'
import { rtuTcpConfig, serialConfig } from './line-plant.ts'
import { connectTo } from './modbus-site.ts'

const patient = { timeout: '5s' }

describe('the driver and a libmodbus server on a serial line', () => {
  it('agree on what every area holds, and let mbpoll see what was written', async () => {
    await using wire = await startSerialLine()
    await using _server = await startLibmodbusServer(wire.farPath)
    const texts = [
      'hr:7 u16',
      'ir:5 u16',
      'co:3',
      'di:9',
      'hr:0[100] u16',
      'hr:104 f32 BADC',
      'hr:10! u16',
      'co:8[4]!',
      'hr:30.2!',
      'hr:40[3]! i16',
    ]
    const line = await connectTo(serialConfig(wire.path, patient), texts)
    const all = Array.from({ length: 100 }, (_, place) => place)
    expect(await line.values()).toMatchObject({ 0: 7, 1: 1005, 2: true, 3: true, 4: all, 5: Math.fround(123.456) })
    const written: readonly (readonly [number, unknown])[] = [
      [6, 4711],
      [7, [true, true, false, true]],
      [8, false],
      [9, [-1, 2, -3]],
    ]
    for (const [tag, value] of written) expect(await line.write(tag, value as number)).toEqual({ outcome: 'done' })
    await line[Symbol.asyncDispose]() // a port has one owner
    expect(await mbpoll(wire.path, { type: '4', start: 10, count: 1 })).toEqual(['4711'])
    expect(await mbpoll(wire.path, { type: '0', start: 8, count: 4 })).toEqual(['1', '1', '0', '1'])
    expect(await mbpoll(wire.path, { type: '4', start: 30, count: 1 })).toEqual(['26'])
    expect(await mbpoll(wire.path, { type: '4:hex', start: 40, count: 3 })).toEqual(['0xFFFF', '0x0002', '0xFFFD'])
  })
})

describe('the driver and a pymodbus server', () => {
  it('agree on units and holes over a serial line', async () => {
    await using wire = await startSerialLine()
    await using _server = await startPymodbusServer('serial', wire.farPath)
    await using one = await connectTo(serialConfig(wire.path, patient), ['hr:10 u16', 'hr:55 u16', 'ir:20 u16', 'co:5', 'di:6'])
    await using seven = await connectTo(serialConfig(wire.path, { ...patient, unit: 7 }), ['hr:10! u16', 'hr:20.7!'])
    expect(await one.values()).toEqual({ 0: 10, 1: 'bad', 2: 20, 3: true, 4: false })
    expect(await seven.values()).toEqual({ 0: 710, 1: true })
    expect(await seven.write(0, 12)).toEqual({ outcome: 'done' })
    expect(await seven.write(1, false)).toEqual({ outcome: 'done' })
    expect(await seven.values()).toEqual({ 0: 12, 1: false })
  })

  it('agree on RTU over TCP, FC22 among it', async () => {
    await using server = await startPymodbusServer('rtu-tcp')
    await using one = await connectTo(rtuTcpConfig(server.port, patient), ['hr:10 u16', 'hr:11! i64', 'hr:20.7!', '7/hr:10 u16'])
    expect(await one.write(1, -2n)).toEqual({ outcome: 'done' })
    expect(await one.write(2, true)).toEqual({ outcome: 'done' })
    expect(await one.values()).toEqual({ 0: 10, 1: -2n, 2: true, 3: 710 })
  })
})

describe('the driver and the server of modbus-serial', () => {
  it('agree on what was read and written over a serial line', async () => {
    await using wire = await startSerialLine()
    const registers = new Uint16Array(100).map((_, place) => 3 * place)
    const vector = {
      getHoldingRegister: (at: number) => registers[at] ?? 0,
      setRegister: (at: number, value: number) => {
        registers[at] = value
      },
    }
    const server = new ServerSerial(vector, { port: wire.farPath, path: wire.farPath, baudRate: 19_200, unitID: 5 } as never)
    server.on('error', () => {})
    await using line = await connectTo(serialConfig(wire.path, { ...patient, unit: 5 }), ['hr:10 u16', 'hr:11! u16'])
    await expect.poll(() => line.values(), { timeout: 10_000 }).toEqual({ 0: 30, 1: 33 })
    expect(await line.write(1, 4711)).toEqual({ outcome: 'done' })
    expect(await line.values()).toEqual({ 1: 4711 })
    await new Promise<void>((resolve) => server.close(() => resolve()))
  })
})
