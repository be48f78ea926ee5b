import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import mqtt, { type MqttClient } from 'mqtt'
import { expect, it, vi } from 'vitest'
import { DaemonProcess } from '../support/daemon-process.ts'

const rounds = 6
/** All rounds together are fewer than the thousand messages that a session keeps. */
const perRound = 140

it('the broker loses nothing that it acknowledged, in order, through kill -9 again and again', { timeout: 240_000 }, async () => {
  await using daemon = await DaemonProcess.start({ devices: {} })
  const mes = await connectTo(daemon, { clientId: 'mes', clean: false })
  await mes.client.subscribeAsync('jobs/#', { qos: 1 })
  await mes.client.endAsync()
  await readWithMosquitto(daemon, { count: 0 })
  const acknowledged: string[] = []
  for (let round = 0; round < rounds; round += 1) {
    const plc = await connectTo(daemon, { clientId: 'plc' })
    const killed = publishUntilKilled(plc.client, round, acknowledged)
    await vi.waitFor(() => expect(acknowledged.length).toBeGreaterThan((round * perRound) / 2), { timeout: 20_000, interval: 1 })
    await daemon.end('SIGKILL')
    await killed
    await plc.client.endAsync(true)
    await daemon.start()
    await expectRetained(daemon, acknowledged)
  }
  const back = await connectTo(daemon, { clientId: 'mes', clean: false })
  await vi.waitFor(() => expect(new Set(back.got).isSupersetOf(new Set(acknowledged))).toBe(true), { timeout: 20_000 })
  const order = new Map([...new Set(back.got)].map((text, place) => [text, place]))
  const places = acknowledged.map((text) => order.get(text) ?? -1)
  expect(places).toEqual([...places].sort((a, b) => a - b))
  await back.client.endAsync(true)
  const toMosquitto = await readWithMosquitto(daemon, { count: acknowledged.length })
  expect(new Set(toMosquitto).isSupersetOf(new Set(acknowledged))).toBe(true)
})

async function connectTo(
  daemon: DaemonProcess,
  options: { readonly clientId: string; readonly clean?: boolean },
): Promise<{ readonly client: MqttClient; readonly got: string[] }> {
  const client = mqtt.connect(`mqtt://127.0.0.1:${daemon.mqttPort}`, { reconnectPeriod: 0, ...options })
  const got: string[] = []
  client.on('message', (_topic, payload) => got.push(payload.toString()))
  client.on('error', () => {})
  await new Promise<void>((resolve) => client.once('connect', () => resolve()))
  return { client, got }
}

/** One after another in windows of twenty; what is acknowledged is noted in the order of sending. */
async function publishUntilKilled(client: MqttClient, round: number, acknowledged: string[]): Promise<void> {
  const closed = new Promise<string>((resolve) => client.once('close', () => resolve('closed')))
  for (let first = 0; first < perRound; first += 20) {
    const window = Array.from({ length: 20 }, (_, place) => {
      const text = `${round}/${first + place}`
      return client.publishAsync('jobs/a', text, { qos: 1, retain: true }).then(() => acknowledged.push(text))
    })
    for (const each of window) each.catch(() => {})
    if ((await Promise.race([closed, Promise.all(window).catch(() => closed)])) === 'closed') return
  }
  await closed
}

/** The retained message is the last acknowledged one or one that came after it. */
async function expectRetained(daemon: DaemonProcess, acknowledged: readonly string[]): Promise<void> {
  const reader = await connectTo(daemon, { clientId: 'reader' })
  await reader.client.subscribeAsync('jobs/a', { qos: 0 })
  await vi.waitFor(() => expect(reader.got.length).toBe(1))
  const [round = 0, place = 0] = (reader.got[0] ?? '').split('/').map(Number)
  const [lastRound = 0, lastPlace = 0] = (acknowledged.at(-1) ?? '').split('/').map(Number)
  expect(round * perRound + place).toBeGreaterThanOrEqual(lastRound * perRound + lastPlace)
  await reader.client.endAsync(true)
}

/** mosquitto_sub with a session of its own, until it has got so many messages. */
async function readWithMosquitto(daemon: DaemonProcess, { count }: { readonly count: number }): Promise<readonly string[]> {
  const args = ['-h', '127.0.0.1', '-p', String(daemon.mqttPort), '-c', '-i', 'scada', '-q', '1', '-t', 'jobs/#', '-F', '%p']
  const child: ChildProcess = spawn('/usr/bin/mosquitto_sub', args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const lines: string[] = []
  if (child.stdout !== null) createInterface({ input: child.stdout }).on('line', (line) => lines.push(line))
  try {
    await vi.waitFor(async () => expect(await daemon.metric('lineside_mqtt_clients')).toBeGreaterThan(0), { timeout: 10_000 })
    await vi.waitFor(async () => expect(await daemon.metric('lineside_mqtt_sessions')).toBe(2), { timeout: 10_000 })
    await vi.waitFor(() => expect(new Set(lines).size).toBeGreaterThanOrEqual(count), { timeout: 20_000 })
    return lines
  } finally {
    child.kill('SIGTERM')
    await once(child, 'exit')
  }
}
