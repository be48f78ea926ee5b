import { describe, expect, it, vi } from 'vitest'
import { type Program, startProgram } from '../north/support/program.ts'
import { DaemonProcess, plcFile } from '../support/daemon-process.ts'
import { startModbusDevice } from '../support/modbus-device.ts'

const slow = 60_000
const writeRegisters = 16

async function startLine() {
  await using parts = new AsyncDisposableStack()
  const press = parts.use(await startModbusDevice())
  const daemon = parts.use(await DaemonProcess.start({ devices: { press: plcFile('press', press.port) } }))
  await vi.waitFor(async () => expect(await daemon.tag('press/setpoint')).toMatchObject({ quality: 'good' }), 5_000)
  const started = parts.move()
  const writes = (): number => press.requests.filter(({ pdu }) => pdu[0] === writeRegisters).length
  return { press, daemon, writes, [Symbol.asyncDispose]: () => started.disposeAsync() }
}

function publish(daemon: DaemonProcess, payload: string): Program {
  const topic = 'acme/test/line-1/press/setpoint/set'
  return startProgram('mosquitto_pub', ['-p', String(daemon.mqttPort), '-i', 'panel-1', '-q', '1', '-t', topic, '-m', payload])
}

describe('a wish that an MQTT client publishes twice because its connection broke', () => {
  it('is written once and answered twice, also when the daemon was restarted between', { timeout: slow }, async () => {
    await using line = await startLine()
    const results = ['-p', String(line.daemon.mqttPort), '-t', 'acme/test/line-1/press/setpoint/set/result']
    await using answers = startProgram('mosquitto_sub', results)
    await vi.waitFor(async () => expect(await line.daemon.metric('lineside_mqtt_clients')).toBe(1), 5_000)
    const wish = '{"value":42.5,"id":"job-7"}'
    expect(await publish(line.daemon, wish).exit).toBe(0)
    expect(await publish(line.daemon, wish).exit).toBe(0)
    await vi.waitFor(() => expect(answers.lines).toHaveLength(2), 5_000)
    expect(answers.lines[0]).toContain('"id":"job-7","status":"done"')
    expect(answers.lines[1]).toEqual(answers.lines[0])
    expect(line.writes()).toBe(1)
    await line.daemon.end('SIGTERM')
    await line.daemon.start()
    await using later = startProgram('mosquitto_sub', results)
    await vi.waitFor(async () => expect(await line.daemon.metric('lineside_mqtt_clients')).toBeGreaterThanOrEqual(1), 5_000)
    expect(await publish(line.daemon, wish).exit).toBe(0)
    await vi.waitFor(() => expect(later.lines[0]).toContain('"id":"job-7","status":"done"'), 5_000)
    expect(line.writes()).toBe(1)
  })
})

describe('a batch over HTTP', () => {
  it('is written together or not at all', { timeout: slow }, async () => {
    await using line = await startLine()
    const write = async (setpoint: number): Promise<unknown> => {
      const writes = [
        { tag: 'press/gate', value: true },
        { tag: 'press/setpoint', value: setpoint },
      ]
      const headers = { 'content-type': 'application/json' }
      const body = JSON.stringify({ writes, together: true })
      return await (await fetch(`${line.daemon.url}/api/v1/writes`, { method: 'POST', headers, body })).json()
    }
    expect(await write(101)).toMatchObject({ results: [{ code: 'command.together' }, { code: 'command.range' }] })
    expect(line.press.coils[0]).toBe(0)
    expect(await write(99)).toMatchObject({
      results: [
        { status: 'done', value: true },
        { status: 'done', value: 99 },
      ],
    })
    expect(line.press.coils[0]).toBe(1)
  })
})
