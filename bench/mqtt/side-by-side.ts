import type { BenchOptions } from '../main.ts'
import { type Measure, median } from '../report.ts'
import type { Gateway } from '../south/gateway.ts'
import type { Load, LoadPlan, LoadResult } from './load.ts'
import type { Mosquitto } from './mosquitto.ts'

interface Row {
  readonly name: string
  readonly unit: string
  readonly plan: Omit<LoadPlan, 'port'>
  readonly value: (result: LoadResult) => number
  /** Of our value to the peer's. */
  readonly limit: { readonly atLeast: number } | { readonly atMost: number }
}

const peer = 'mosquitto'
const rounds = 3
const perSecond = ({ received, seconds }: LoadResult): number => received / seconds
/** As many as a session may hold at the most. */
const keptCount = 40_000

const rows: readonly Row[] = [
  {
    name: 'QoS 0, 100 bytes, 10 to 1',
    unit: '1/s',
    plan: { publishers: 10, subscribers: 1 },
    value: perSecond,
    limit: { atLeast: 0.8 },
  },
  {
    name: 'QoS 1, 100 bytes, 10 to 1, nothing to keep',
    unit: '1/s',
    plan: { publishers: 10, subscribers: 1, qos: 1 },
    value: perSecond,
    limit: { atLeast: 1.2 },
  },
  {
    name: 'QoS 0, 100 bytes, 1 to 50: delivered',
    unit: '1/s',
    plan: { subscribers: 50, window: 50 },
    value: perSecond,
    limit: { atLeast: 0.75 },
  },
  {
    name: 'QoS 0, 1,000 messages/s: p99',
    unit: 'ms',
    plan: { rate: 1_000 },
    value: ({ p99Us }) => p99Us / 1_000,
    limit: { atMost: 4 },
  },
]

export interface Sides {
  readonly load: Load
  readonly gateway: Gateway
  readonly mosquitto: Mosquitto
}

/** The same load on both brokers, in turn; both run all the time, and the one without load does nothing. */
export async function benchSideBySide({ isSmoke, say }: BenchOptions, sides: Sides): Promise<readonly Measure[]> {
  const { load } = sides
  const time = isSmoke ? { warm: 100, run: 200 } : { warm: 1_000, run: 3_000 }
  const ports = { ours: sides.gateway.mqttPort, theirs: sides.mosquitto.port }
  if (!isSmoke) await load.run({ port: ports.ours, publishers: 10, qos: 1, warm: 0, run: 5_000 }) // code compiled
  const measures: Measure[] = []
  for (const row of rows) {
    const one = async (port: number): Promise<number> => row.value(await load.run({ ...time, ...row.plan, port }))
    measures.push(...(await compared(row, { isSmoke, say, ports, one })))
  }
  const kept = async (port: number): Promise<readonly number[]> => await keepAll(load, port, isSmoke ? 500 : keptCount)
  return [...measures, ...(await benchKept({ isSmoke, say, ports, kept }))]
}

interface Ports {
  readonly ours: number
  readonly theirs: number
}

interface Comparing extends BenchOptions {
  readonly ports: Ports
  readonly one: (port: number) => Promise<number>
}

async function compared(row: Pick<Row, 'name' | 'unit' | 'limit'>, { isSmoke, say, ports, one }: Comparing): Promise<readonly Measure[]> {
  const pairs: Pair[] = []
  for (let round = 0; round < (isSmoke ? 1 : rounds); round += 1) {
    say(`${row.name}, round ${round + 1}`)
    if (round % 2 === 0) {
      const ours = await one(ports.ours)
      pairs.push({ ours, theirs: await one(ports.theirs) })
    } else {
      const theirs = await one(ports.theirs)
      pairs.push({ ours: await one(ports.ours), theirs })
    }
  }
  return measuresOf(row, pairs)
}

interface Pair {
  readonly ours: number
  readonly theirs: number
}

function measuresOf({ name, unit, limit }: Pick<Row, 'name' | 'unit' | 'limit'>, pairs: readonly Pair[]): readonly Measure[] {
  return [
    { name, value: median(pairs.map(({ ours }) => ours)), unit, peer, peerValue: median(pairs.map(({ theirs }) => theirs)) },
    { name: `${name}: share of ${peer}'s`, value: median(pairs.map(({ ours, theirs }) => ours / theirs)), unit: '×', limit },
  ]
}

/** Messages a second that are acknowledged while their reader is away, and then those that it gets of them; throws where one is lost. */
async function keepAll(load: Load, port: number, count: number): Promise<readonly number[]> {
  const stored = await load.run({ port, publishers: 10, subscribers: 1, qos: 1, away: 1, count, warm: 0 })
  const fetched = await load.run({ port, publishers: 0, subscribers: 1, qos: 1, keep: 1, count, warm: 0 })
  if (stored.acknowledged !== count || fetched.received < count || fetched.disordered > 0) {
    throw new Error(`${count} sent, ${stored.acknowledged} acknowledged, ${fetched.received} kept, ${fetched.disordered} out of order`)
  }
  return [stored.acknowledged / stored.seconds, fetched.received / fetched.seconds]
}

interface KeptOptions extends BenchOptions {
  readonly ports: Ports
  readonly kept: (port: number) => Promise<readonly number[]>
}

/** One pair of runs gives both rows. */
async function benchKept({ kept, ...options }: KeptOptions): Promise<readonly Measure[]> {
  const fetched = { ours: [] as number[], theirs: [] as number[] }
  const { ports } = options
  const one = async (port: number): Promise<number> => {
    const [stored = Number.NaN, perSecondFetched = Number.NaN] = await kept(port)
    fetched[port === ports.ours ? 'ours' : 'theirs'].push(perSecondFetched)
    return stored
  }
  const row = { name: 'QoS 1, every message kept in a session on disk', unit: '1/s', limit: { atLeast: 0.3 } }
  const stored = await compared(row, { ...options, one })
  const [value, peerValue] = [median(fetched.ours), median(fetched.theirs)]
  return [...stored, { name: 'QoS 1: a session of these fetched by its client', value, unit: '1/s', peer, peerValue }]
}
