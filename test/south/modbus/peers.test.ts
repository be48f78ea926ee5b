import { describe, expect, it } from 'vitest'
import { mbpoll, startLibmodbusServer, startPymodbusServer } from '../../support/modbus-peers.ts'
import { config, connectTo } from './modbus-site.ts'

describe('the driver and a libmodbus server', () => {
  it('agree on what every area and order holds', async () => {
    await using server = await startLibmodbusServer()
    const floats = ['hr:100 f32 ABCD', 'hr:102 f32 CDAB', 'hr:104 f32 BADC', 'hr:106 f32 DCBA', 'hr:110 f32 CDAB']
    const settings = { ...config(server.port, { inflight: 4 }), timeoutMs: 5_000 }
    await using line = await connectTo(settings, ['hr:7 u16', 'ir:5 u16', 'co:3', 'di:9', 'di:10', 'hr:0[4] u16', ...floats])
    const float = Math.fround(123.456)
    expect(await line.values()).toEqual({
      0: 7,
      1: 1005,
      2: true,
      3: true,
      4: false,
      5: [0, 1, 2, 3],
      6: float,
      7: float,
      8: float,
      9: float,
      10: 0.5,
    })
  })

  it('agree on where the registers end', async () => {
    await using server = await startLibmodbusServer()
    await using line = await connectTo({ ...config(server.port), timeoutMs: 5_000 }, [
      'hr:198 u16',
      'hr:199 u16',
      'hr:200 u16',
      'hr:199 u32',
    ])
    expect(await line.values()).toEqual({ 0: 198, 1: 199, 2: 'bad', 3: 'bad' })
  })

  it('let mbpoll see what was written', async () => {
    await using server = await startLibmodbusServer()
    const texts = ['hr:10! u16', 'hr:20! f32 CDAB', 'co:4!', 'co:8[4]!', 'hr:30.2!', 'hr:40[3]! i16', 'hr:50! u32']
    await using line = await connectTo({ ...config(server.port), timeoutMs: 5_000 }, texts)
    const values = [4711, 1.5, true, [true, true, false, true], false, [-1, 2, -3], 305419896]
    for (const [tag, value] of values.entries()) expect(await line.write(tag, value)).toEqual({ outcome: 'done' })
    expect(await mbpoll(server.port, { type: '4', start: 10, count: 1 })).toEqual(['4711'])
    expect(await mbpoll(server.port, { type: '4:float', start: 20, count: 1 })).toEqual(['1.5'])
    expect(await mbpoll(server.port, { type: '0', start: 4, count: 1 })).toEqual(['1'])
    expect(await mbpoll(server.port, { type: '0', start: 8, count: 4 })).toEqual(['1', '1', '0', '1'])
    expect(await mbpoll(server.port, { type: '4', start: 30, count: 1 })).toEqual(['26'])
    expect(await mbpoll(server.port, { type: '4:hex', start: 40, count: 3 })).toEqual(['0xFFFF', '0x0002', '0xFFFD'])
    expect(await mbpoll(server.port, { type: '4:hex', start: 50, count: 2 })).toEqual(['0x1234', '0x5678'])
  })
})

describe('the driver and a pymodbus server', () => {
  it('agree on units, and on registers that do not exist', async () => {
    await using server = await startPymodbusServer()
    const texts = ['hr:10 u16', 'hr:49 u16', 'hr:55 u16', 'hr:60 u16', '7/hr:10 u16', 'ir:20 u16', 'co:5', 'di:6']
    await using line = await connectTo({ ...config(server.port), timeoutMs: 5_000 }, texts)
    expect(await line.values()).toEqual({ 0: 10, 1: 49, 2: 'bad', 3: 60, 4: 710, 5: 20, 6: true, 7: false })
  })

  it('agree on what was written, bits by FC22 among it', async () => {
    await using server = await startPymodbusServer()
    await using line = await connectTo({ ...config(server.port), timeoutMs: 5_000 }, [
      'hr:10! u16',
      'hr:11! i64',
      'hr:20.7!',
      'co:6!',
      '7/hr:10! u16',
    ])
    for (const [tag, value] of [4711, -2n, true, true, 12].entries()) expect(await line.write(tag, value)).toEqual({ outcome: 'done' })
    expect(await line.values()).toEqual({ 0: 4711, 1: -2n, 2: true, 3: true, 4: 12 })
  })
})
