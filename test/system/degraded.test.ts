import { describe, expect, it, vi } from 'vitest'
import { startProgram } from '../north/support/program.ts'
import { DaemonProcess } from '../support/daemon-process.ts'
import { startModbusDevice } from '../support/modbus-device.ts'

/** Two units behind one address; the second has a scan class all for itself. */
function twoUnits(port: number): string {
  return `device: press
driver: modbus-tcp
connection: { host: 127.0.0.1, port: ${port}, unit: 1, timeout: 100ms }
scan: { normal: 50ms, slow: 200ms }
tags:
  count: { at: hr:0, type: u16 }
  second/count: { at: "2/hr:0", type: u16 }
  second/level: { at: "2/hr:1", type: u16, scan: slow }
`
}

describe('a Modbus device of which one unit is silent', () => {
  it('is degraded everywhere, keeps the other unit good on the same connection, and is online again when it is whole', {
    timeout: 60_000,
  }, async () => {
    await using server = await startModbusDevice()
    await using daemon = await DaemonProcess.start({ devices: { press: twoUnits(server.port) } })
    const port = String(daemon.mqttPort)
    await using events = startProgram('mosquitto_sub', ['-p', port, '-t', 'lineside/edge-test/events/#', '-F', '%t'])
    await using status = startProgram('mosquitto_sub', ['-p', port, '-t', 'lineside/edge-test/devices/press', '-F', '%p'])
    const state = async () => {
      const { items } = (await (await fetch(`${daemon.url}/api/v1/devices`)).json()) as { readonly items: readonly unknown[] }
      return items[0]
    }
    await vi.waitFor(async () => expect(await state()).toMatchObject({ state: 'online' }), 5_000)
    await vi.waitFor(() => expect(status.lines.at(-1)).toContain('"state":"online"'), 5_000)

    server.intercept = ({ unit }) => (unit === 2 ? 'silence' : undefined)
    await vi.waitFor(async () => expect(await state()).toMatchObject({ state: 'degraded', lastFault: { code: 'modbus.no-answer' } }), 5_000)
    await vi.waitFor(() => expect(status.lines.at(-1)).toMatch(/"state":"degraded".*modbus\.no-answer/), 5_000)
    expect(await daemon.metric('lineside_device_degraded', 'press')).toBe(1)
    await vi.waitFor(async () => expect(await daemon.tag('press/second/level')).toMatchObject({ quality: 'stale' }), 5_000)
    for (const value of [7, 8, 9]) {
      server.registers[0] = value
      await vi.waitFor(async () => expect(await daemon.tag('press/count')).toMatchObject({ value, quality: 'good' }), 5_000)
      expect(await daemon.tag('press/second/count')).toMatchObject({ value: 0, quality: 'stale' })
    }

    server.intercept = () => undefined
    await vi.waitFor(async () => expect(await state()).toMatchObject({ state: 'online' }), 15_000)
    await vi.waitFor(async () => expect(await daemon.tag('press/second/count')).toMatchObject({ value: 9, quality: 'good' }), 5_000)
    expect(await daemon.metric('lineside_device_degraded', 'press')).toBe(0)
    expect([await daemon.metric('lineside_device_losses_total', 'press'), server.connections]).toEqual([0, 1])
    await vi.waitFor(
      () => expect(events.lines.slice(-2)).toEqual(['degraded', 'online'].map((one) => `lineside/edge-test/events/device.${one}`)),
      5_000,
    )
  })
})
