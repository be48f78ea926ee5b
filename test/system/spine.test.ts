import { describe, expect, it, vi } from 'vitest'
import { startProgram } from '../north/support/program.ts'
import { DaemonProcess, plcFile } from '../support/daemon-process.ts'
import { type ModbusDevice, startModbusDevice } from '../support/modbus-device.ts'
import { startOpcuaClient } from '../support/opcua-client-process.ts'

const slow = 60_000

async function startLine(options: { readonly hasOpcua?: boolean; readonly flows?: Record<string, string> } = {}) {
  await using parts = new AsyncDisposableStack()
  const press = parts.use(await startModbusDevice())
  const oven = parts.use(await startModbusDevice())
  press.registers[1] = 421
  const devices = { press: plcFile('press', press.port), oven: plcFile('oven', oven.port) }
  const daemon = parts.use(await DaemonProcess.start({ devices, ...options }))
  const started = parts.move()
  return { press, oven, daemon, [Symbol.asyncDispose]: () => started.disposeAsync() }
}

function f32(device: ModbusDevice, register: number): number {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt16BE(device.registers[register] ?? 0, 0)
  bytes.writeUInt16BE(device.registers[register + 1] ?? 0, 2)
  return bytes.readFloatBE(0)
}

function subscribe(daemon: DaemonProcess, topic: string) {
  return startProgram('mosquitto_sub', ['-p', String(daemon.mqttPort), '-t', topic, '-v'])
}

function publish(daemon: DaemonProcess, topic: string, payload: string) {
  return startProgram('mosquitto_pub', ['-p', String(daemon.mqttPort), '-t', topic, '-m', payload])
}

