import { describe, expect, it, vi } from 'vitest'
import { startProgram } from '../north/support/program.ts'
import { DaemonProcess } from '../support/daemon-process.ts'
import { startModbusDevice } from '../support/modbus-device.ts'

const file = (port: number): string => `device: press
driver: modbus-tcp
connection: { host: 127.0.0.1, port: ${port} }
scan: { normal: 50ms }
tags:
  batch: { at: hr:0, type: string(4), write: {} }
`

describe('a text that is too long for its tag', () => {
  it('is refused before it is journalled as asked, and one that fits is written', { timeout: 60_000 }, async () => {
    await using server = await startModbusDevice()
    await using daemon = await DaemonProcess.start({ devices: { press: file(server.port) } })
    await vi.waitFor(async () => expect(await daemon.tag('press/batch')).toMatchObject({ quality: 'good' }), 5_000)
    const port = String(daemon.mqttPort)
    await using results = startProgram('mosquitto_sub', ['-p', port, '-t', 'acme/test/line-1/press/batch/set/result', '-F', '%p'])
    await using events = startProgram('mosquitto_sub', ['-p', port, '-t', 'lineside/edge-test/events/#', '-F', '%t'])
    await vi.waitFor(async () => expect(await daemon.metric('lineside_mqtt_clients')).toBe(2), 5_000)
    const ask = (value: string) => startProgram('mosquitto_pub', ['-p', port, '-t', 'acme/test/line-1/press/batch/set', '-m', value])
    await using _long = ask('Hello')
    await vi.waitFor(() => expect(results.lines[0]).toMatch(/"refused".*"command\.length".*"remedy"/), 5_000)
    await vi.waitFor(() => expect(events.lines).toEqual(['lineside/edge-test/events/command.refused']), 5_000)
    await using _short = ask('Ahoi')
    await vi.waitFor(() => expect(results.lines[1]).toContain('"done"'), 5_000)
    expect(server.registers.slice(0, 2)).toEqual(Uint16Array.of(0x4168, 0x6f69))
  })
})
