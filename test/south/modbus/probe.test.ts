import { describe, expect, it } from 'vitest'
import { loadFiles, siteYaml } from '../../site/site-folder.ts'
import { lineside } from '../../support/lineside-program.ts'
import { type ModbusDevice, startModbusDevice } from '../../support/modbus-device.ts'
import { rtuFrame, startRtuFaultServer } from '../../support/rtu-fault-server.ts'
import { startSerialLine } from '../../support/serial-line.ts'

const readFunctions = [1, 2, 3, 4]

function urlOf(device: ModbusDevice, query = ''): string {
  return `modbus-tcp://127.0.0.1:${device.port}${query}`
}

const quick = ['--pause', '0ms', '--interval', '10ms']

interface Probed {
  readonly order: string
  readonly stretches: readonly {
    readonly start: number
    readonly registers: readonly unknown[]
    readonly proposals: readonly { readonly at: string; readonly type: string; readonly value: unknown }[]
  }[]
  readonly holes: readonly { readonly start: number; readonly count: number; readonly code: number }[]
  readonly requests: number
}

async function probed(device: ModbusDevice, ...args: readonly string[]): Promise<Probed> {
  const { code, out, error } = await lineside(['probe', urlOf(device), ...quick, '--json', ...args])
  expect({ code, error }).toEqual({ code: 0, error: '' })
  return JSON.parse(out) as Probed
}

