import { join } from 'node:path'
import { calmRounds } from '../calm.ts'
import type { BenchOptions } from '../main.ts'
import { type Measure, median } from '../report.ts'
import { repository } from './lineside.ts'
import { listenTo } from './listener.ts'
import { monotonicMs } from './load-value.ts'
import { startProgram } from './process.ts'
import { readValue, temporaryFolder } from './round.ts'
import { until } from './until.ts'

const main = join(repository, 'bin/lineside.js')
const checkRuns = 5
export const startRuns = 3
const timeoutMs = 60_000
const limits = { checkMs: 500, demoMs: 3_000 }

export async function benchCheck({ isSmoke, say }: BenchOptions): Promise<readonly Measure[]> {
  const took = await calmRounds({ rounds: checkRuns, isSmoke, say, what: 'lineside check', round: checkMs })
  return [{ name: 'lineside check on the example site', value: median(took), unit: 'ms', limit: { atMost: limits.checkMs } }]
}

async function checkMs(): Promise<number> {
  await using program = startProgram({ args: [main, 'check', repository] })
  await program.ended
  if (program.exitCode !== 0) throw new Error(`lineside check failed:\n${program.said}`)
  return monotonicMs() - program.startedMs
}

/** From the command to the first good value at an MQTT subscriber: plant and daemon together. */
export async function benchDemo({ isSmoke, say }: BenchOptions): Promise<readonly Measure[]> {
  const took = await calmRounds({ rounds: startRuns, isSmoke, say, what: 'lineside demo', round: demoStart })
  return [{ name: 'lineside demo: start to first value', value: median(took), unit: 'ms', limit: { atMost: limits.demoMs } }]
}

async function demoStart(): Promise<number> {
  using folder = temporaryFolder()
  await using program = startProgram({ args: [main, 'demo', '--state', folder.path] })
  let port = 0
  program.onLine((line) => {
    port ||= Number(/mqtt:\/\/[^\s/]*?:(\d+)/.exec(line)?.[1] ?? 0)
  })
  await until(() => port !== 0, { what: 'the MQTT address of the demo', timeoutMs, program })
  await using listener = await listenTo(port, '#', AbortSignal.timeout(timeoutMs))
  let firstMs = 0
  listener.onMessage((message) => {
    if (message.topic.startsWith('lineside/') || firstMs !== 0) return
    if (readValue(message).quality === 'good') firstMs = message.atMs
  })
  await until(() => firstMs !== 0, { what: 'the first value of the demo', timeoutMs, program })
  return firstMs - program.startedMs
}
