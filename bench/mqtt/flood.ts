import { setTimeout as sleep } from 'node:timers/promises'
import type { BenchOptions } from '../main.ts'
import { type Measure, median } from '../report.ts'
import { type Gateway, startGateway, type Window, watchGateway } from '../south/gateway.ts'
import { quantileBetween } from '../south/metrics.ts'
import { startModbusServer } from '../south/modbus-server.ts'
import { openLimits } from './limits.ts'
import type { Load, LoadPlan } from './load.ts'
import { devicesAt } from './plant.ts'

const devices = 10
const plan = { prefix: 'd', tagsPerDevice: 20, pollMs: 100 }
const floodPerSecond = 20_000
const latenessMoveMsMax = 5
const guessesPerSecond = 1_000
const rounds = 3
/** What counts as nothing measurable: half as much again and a millisecond, which is what a timer is good for. */
const noise = { share: 1.5, ms: 1 }

export interface FloodOptions extends BenchOptions {
  readonly load: Load
  /** The Modbus server of bench/south, built. */
  readonly plant: string
}

/** What clients do to those who have nothing to do with them: a flood to the polls, a subscriber that reads nothing to the other subscribers. */
export async function benchFlood(options: FloodOptions): Promise<readonly Measure[]> {
  await using server = await startModbusServer({ binary: options.plant, devices, changeMs: 100 })
  await using gateway = await startGateway(devicesAt(server, plan), { mqtt: openLimits })
  await sleep(options.isSmoke ? 500 : 3_000)
  return [...(await benchLateness(gateway, options)), ...(await benchStalled(gateway, options)), ...(await benchGuesses(gateway, options))]
}

async function benchLateness(gateway: Gateway, { isSmoke, say, load }: FloodOptions): Promise<readonly Measure[]> {
  const runMs = isSmoke ? 1_000 : 6_000
  const flood: LoadPlan = { port: gateway.mqttPort, publishers: 10, subscribers: 1, rate: floodPerSecond, window: 0, warm: 0, run: runMs }
  const seen = { calm: [] as number[], flooded: [] as number[], share: [] as number[] }
  for (let round = 0; round < (isSmoke ? 1 : rounds); round += 1) {
    say(`${floodPerSecond} messages/s beside polling, round ${round + 1}`)
    seen.calm.push(latenessP99Ms(await watchGateway(gateway, () => sleep(runMs))))
    const flooded = await watchGateway(gateway, async () => {
      const { received } = await load.run(flood)
      seen.share.push(received / ((floodPerSecond * runMs) / 1_000))
    })
    seen.flooded.push(latenessP99Ms(flooded))
  }
  const moves = seen.flooded.map((ms, place) => ms - (seen.calm[place] ?? Number.NaN))
  const name = `a flood of ${floodPerSecond} messages/s`
  return [
    { name: `without a flood: lateness of polls p99`, value: median(seen.calm), unit: 'ms' },
    { name: `${name}: lateness of polls p99`, value: median(seen.flooded), unit: 'ms' },
    { name: `${name} moves the lateness of polls p99 by`, value: median(moves), unit: 'ms', limit: { atMost: latenessMoveMsMax } },
    { name: `${name}: share that its subscriber gets`, value: median(seen.share), unit: 'share' },
  ]
}

function latenessP99Ms({ before, after }: Window): number {
  const name = 'lineside_poll_lateness_seconds'
  return (quantileBetween(before.buckets(name), after.buckets(name), 0.99) ?? Number.NaN) * 1_000
}

async function benchStalled(gateway: Gateway, { isSmoke, say, load }: FloodOptions): Promise<readonly Measure[]> {
  const time = isSmoke ? { warm: 100, run: 300 } : { warm: 500, run: 4_000 }
  const plan: LoadPlan = { port: gateway.mqttPort, publishers: 5, subscribers: 10, rate: 1_000, window: 0, ...time }
  const seen = { with: [] as number[], without: [] as number[], share: [] as number[] }
  for (let round = 0; round < (isSmoke ? 1 : rounds); round += 1) {
    say(`A subscriber that reads nothing, round ${round + 1}`)
    seen.without.push((await load.run(plan)).p99Us / 1_000)
    const { p99Us, received, sent } = await load.run({ ...plan, stalled: 1 })
    seen.with.push(p99Us / 1_000)
    seen.share.push(received / (sent * 10))
  }
  const without = median(seen.without) ?? Number.NaN
  const atMost = hardlyMore(without)
  return [
    { name: '1,000 messages/s to 10 subscribers: p99', value: without, unit: 'ms' },
    { name: '1,000 messages/s to 10 beside one that reads nothing: p99', value: median(seen.with), unit: 'ms', limit: { atMost } },
    {
      name: '1,000 messages/s to 10 beside one that reads nothing: delivered',
      value: median(seen.share),
      unit: 'share',
      limit: { atLeast: 0.99 },
    },
  ]
}

/** What those who are in feel of somebody who guesses passwords. */
async function benchGuesses(gateway: Gateway, { isSmoke, say, load }: FloodOptions): Promise<readonly Measure[]> {
  const time = isSmoke ? { warm: 100, run: 300 } : { warm: 500, run: 4_000 }
  const plan: LoadPlan = { port: gateway.mqttPort, publishers: 5, subscribers: 10, rate: 1_000, window: 0, ...time }
  const wrong = { port: gateway.mqttPort, wrong: guessesPerSecond, run: time.warm + time.run + 300 }
  const seen = { with: [] as number[], without: [] as number[], share: [] as number[], refused: [] as number[] }
  for (let round = 0; round < (isSmoke ? 1 : rounds); round += 1) {
    say(`${guessesPerSecond} wrong passwords a second, round ${round + 1}`)
    seen.without.push((await load.run(plan)).p99Us / 1_000)
    const [{ p99Us, received, sent }, { tries, refused, closed }] = await Promise.all([load.run(plan), load.guess(wrong)])
    seen.with.push(p99Us / 1_000)
    seen.share.push(received / (sent * 10))
    seen.refused.push((refused + closed) / tries)
  }
  const without = median(seen.without) ?? Number.NaN
  const name = `beside ${guessesPerSecond} wrong passwords/s`
  return [
    { name: `1,000 messages/s to 10 ${name}: p99`, value: median(seen.with), unit: 'ms', limit: { atMost: hardlyMore(without) } },
    { name: `1,000 messages/s to 10 ${name}: delivered`, value: median(seen.share), unit: 'share', limit: { atLeast: 0.99 } },
    { name: `${name}: not let in`, value: Math.min(...seen.refused), unit: 'share', limit: { atLeast: 1 } },
  ]
}

function hardlyMore(ms: number): number {
  return Number((ms * noise.share + noise.ms).toPrecision(4))
}
