import { systemClock } from '../../src/base/clock.ts'
import { askRead } from '../../src/south/modbus/pdu.ts'
import { connectTcp } from '../../src/south/modbus/tcp-client.ts'
import { calmRounds } from '../calm.ts'
import { monotonicMs } from '../line/load-value.ts'
import { startProgram } from '../line/process.ts'
import type { BenchOptions } from '../main.ts'
import { type Measure, median } from '../report.ts'
import { startModbusServer } from './modbus-server.ts'
import { buildNative } from './native.ts'
import { allowedCpus, placeOn } from './placement.ts'

interface Rate {
  readonly perSecond: number
  readonly cpuUs: number
}

type Runner = (windowMs: number) => Promise<Rate>

const registers = 125
const rounds = 3
const outstanding = 4
const peer = 'libmodbus'
const limits = { sequentialShare: 0.8, pipelinedShare: 3, cpuUs: 15 }

interface Placement {
  readonly what: string
  readonly client: number
  readonly server: number
}

/**
 * Requests a second of one connection: libmodbus, ours one at a time, and ours with four on their way; interleaved, medians of three. Where the scheduler puts
 * client and server decides more than anything that a client does (libmodbus makes 12,000 or 50,000 a second), so that the places are given: once a core for
 * each, as with a PLC that is another machine, and once both on one.
 */
export async function benchClientRate({ isSmoke, say, folder }: BenchOptions & { readonly folder: string }): Promise<readonly Measure[]> {
  await using server = await startModbusServer({ binary: buildNative('modbus-server', folder), devices: 1, changeMs: 1_000 })
  const cpus = allowedCpus()
  const [here = 0, there = here] = cpus
  const placements = [
    ...(there === here ? [] : [{ what: '', client: here, server: there }]),
    { what: ', both on one core', client: here, server: here },
  ]
  const client = buildNative('libmodbus-client', folder)
  const measures: Measure[] = []
  try {
    for (const placement of placements) {
      placeOn(server.program.pid, [placement.server])
      placeOn(process.pid, [placement.client])
      measures.push(...(await ratesAt(placement, { isSmoke, say, client, port: server.ports[0] ?? 0 })))
    }
  } finally {
    placeOn(process.pid, cpus)
  }
  return measures
}

async function ratesAt(
  { what }: Placement,
  { isSmoke, say, client, port }: Pick<BenchOptions, 'isSmoke' | 'say'> & { readonly client: string; readonly port: number },
): Promise<readonly Measure[]> {
  const runners: readonly (readonly [string, Runner])[] = [
    [peer, (ms) => libmodbusRate(client, port, ms)],
    ['sequential', (ms) => ourRate(port, 1, ms)],
    ['pipelined', (ms) => ourRate(port, outstanding, ms)],
  ]
  for (const [, run] of runners) await run(isSmoke ? 100 : 500) // caches, and code compiled
  const turns = await calmRounds({
    rounds,
    isSmoke,
    say,
    what: `${registers} registers a request${what}`,
    round: async (place) => {
      const turn = new Map<string, Rate>()
      for (const [name, run] of place % 2 === 0 ? runners : runners.toReversed()) turn.set(name, await run(isSmoke ? 300 : 2_500))
      return turn
    },
  })
  const results = new Map(runners.map(([name]) => [name, turns.flatMap((turn) => turn.get(name) ?? [])]))
  return measuresOf(results, what)
}

function measuresOf(results: ReadonlyMap<string, readonly Rate[]>, what: string): readonly Measure[] {
  const middle = (name: string, field: keyof Rate): number | undefined => median((results.get(name) ?? []).map((rate) => rate[field]))
  const base = middle(peer, 'perSecond')
  const rate = (name: string, text: string): Measure => ({
    name: `Modbus TCP, ${registers} registers, ${text}${what}: requests`,
    value: middle(name, 'perSecond'),
    unit: '1/s',
    peer,
    peerValue: base,
  })
  const share = (name: string, text: string, atLeast: number): Measure => {
    const value = middle(name, 'perSecond')
    const name_ = `Modbus TCP, ${registers} registers, ${text}${what}: share of ${peer}'s requests`
    return { name: name_, value: value === undefined || !base ? undefined : value / base, unit: '×', limit: { atLeast } }
  }
  const cpu = (name: string, text: string, atMost?: number): Measure => ({
    name: `Modbus TCP, ${registers} registers, ${text}${what}: CPU a request`,
    value: middle(name, 'cpuUs'),
    unit: 'µs',
    ...(atMost === undefined ? {} : { limit: { atMost } }),
    peer,
    peerValue: middle(peer, 'cpuUs'),
  })
  const four = `${outstanding} outstanding`
  return [
    rate('sequential', 'one by one'),
    share('sequential', 'one by one', limits.sequentialShare),
    cpu('sequential', 'one by one'),
    rate('pipelined', four),
    share('pipelined', four, limits.pipelinedShare),
    cpu('pipelined', four, limits.cpuUs),
  ]
}

async function libmodbusRate(client: string, port: number, windowMs: number): Promise<Rate> {
  await using program = startProgram({ program: client, args: [String(port), String(windowMs)] })
  await program.ended
  const [requests = Number.NaN, cpuUs = Number.NaN] = program.said.trim().split(' ').map(Number)
  if (program.exitCode !== 0 || Number.isNaN(cpuUs)) throw new Error(`the libmodbus client failed: ${program.said}`)
  return { perSecond: requests / (windowMs / 1_000), cpuUs: cpuUs / requests }
}

/** CPU is this whole process's: nothing else is done in it meanwhile. */
async function ourRate(port: number, inflightMax: number, windowMs: number): Promise<Rate> {
  const signal = AbortSignal.timeout(5_000)
  await using line = await connectTcp({ host: '127.0.0.1', port, timeoutMs: 1_000, inflightMax, pauseMs: 0, clock: systemClock, signal })
  const ask = askRead({ unit: 1, area: 'hr', start: 0, count: registers })
  let requests = 0
  const begunMs = monotonicMs()
  const begunCpu = process.cpuUsage()
  const lane = async (): Promise<void> => {
    while (performance.now() < endMs) {
      await line.ask(ask, { urgency: 'poll' })
      requests += 1
    }
  }
  const endMs = performance.now() + windowMs
  await Promise.all(Array.from({ length: inflightMax }, lane))
  const { user, system } = process.cpuUsage(begunCpu)
  return { perSecond: (requests / (monotonicMs() - begunMs)) * 1_000, cpuUs: (user + system) / requests }
}
