import { calmRounds } from '../calm.ts'
import type { BenchOptions } from '../main.ts'
import { type Measure, median } from '../report.ts'
import { benchCheck, benchDemo } from './command-line.ts'
import { lineside } from './lineside.ts'
import { installPeers, nodeRed } from './node-red.ts'
import { benchOpcua } from './opcua.ts'
import { benchRecovery } from './recovery.ts'
import { pollMs, type Round, runRound } from './round.ts'

interface Size {
  readonly devices: number
  readonly limits: {
    readonly changeP99Ms?: number
    readonly publishP99Ms?: number
    /** CPU a value, as a share of the peer's. */
    readonly cpuShare?: number
  }
}

const tagsPerDevice = 100
const sizes: readonly Size[] = [
  { devices: 1, limits: {} },
  { devices: 10, limits: { changeP99Ms: pollMs + 5, publishP99Ms: 2, cpuShare: 0.5 } },
  { devices: 50, limits: { changeP99Ms: pollMs + 5, publishP99Ms: 5, cpuShare: 0.4 } },
]
const rounds = 3
const engines = [lineside, nodeRed]
const residentMbMax = 160
const startMsMax = 1_500
const stopMsMax = 5_000

const parts: Readonly<Record<string, (options: BenchOptions) => Promise<readonly Measure[]>>> = {
  ...Object.fromEntries(sizes.map((size) => [String(size.devices * tagsPerDevice), (options: BenchOptions) => benchSize(size, options)])),
  recovery: (options) => benchRecovery({ ...options, engines }),
  opcua: benchOpcua,
  check: benchCheck,
  demo: benchDemo,
}

/** Every number that issue 2 asks for. */
export async function benchLine({ only, ...options }: BenchOptions): Promise<readonly Measure[]> {
  const wanted = Object.entries(parts).filter(([name]) => (only === undefined ? isTried(name, options) : only.includes(name)))
  if (wanted.length === 0) throw new Error(`the parts of this bench are ${Object.keys(parts).join(', ')}`)
  installPeers(options.say)
  const measures: Measure[] = []
  for (const [, part] of wanted) measures.push(...(await part(options)))
  return measures
}

/** Whether the bench works is seen at its smallest size. */
function isTried(name: string, { isSmoke }: BenchOptions): boolean {
  return !isSmoke || !sizes.slice(1).some(({ devices }) => String(devices * tagsPerDevice) === name)
}

async function benchSize(size: Size, { isSmoke, say }: BenchOptions): Promise<readonly Measure[]> {
  const { devices } = size
  const what = `${devices * tagsPerDevice} tags`
  const pairs = await calmRounds({
    rounds,
    isSmoke,
    say,
    what,
    round: (place) => pairOf(devices, { isSmoke, say, isTurned: place % 2 > 0 }),
  })
  const results = new Map(engines.map(({ name }) => [name, pairs.flatMap((pair) => pair.get(name) ?? [])]))
  return measuresOf(size, results)
}

interface PairOptions extends Pick<BenchOptions, 'isSmoke' | 'say'> {
  /** The peer first. */
  readonly isTurned: boolean
}

async function pairOf(devices: number, { isSmoke, say, isTurned }: PairOptions): Promise<ReadonlyMap<string, Round>> {
  const pair = new Map<string, Round>()
  for (const engine of isTurned ? engines.toReversed() : engines) {
    say(engine.name)
    const times = { warmUpMs: isSmoke ? 1_000 : 5_000, windowMs: isSmoke ? 3_000 : 15_000 }
    pair.set(engine.name, await runRound({ engine, devices, tagsPerDevice, ...times }))
  }
  return pair
}

function measuresOf({ devices, limits }: Size, results: ReadonlyMap<string, readonly Round[]>): readonly Measure[] {
  const middle = (engine: string, field: keyof Round): number | undefined =>
    median((results.get(engine) ?? []).flatMap((round) => round[field] ?? []))
  const compare = (what: string, field: keyof Round, unit: string, atMost?: number): Measure => ({
    name: `${devices * tagsPerDevice} tags: ${what}`,
    value: middle(lineside.name, field),
    unit,
    ...(atMost === undefined ? {} : { limit: { atMost } }),
    peer: nodeRed.name,
    peerValue: middle(nodeRed.name, field),
  })
  const cpu = compare('CPU per 1,000 values', 'cpuSecondsPer1000Values', 's')
  const share: Measure = {
    name: `${devices * tagsPerDevice} tags: CPU per value, share of ${nodeRed.name}'s`,
    value: cpu.value === undefined || !cpu.peerValue ? undefined : cpu.value / cpu.peerValue,
    unit: '×',
    ...(limits.cpuShare === undefined ? {} : { limit: { atMost: limits.cpuShare } }),
  }
  return [
    compare('change to subscriber p50', 'changeToSubscriberP50Ms', 'ms'),
    compare('change to subscriber p99', 'changeToSubscriberP99Ms', 'ms', limits.changeP99Ms),
    compare('publish to subscriber p99', 'publishToSubscriberP99Ms', 'ms', limits.publishP99Ms),
    compare('messages', 'messagesPerSecond', '1/s'),
    cpu,
    share,
    compare('resident memory', 'residentMb', 'MB', residentMbMax),
    compare('start to first value', 'startToFirstValueMs', 'ms', startMsMax),
    compare('SIGTERM to exit', 'stopMs', 'ms', stopMsMax),
  ]
}
