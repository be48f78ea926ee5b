import { describe, expect, it } from 'vitest'
import { startModbusDevice } from '../../support/modbus-device.ts'
import { startRtuFaultServer } from '../../support/rtu-fault-server.ts'
import { rtuTcpConfig, serialConfig, tcpConfig } from './line-plant.ts'
import { connectTo } from './modbus-site.ts'

async function plant(quirks: object, texts: readonly string[]) {
  const device = await startModbusDevice()
  for (let place = 0; place < 100; place += 1) device.registers[place] = place
  const line = await connectTo(tcpConfig(device.port, { timeout: '2s' }, { quirks }), texts)
  return {
    device,
    line,
    [Symbol.asyncDispose]: async () => {
      await line[Symbol.asyncDispose]()
      await device[Symbol.asyncDispose]()
    },
  }
}

describe('a Modbus device with quirks', () => {
  it('is asked for each tag by itself', async () => {
    await using site = await plant({ oneRequestPerTag: true }, ['hr:1 u16', 'hr:2 u16', 'hr:3 f32'])
    expect(await site.line.values()).toMatchObject({ 0: 1, 1: 2 })
    expect(site.device.requests.map(({ pdu }) => [pdu.readUInt16BE(1), pdu.readUInt16BE(3)])).toEqual([
      [1, 1],
      [2, 1],
      [3, 2],
    ])
  })

  it('has its texts turned round, its numbers as they are, and a text with its own order as it says', async () => {
    await using site = await plant({ swappedStrings: true }, ['hr:50! string(4)', 'hr:60 u32', 'hr:50 string(4) CDAB'])
    site.device.registers.set([0x6548, 0x6c6c], 50)
    site.device.registers.set([1, 2], 60)
    expect(await site.line.values()).toEqual({ 0: 'Hell', 1: 65_538, 2: 'eHll' })
    expect(await site.line.write(0, 'over')).toEqual({ outcome: 'done' })
    expect([...site.device.registers.subarray(50, 52)]).toEqual([0x766f, 0x7265])
  })

  it('is written by FC15 and FC16 only', async () => {
    await using site = await plant({ writeMultiple: true }, ['hr:1! u16', 'co:2!'])
    expect(await site.line.write(0, 4711)).toEqual({ outcome: 'done' })
    expect(await site.line.write(1, true)).toEqual({ outcome: 'done' })
    expect(site.device.takeFunctions()).toEqual([16, 15])
    expect([site.device.registers[1], site.device.coils[2]]).toEqual([4711, 1])
  })

  it('is given time after connecting, and between requests', async () => {
    await using site = await plant({ pauseAfterConnect: '300ms', pause: '40ms', oneRequestPerTag: true }, [
      'hr:1 u16',
      'hr:2 u16',
      'hr:3 u16',
    ])
    const started = performance.now()
    await site.line.poll()
    const tookMs = performance.now() - started
    expect(tookMs).toBeGreaterThan(290 + 2 * 39)
    await site.line.poll()
    expect(performance.now() - started - tookMs).toBeGreaterThan(2 * 39)
  })

  it('is given time after connecting on an RTU line too', async () => {
    await using server = await startRtuFaultServer(() => {})
    const settings = rtuTcpConfig(server.port, { timeout: '20ms' }, { quirks: { pauseAfterConnect: '200ms' } })
    const started = performance.now()
    await using line = await connectTo(settings, ['hr:1 u16'])
    await line.poll()
    expect(performance.now() - started).toBeGreaterThan(199)
  })

  it('on a serial line reads along what is cheaper than another request, which depends on the rate', () => {
    const gapAt = (baud: number): number => serialConfig('/dev/ttyUSB0', { baud }).gapRegistersMax
    expect(gapAt(300)).toBe(10)
    expect(gapAt(115_200)).toBeGreaterThan(gapAt(9_600))
    expect(serialConfig('/dev/ttyUSB0', {}, { gap: 3 }).gapRegistersMax).toBe(3)
  })
})
