import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { startProgram } from '../north/support/program.ts'
import { DaemonProcess, plcFile } from '../support/daemon-process.ts'
import { startModbusDevice } from '../support/modbus-device.ts'

const slow = 60_000

/** Listens to everything; there are retained messages, so the first one says that it does. */
async function listen(daemon: DaemonProcess) {
  const program = startProgram('mosquitto_sub', ['-p', String(daemon.mqttPort), '-t', '#', '-v'])
  await vi.waitFor(() => expect(program.lines).not.toEqual([]), 5_000)
  const on = (topic: string): string => program.lines.filter((line) => line.startsWith(`${topic} `)).join('\n')
  return { on, [Symbol.asyncDispose]: () => program[Symbol.asyncDispose]() }
}

function publish(daemon: DaemonProcess, topic: string, payload: string) {
  return startProgram('mosquitto_pub', ['-p', String(daemon.mqttPort), '-t', topic, '-m', payload])
}

describe('what a PLC cannot do', () => {
  it('is told as an event and in its status, and is known after the daemon was killed', { timeout: slow }, async () => {
    await using press = await startModbusDevice({ lacks: [5], holes: [1] })
    await using daemon = await DaemonProcess.start({ devices: { press: plcFile('press', press.port) } })
    await vi.waitFor(async () => expect(await daemon.tag('press/gate')).toMatchObject({ quality: 'good' }), 5_000)
    expect(await daemon.tag('press/level')).toMatchObject({ quality: 'bad' })

    await using seen = await listen(daemon)
    await using _write = publish(daemon, 'acme/test/line-1/press/gate/set', '{"value":true,"id":"job-1"}')
    await vi.waitFor(() => expect(seen.on('acme/test/line-1/press/gate/set/result')).toContain('"status":"done"'), 5_000)
    await vi.waitFor(
      () => expect(seen.on('lineside/edge-test/events/device.learnt')).toContain('The device has no function 5: writes do without it.'),
      5_000,
    )
    await vi.waitFor(
      () => expect(seen.on('lineside/edge-test/devices/press')).toContain('hr:1 cannot be read: exception 2, illegal address.'),
      5_000,
    )

    const file = join(daemon.folder, 'state', 'control', 'devices', 'press', 'modbus-learnt.json')
    await vi.waitFor(async () => expect(await readFile(file, 'utf8')).toContain('"function": 5'), 5_000)
    await daemon.end('SIGKILL')
    press.takeFunctions()
    const readsBefore = press.requests.filter(({ pdu }) => pdu[0] === 3).length
    await daemon.start()
    await vi.waitFor(async () => expect(await daemon.tag('press/gate')).toMatchObject({ quality: 'good' }), 5_000)
    const reads = press.requests.filter(({ pdu }) => pdu[0] === 3).map(({ pdu }) => [pdu.readUInt16BE(1), pdu.readUInt16BE(3)])
    expect(reads.slice(readsBefore).filter(([start = 0, count = 0]) => start <= 1 && start + count > 1)).toEqual([])
    await using again = await listen(daemon)
    await using _second = publish(daemon, 'acme/test/line-1/press/gate/set', '{"value":false,"id":"job-2"}')
    await vi.waitFor(() => expect(again.on('acme/test/line-1/press/gate/set/result')).toContain('"status":"done"'), 5_000)
    expect(press.takeFunctions().filter((code) => code === 5 || code === 15)).toEqual([15])
  })
})
