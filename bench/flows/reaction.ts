import { setTimeout as sleep } from 'node:timers/promises'
import type { Measure } from '../report.ts'
import { quantile } from '../report.ts'
import { startGateway } from '../south/gateway.ts'
import { type Arrival, startPlc } from './plc.ts'
import { type Rounds, roundsOf } from './rounds.ts'

const devices = 10
/** Each gives 10 pulses a second: 100 starts/s. */
const periodMs = 100
const pollMs = 20
const limits = { startMs: 10, stepMs: 5, startsPerSecond: 99 }

/**
 * A pulse begins a run, whose steps write its number to two registers of its PLC. From when the poll that saw the pulse was answered to when the first
 * write arrives, and from there (the answer of the PLC and the read-back among it) to when the second one does.
 */
export async function benchReaction({ isSmoke, say }: Rounds): Promise<readonly Measure[]> {
  await using plc = await startPlc({ devices, periodMs })
  const places = plc.ports.map((port, place) => ({ name: `d${place}`, port }))
  await using gateway = await startGateway(Object.fromEntries(places.map(({ name, port }) => [name, pulseDevice({ port, pollMs })])), {
    flows: Object.fromEntries(places.map(({ name }) => [`react-${name}`, twoWrites(name)])),
  })
  await sleep(isSmoke ? 1_000 : 3_000)
  const seconds = isSmoke ? 2 : 10
  return await roundsOf({ isSmoke, say, what: '100 starts/s', showsStart: true }, async () => {
    const arrivals = await plc.watch(() => sleep(seconds * 1_000))
    if (gateway.program.hasEnded) throw new Error(gateway.program.said)
    return measures(arrivals, seconds)
  })
}

export function pulseDevice({ port, pollMs: every }: { readonly port: number; readonly pollMs: number }): object {
  const written = { type: 'u16', scan: 'slow', write: { min: 0, max: 65_535, confirm: '1s', rate: 100 } }
  return {
    driver: 'modbus-tcp',
    connection: { host: '127.0.0.1', port },
    scan: { fast: `${every}ms`, slow: '1s' },
    tags: { pulse: { at: 'hr:0', type: 'u16', scan: 'fast' }, first: { at: 'hr:100', ...written }, second: { at: 'hr:101', ...written } },
  }
}

export function twoWrites(device: string): object {
  const number = '${trigger.value}'
  return {
    on: [{ tag: `${device}/pulse`, when: 'value > 0' }],
    concurrency: { limit: 10 },
    steps: [
      { id: 'first', write: { [`${device}/first`]: number }, undo: [] },
      { id: 'second', write: { [`${device}/second`]: number }, undo: [] },
    ],
  }
}

function measures(arrivals: readonly Arrival[], seconds: number): readonly Measure[] {
  const first = arrivals.filter(({ register }) => register === 100)
  const second = new Map(arrivals.filter(({ register }) => register === 101).map((each) => [`${each.device} ${each.value}`, each.atMs]))
  const startMs = first.flatMap(({ atMs, toldMs }) => (toldMs === undefined ? [] : [atMs - toldMs]))
  const stepMs = first.flatMap(({ device, value, atMs }) => {
    const next = second.get(`${device} ${value}`)
    return next === undefined ? [] : [next - atMs]
  })
  return [
    { name: 'runs started', value: first.length / seconds, unit: '1/s', limit: { atLeast: limits.startsPerSecond } },
    { name: 'trigger to first write at the PLC p50', value: quantile(startMs, 0.5), unit: 'ms' },
    { name: 'trigger to first write at the PLC p99', value: quantile(startMs, 0.99), unit: 'ms', limit: { atMost: limits.startMs } },
    { name: 'first to second write at the PLC, read-back between them p50', value: quantile(stepMs, 0.5), unit: 'ms' },
    {
      name: 'first to second write at the PLC, read-back between them p99',
      value: quantile(stepMs, 0.99),
      unit: 'ms',
      limit: { atMost: limits.stepMs },
    },
  ]
}
