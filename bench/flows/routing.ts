import { residentMb } from '../line/process.ts'
import { temporaryFolder } from '../line/round.ts'
import { Load } from '../mqtt/load.ts'
import type { Measure } from '../report.ts'
import { startGateway } from '../south/gateway.ts'
import { type Rounds, roundsOf } from './rounds.ts'

const perSecond = 5_000
const delayP99MsMax = 5
/** More than what the collector leaves lying about between two looks. */
const growthMbMax = 30
/** PUBACKs that may be outstanding: more than come together at this rate while a disk thinks. */
const unackedMax = 5_000

/**
 * Messages go in with QoS 1 at one topic and come out of a route at another, each kept on the disk before it is routed. The delay is that of the
 * whole way, from before the publisher's socket until behind the subscriber's: broker, disk, judgement, broker.
 */
export async function benchRouting({ isSmoke, say }: Rounds): Promise<readonly Measure[]> {
  const seconds = isSmoke ? 2 : 10
  const through = { route: 'through', from: { topic: 'in/#' }, where: 'trigger.payload.n >= 0', to: { topic: 'out/all' } }
  await using gateway = await startGateway({}, { routes: [through] })
  // Past the one collection after the start, which holds every thread up.
  await load(gateway.mqttPort, isSmoke ? 1 : 6)
  return await roundsOf({ isSmoke, say, what: `routing ${perSecond} messages/s`, showsStart: true }, async () => {
    const before = await gateway.scrape()
    const { p50Us, p99Us, sent, received, seconds: took } = await load(gateway.mqttPort, seconds)
    const grown = (await gateway.scrape()).sum('process_resident_memory_bytes') - before.sum('process_resident_memory_bytes')
    const name = 'routing a message, kept before it is routed'
    return [
      { name: `${name}: p50`, value: p50Us / 1_000, unit: 'ms' },
      { name: `${name}: p99`, value: p99Us / 1_000, unit: 'ms', limit: { atMost: delayP99MsMax } },
      { name: `${name}: rate`, value: received / took, unit: '1/s', limit: { atLeast: perSecond * 0.99 } },
      { name: `${name}: lost`, value: sent - received, unit: 'messages', limit: { atMost: 0 } },
      { name: `${name}: memory grown`, value: grown / 1024 ** 2, unit: 'MB', limit: { atMost: growthMbMax } },
    ]
  })
}

const eventsPerMinute = 50_000
const flatMinutes = 1.5
const settleShare = 1 / 3
const flatMbMax = 10

/** Routed all the time, as long as is asked; what is left of the memory's ups and downs is the mean of the last third beside that of the one before. */
export async function benchFlat({ isSmoke, say, minutes = isSmoke ? 0.1 : flatMinutes }: Rounds): Promise<readonly Measure[]> {
  const through = { route: 'through', from: { topic: 'in/#' }, where: 'trigger.payload.n >= 0', to: { topic: 'out/all' } }
  await using gateway = await startGateway({}, { routes: [through] })
  say(`${eventsPerMinute} events a minute for ${minutes} minutes`)
  const residentMbs: number[] = []
  const timer = setInterval(() => residentMbs.push(residentMb(gateway.program.pid)), 500)
  const { sent, received } = await load(gateway.mqttPort, minutes * 60, eventsPerMinute / 60)
  clearInterval(timer)
  const third = Math.floor(residentMbs.length * settleShare)
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length)
  const name = `${eventsPerMinute} events a minute for ${minutes} minutes`
  return [
    { name: `${name}: lost`, value: sent - received, unit: '', limit: { atMost: 0 } },
    {
      name: `${name}: memory of the last third more than of the one before`,
      value: mean(residentMbs.slice(-third)) - mean(residentMbs.slice(third, -third)),
      unit: 'MB',
      limit: { atMost: flatMbMax },
    },
  ]
}

/** Paced by the clock, and so cheap that it is the gateway which is measured. */
async function load(port: number, seconds: number, rate = perSecond): Promise<Awaited<ReturnType<Load['run']>>> {
  using folder = temporaryFolder()
  const plan = { port, rate, count: Math.round(rate * seconds), qos: 1, inflight: unackedMax, routed: 1 } as const
  return await new Load(folder.path).run(plan)
}
