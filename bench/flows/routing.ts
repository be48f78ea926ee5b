import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import mqtt from 'mqtt'
import { freePort } from '../line/free-port.ts'
import type { BenchOptions } from '../main.ts'
import type { Measure } from '../report.ts'

const perSecond = 5_000
const delayP99MsMax = 5
/** More than what the collector leaves lying about between two looks. */
const growthMbMax = 30
const tickMs = 5

/**
 * Messages go in with QoS 1 at one topic and come out of a route at another, each kept on the disk before it is routed. The delay is that of the
 * whole way, from before the publisher's socket until behind the subscriber's: broker, disk, judgement, broker.
 */
export async function benchRouting({ isSmoke, say }: BenchOptions): Promise<readonly Measure[]> {
  const seconds = isSmoke ? 3 : 20
  await using gateway = await startGateway()
  say(`routing ${perSecond} messages/s for ${seconds} s`)
  await load(gateway.mqttPort, isSmoke ? 1 : 5)
  const before = await gateway.metric('process_resident_memory_bytes')
  const { delays, sent } = await load(gateway.mqttPort, seconds)
  const after = await gateway.metric('process_resident_memory_bytes')
  const sorted = delays.toSorted((a, b) => a - b)
  const at = (share: number): number | undefined => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]
  const name = 'routing a message, kept before it is routed'
  return [
    { name: `${name}: p50`, value: at(0.5), unit: 'ms' },
    { name: `${name}: p99`, value: at(0.99), unit: 'ms', limit: { atMost: delayP99MsMax } },
    { name: `${name}: rate`, value: delays.length / seconds, unit: '1/s', limit: { atLeast: perSecond * 0.99 } },
    { name: `${name}: lost`, value: sent - delays.length, unit: 'messages', limit: { atMost: 0 } },
    { name: `${name}: memory grown`, value: (after - before) / 1024 ** 2, unit: 'MB', limit: { atMost: growthMbMax } },
  ]
}

interface Gateway extends AsyncDisposable {
  readonly mqttPort: number
  metric(name: string): Promise<number>
}

const main = fileURLToPath(new URL('../../bin/lineside.js', import.meta.url))

async function startGateway(): Promise<Gateway> {
  const folder = await mkdtemp(join(tmpdir(), 'lineside-bench-routes-'))
  const [mqttPort, apiPort] = [await freePort(), await freePort()]
  await mkdir(join(folder, 'site'))
  const site = `site: acme/bench/line-1
mqtt: { port: ${mqttPort}, anonymous: { role: operator } }
api: { port: ${apiPort} }
storage: { path: ${join(folder, 'state')} }
routes:
  - { route: through, from: { topic: in/# }, where: trigger.payload.n >= 0, to: { topic: out/all } }
`
  await writeFile(join(folder, 'site', 'lineside.yaml'), site)
  const child = spawn(process.execPath, [main, 'run', join(folder, 'site')], { stdio: 'ignore' })
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  await untilReady(apiPort)
  return {
    mqttPort,
    metric: async (name) => {
      const text = await (await fetch(`http://127.0.0.1:${apiPort}/metrics`)).text()
      return Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1])
    },
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGTERM')
      await exited
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function untilReady(port: number): Promise<void> {
  for (let attempt = 0; attempt < 300; attempt += 1) {
    const answer = await fetch(`http://127.0.0.1:${port}/health/ready`).catch(() => undefined)
    if (answer?.status === 200) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error('the gateway does not start')
}

/** Paced by the clock: what a tick missed the next one sends. */
async function load(port: number, seconds: number): Promise<{ readonly delays: readonly number[]; readonly sent: number }> {
  const subscriber = await mqtt.connectAsync(`mqtt://127.0.0.1:${port}`, { protocolVersion: 4 })
  const publisher = await mqtt.connectAsync(`mqtt://127.0.0.1:${port}`, { protocolVersion: 4 })
  const delays: number[] = []
  const sentAt: number[] = []
  subscriber.on('message', (_topic, payload) => {
    const { n } = JSON.parse(payload.toString()) as { readonly n: number }
    const at = sentAt[n]
    if (at !== undefined) delays.push(performance.now() - at)
  })
  await subscriber.subscribeAsync('out/all', { qos: 0 })
  const begun = performance.now()
  for (;;) {
    const now = performance.now()
    if (now - begun >= seconds * 1_000) break
    const due = Math.floor(((now - begun) * perSecond) / 1_000)
    while (sentAt.length < due) {
      publisher.publish(`in/${sentAt.length % 50}`, `{"n":${sentAt.length},"text":"a bottle has passed"}`, { qos: 1 })
      sentAt.push(performance.now())
    }
    await new Promise((resolve) => setTimeout(resolve, tickMs))
  }
  const until = performance.now() + 5_000
  while (delays.length < sentAt.length && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 20))
  await Promise.all([subscriber.endAsync(), publisher.endAsync()])
  return { delays, sent: sentAt.length }
}