describe('lineside probe', () => {
  it('finds where readable registers begin and end, and never writes', async () => {
    await using device = await startModbusDevice({ holes: [50, 51, 52, 90] })
    const { stretches, holes } = await probed(device, '--count', '100')
    expect(stretches.map(({ start, registers }) => [start, registers.length])).toEqual([
      [0, 50],
      [53, 37],
      [91, 9],
    ])
    expect(holes).toEqual([
      { start: 50, count: 3, code: 2 },
      { start: 90, count: 1, code: 2 },
    ])
    expect(device.takeFunctions().every((code) => readFunctions.includes(code))).toBe(true)
  })

  it('crosses a large empty area without asking for each register', async () => {
    await using device = await startModbusDevice({ holes: Array.from({ length: 9_000 }, (_, place) => 500 + place) })
    const { stretches, requests } = await probed(device, '--count', '10000')
    expect(stretches.map(({ start, registers }) => [start, registers.length])).toEqual([
      [0, 500],
      [9_500, 500],
    ])
    expect(requests).toBeLessThan(600)
  })

  it('proposes what is plausible, and shows every type in every order', async () => {
    await using device = await startModbusDevice()
    const data = Buffer.alloc(8)
    data.writeFloatBE(21.5, 0)
    data.writeInt16BE(-12, 4)
    for (const place of [0, 1, 2]) device.registers[place] = data.readUInt16BE(place * 2)
    const { order, stretches } = await probed(device, '--count', '4')
    expect(order).toBe('ABCD')
    expect(stretches[0]?.proposals).toMatchObject([
      { at: 'hr:0', type: 'f32', value: 21.5 },
      { at: 'hr:2', type: 'i16', value: -12 },
      { type: 'zero' },
    ])
    expect(stretches[0]?.registers[0]).toMatchObject({
      hex: '41ac',
      u16: 16_812,
      values: { f32: { ABCD: 21.5 }, u32: { CDAB: 0x41ac }, u64: {} },
    })
    const { out } = await lineside(['probe', urlOf(device), ...quick, '--count', '4', '--wide'])
    expect(out.split('\n')[0]).toMatch(/^address +hex +u16 .*f32 ABCD .*i64 DCBA .*bcd32 DCBA +plausible$/)
    expect(out).toContain('f32 = 21.5')
  })

  it('writes a device file that passes the check', async () => {
    await using device = await startModbusDevice({ holes: [3] })
    device.registers.set([0, 0x41ac, 7], 0)
    const { out } = await lineside(['probe', urlOf(device, '?unit=9'), ...quick, '--count', '20', '--as-device', 'meter-9'])
    expect(out).toContain('order: CDAB')
    const { site, problems } = await loadFiles({ 'lineside.yaml': siteYaml, 'devices/meter-9.yaml': out })
    expect(problems).toEqual([])
    expect(site?.tags.map(({ id, type }) => [id, type])).toEqual([
      ['meter-9/hr-0', 'f32'],
      ['meter-9/hr-2', 'u16'],
    ])
  })

  it('writes a device file that passes the check even where there is nothing', async () => {
    await using device = await startModbusDevice({ lacks: [3] })
    const { out, code } = await lineside(['probe', urlOf(device), ...quick, '--as-device', 'empty'])
    expect(code).toBe(0)
    expect((await loadFiles({ 'lineside.yaml': siteYaml, 'devices/empty.yaml': out })).problems).toEqual([])
  })

  it('shows coils as bits', async () => {
    await using device = await startModbusDevice()
    device.coils[2] = 1
    const { out } = await lineside(['probe', urlOf(device), ...quick, '--from', 'co:0', '--count', '4'])
    expect(out).toBe('co:0 0\nco:1 0\nco:2 1\nco:3 0\n')
  })

  it('finds the units that answer, by data or by an exception, and not those that a gateway says are gone', async () => {
    await using device = await startModbusDevice()
    device.intercept = ({ unit }) => ({ 1: undefined, 2: 2, 3: 11 })[unit] ?? (unit === 1 ? undefined : 'silence')
    const { out } = await lineside(['probe', urlOf(device, '?timeout=100ms'), ...quick, '--units', '1-4', '--json'])
    expect(JSON.parse(out)).toEqual({
      asked: [1, 2, 3, 4],
      units: [
        { unit: 1, answer: 'data' },
        { unit: 2, answer: 2 },
      ],
    })
  })

  it('asks again when one answer is lost or the device is busy', async () => {
    await using device = await startModbusDevice()
    let asked = 0
    device.intercept = () => {
      asked += 1
      return asked === 1 ? 'silence' : asked === 2 ? 6 : undefined
    }
    const { code, error } = await lineside(['probe', urlOf(device, '?timeout=100ms'), ...quick, '--count', '4', '--samples', '1'])
    expect({ code, asked, error }).toEqual({ code: 0, asked: 3, error: '' })
  })

  it('looks through a device server, and down a serial line', async () => {
    await using slaves = await startRtuFaultServer((request) => {
      const count = request.pdu.readUInt16BE(3)
      const data = Buffer.alloc(2 + 2 * count)
      data.set([request.pdu[0] ?? 0, 2 * count])
      for (let place = 0; place < count; place += 1) data.writeUInt16BE(request.pdu.readUInt16BE(1) + place + 100, 2 + 2 * place)
      if (request.unit === 3) request.socket.write(rtuFrame(request.unit, data))
    })
    await using line = await startSerialLine({ port: slaves.port })
    for (const url of [`modbus-rtu-tcp://127.0.0.1:${slaves.port}?unit=3`, `modbus-rtu://${line.path}?unit=3&baud=115200`]) {
      const { code, out } = await lineside(['probe', url, ...quick, '--from', 'ir:7', '--count', '3', '--samples', '1', '--json'])
      expect(code).toBe(0)
      expect(JSON.parse(out)).toMatchObject({
        unit: 3,
        area: 'ir',
        stretches: [{ start: 7, registers: [{ u16: 107 }, { u16: 108 }, { u16: 109 }] }],
      })
    }
    const { out } = await lineside(['probe', `modbus-rtu-tcp://127.0.0.1:${slaves.port}?timeout=50ms`, ...quick, '--units', '1-4'])
    expect(out).toBe('unit 3 answers\n1 of 4 units answer.\n')
  }, 30_000)

  it.each([
    ['http://x', 2, 'names no Modbus device'],
    ['modbus-tcp://127.0.0.1?unti=1', 2, 'unti'],
    ['modbus-tcp://127.0.0.1:1', 3, 'modbus.refused'],
    ['modbus-rtu:///dev/no-such-port', 3, 'modbus.'],
  ])('says what is wrong with %s and ends with %i', async (url, code, text) => {
    const ran = await lineside(['probe', url, '--count', '1'])
    expect(ran).toMatchObject({ code, out: '' })
    expect(ran.error).toContain(text)
    expect(ran.error).not.toMatch(/^\s+at /m)
  })

  it.each([
    ['--units', '1-300'],
    ['--interval', '5'],
    ['--count', '0'],
    ['--from', 'hr:0.3'],
  ])('ends with 2 for %s %s', async (...args) => {
    expect((await lineside(['probe', 'modbus-tcp://127.0.0.1', ...args])).code).toBe(2)
  })
})