describe('one value from a PLC', () => {
  it('reaches MQTT clients, HTTP, live events and the metrics, scaled and with its quality', { timeout: slow }, async () => {
    await using line = await startLine()
    await using seen = subscribe(line.daemon, 'acme/test/line-1/press/#')
    await vi.waitFor(
      () => expect(seen.lines.join('\n')).toMatch(/press\/level \{"value":42\.1,"quality":"good","time":"[^"]+","unit":"%"\}/),
      5_000,
    )
    expect(await line.daemon.tag('press/level')).toMatchObject({ value: 42.1, quality: 'good' })
    expect(await line.daemon.metric('lineside_device_online', 'press')).toBe(1)
    const stop = new AbortController()
    const events = await fetch(`${line.daemon.url}/api/v1/tags/live?filter=press/count`, { signal: stop.signal })
    const reader = events.body?.pipeThrough(new TextDecoderStream()).getReader()
    expect((await reader?.read())?.value).toContain('"tag":"press/count","value":0')
    line.press.registers[0] = 7
    expect((await reader?.read())?.value).toContain('"tag":"press/count","value":7')
    stop.abort()
  })

  it('is retained: who subscribes later has it at once', { timeout: slow }, async () => {
    await using line = await startLine()
    await vi.waitFor(async () => expect(await line.daemon.tag('oven/count')).toMatchObject({ quality: 'good' }), 5_000)
    await using seen = subscribe(line.daemon, 'acme/test/line-1/oven/count')
    await vi.waitFor(() => expect(seen.lines[0]).toContain('"value":0'), 5_000)
  })
})

describe('one command', () => {
  it('asked for over MQTT is written, read back and answered', { timeout: slow }, async () => {
    await using line = await startLine()
    await vi.waitFor(async () => expect(await line.daemon.tag('press/setpoint')).toMatchObject({ quality: 'good' }), 5_000)
    await using answers = subscribe(line.daemon, 'acme/test/line-1/press/setpoint/set/result')
    await using _one = publish(line.daemon, 'acme/test/line-1/press/setpoint/set', '{"value":42.5,"id":"job-1"}')
    await vi.waitFor(() => expect(answers.lines[0]).toContain('"id":"job-1","status":"done"'), 5_000)
    expect(f32(line.press, 10)).toBe(42.5)
    await using _two = publish(line.daemon, 'acme/test/line-1/press/setpoint/set', '{"value":101,"id":"job-2"}')
    await vi.waitFor(
      () => expect(answers.lines[1]).toMatch(/"id":"job-2","status":"refused","code":"command.range".*"remedy"|"remedy".*command.range/),
      5_000,
    )
    expect(f32(line.press, 10)).toBe(42.5)
  })

  it('asked for by an OPC UA client is written, and a browsed tag shows it', { timeout: slow }, async () => {
    await using line = await startLine({ hasOpcua: true })
    await using client = startOpcuaClient()
    await client.ask('connect', { url: `opc.tcp://127.0.0.1:${line.daemon.opcuaPort}/lineside` })
    const nodes = ['ns=1;s=press/setpoint']
    await vi.waitFor(async () => expect(await client.ask('read', { nodes })).toMatchObject([{ status: 'Good' }]), 10_000)
    expect(await client.ask('write', { nodes, type: 'Float', value: 12.5 })).toBe('Good')
    expect(f32(line.press, 10)).toBe(12.5)
    await vi.waitFor(async () => expect(await client.ask('read', { nodes })).toMatchObject([{ value: 12.5 }]), 5_000)
  })
})

describe('a device that is lost', () => {
  it('has all of its tags stale with their last values, is good again when it is back, and another one does not notice', {
    timeout: slow,
  }, async () => {
    await using line = await startLine()
    await vi.waitFor(async () => expect(await line.daemon.tag('press/level')).toMatchObject({ quality: 'good' }), 5_000)
    line.press.intercept = () => 'silence'
    await vi.waitFor(async () => expect(await line.daemon.tag('press/level')).toMatchObject({ value: 42.1, quality: 'stale' }), 5_000)
    line.oven.registers[0] = 9
    await vi.waitFor(async () => expect(await line.daemon.tag('oven/count')).toMatchObject({ value: 9, quality: 'good' }), 5_000)
    line.press.intercept = () => undefined
    await vi.waitFor(async () => expect(await line.daemon.tag('press/level')).toMatchObject({ value: 42.1, quality: 'good' }), 10_000)
  })
})

describe('a flow', () => {
  const flow = `flow: close
version: 1
on: [{ tag: press/count, when: "value > 5" }]
steps:
  - id: shut
    write: { oven/gate: true }
  - id: tell
    publish: { topic: notices, payload: { count: "\${trigger.value}" } }
`

  it('writes to one device what another one made it do, and tells it', { timeout: slow }, async () => {
    await using line = await startLine({ flows: { close: flow } })
    await vi.waitFor(async () => {
      expect(await line.daemon.tag('press/count')).toMatchObject({ quality: 'good' })
      expect(await line.daemon.tag('oven/gate')).toMatchObject({ quality: 'good' })
    }, 5_000)
    await using seen = subscribe(line.daemon, 'acme/test/line-1/notices')
    await using events = subscribe(line.daemon, 'lineside/edge-test/events/#')
    await vi.waitFor(async () => expect(await line.daemon.metric('lineside_mqtt_clients')).toBe(2), 5_000)
    line.press.registers[0] = 6
    await vi.waitFor(() => expect(seen.lines[0]).toContain('{"count":6}'), 5_000)
    expect(line.oven.coils[0]).toBe(1)
    await vi.waitFor(() => expect(events.lines.join()).toMatch(/flow.started.*command.asked.*command.done.*flow.completed/s), 5_000)
  })
})

describe('a request that makes no sense', () => {
  it('is refused with a code and a remedy, and disturbs nobody', { timeout: slow }, async () => {
    await using line = await startLine()
    for (const path of [
      '/api/v1/tags/live?filter=a&filter=b',
      '/api/v1/tags?filter=a&filter=b',
      '/api/v1/tags?limit=x',
      '/api/v1/tags?limit=0',
      '/api/v1/tags?fliter=a',
    ]) {
      const answer = await fetch(`${line.daemon.url}${path}`)
      expect([path, answer.status]).toEqual([path, 400])
      expect(await answer.json()).toMatchObject({ code: 'api.bad-query', remedy: expect.any(String) })
    }
    for (const [path, method, status] of [
      ['/api/v1/nothing', 'GET', 404],
      ['/api/v1/tags', 'DELETE', 405],
      ['/api/v1/tags/%zz', 'GET', 400],
    ] as const) {
      const answer = await fetch(`${line.daemon.url}${path}`, { method })
      expect([path, answer.status]).toEqual([path, status])
      expect(await answer.json()).toMatchObject({ code: expect.stringMatching(/^api\./), remedy: expect.any(String) })
    }
    line.press.registers[0] = 3
    await vi.waitFor(async () => expect(await line.daemon.tag('press/count')).toMatchObject({ value: 3, quality: 'good' }), 5_000)
    await using answers = subscribe(line.daemon, 'acme/test/line-1/press/nothing/set/result')
    await vi.waitFor(async () => expect(await line.daemon.metric('lineside_mqtt_clients')).toBe(1), 5_000)
    await using _wish = publish(line.daemon, 'acme/test/line-1/press/nothing/set', '1')
    await vi.waitFor(() => expect(answers.lines[0]).toContain('command.tag-unknown'), 5_000)
  })
})

describe('SIGTERM', () => {
  it('ends the daemon with 0 within five seconds, whoever is connected', { timeout: slow }, async () => {
    await using line = await startLine()
    await using _seen = subscribe(line.daemon, '#')
    line.oven.intercept = () => 'silence'
    const started = performance.now()
    expect(await line.daemon.end('SIGTERM')).toBe(0)
    expect(performance.now() - started).toBeLessThan(5_000)
  })
})
