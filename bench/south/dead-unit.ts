import { setTimeout as sleep } from 'node:timers/promises'
import { monotonicMs } from '../line/load-value.ts'
import type { BenchOptions } from '../main.ts'
import type { Measure } from '../report.ts'
import { startGateway } from './gateway.ts'
import { startModbusServer } from './modbus-server.ts'
import { buildNative } from './native.ts'

const units = 30
const tagsPerUnit = 16
const deadUnit = 15
/** Asked after the dead one, so it is the one that waits. */
const watchedUnit = 30
const pollMs = 500
const timeoutMs = 200
/** Of the product: how often a unit that is taken for dead is asked whether it is back. */
const probeMs = 5_000
/** One timeout, and what timers and the loop may add to it. */
const timeoutsMax = 1.05
/** What a poll is late by anyway is no cost of the dead unit. */
const jitterMs = timeoutMs / 4

/** 30 units behind one gateway, of which one is dead: how much longer a live unit waits for its turn. */
export async function benchDeadUnit({ isSmoke, say, folder }: BenchOptions & { readonly folder: string }): Promise<readonly Measure[]> {
  say('One dead unit among 30 on a line')
  const asked: number[] = []
  await using server = await startModbusServer({
    binary: buildNative('modbus-server', folder),
    devices: 1,
    changeMs: 1_000,
    deadUnit,
    watchedUnit,
    onAsked: (atMs) => asked.push(atMs),
  })
  await using _gateway = await startGateway({ line: lineDevice(server.ports[0] ?? 0) })
  await sleep(probeMs) // the first silences: until it is taken for dead, it is asked in each poll
  const fromMs = monotonicMs()
  const periods = isSmoke ? 1 : 5
  await sleep(periods * probeMs)
  const excessMs = asked.flatMap((atMs, place) => {
    const before = asked[place - 1]
    return before === undefined || before < fromMs ? [] : [atMs - before - pollMs]
  })
  const grown = excessMs.filter((ms) => ms > jitterMs)
  const name = (what: string): string => `one dead unit of ${units} on a line: ${what}`
  const limit = { atMost: timeoutsMax }
  return [
    { name: name('longest growth of a live cycle'), value: Math.max(0, ...excessMs) / timeoutMs, unit: 'timeouts', limit },
    {
      name: name('growth in a probe period'),
      value: grown.reduce((sum, ms) => sum + ms, 0) / periods / timeoutMs,
      unit: 'timeouts',
      limit,
    },
    {
      name: name('live cycles'),
      value: excessMs.length / (periods * probeMs * 1e-3),
      unit: '1/s',
      limit: { atLeast: 1_000 / pollMs - 0.1 },
    },
  ]
}

function lineDevice(port: number): object {
  const tags = Array.from({ length: units }, (_, place) => place + 1).flatMap((unit) =>
    Array.from({ length: tagsPerUnit }, (_, register) => [
      `u${unit}/t${register}`,
      { at: `${unit}/hr:${register}`, type: 'u16', scan: 'fast' },
    ]),
  )
  return {
    driver: 'modbus-tcp',
    connection: { host: '127.0.0.1', port, timeout: `${timeoutMs}ms` },
    scan: { fast: `${pollMs}ms` },
    tags: Object.fromEntries(tags),
  }
}
