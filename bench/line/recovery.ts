import { setTimeout as sleep } from 'node:timers/promises'
import type { BenchOptions } from '../main.ts'
import { type Measure, median } from '../report.ts'
import type { Engine } from './engine.ts'
import { listenTo } from './listener.ts'
import { startLoad } from './load.ts'
import { monotonicMs } from './load-value.ts'
import { pollMs, temporaryFolder } from './round.ts'
import { until } from './until.ts'
import { watchDevice } from './watch.ts'

interface Recovery {
  /** From the kill to the last tag that says it is stale; none within the wait: undefined. */
  readonly staleMs: number | undefined
  /** From the server's return to a value of every tag. */
  readonly backMs: number
}

const tagsPerDevice = 100
const awayMs = 5_000
const backTimeoutMs = 30_000
const backMsMax = 1_000
const rounds = 3

/** kill -9 of one Modbus server among two, and its return. */
export async function benchRecovery({
  engines,
  isSmoke,
  say,
}: BenchOptions & { readonly engines: readonly Engine[] }): Promise<readonly Measure[]> {
  const results = new Map<string, Recovery[]>()
  for (let round = 0; round < (isSmoke ? 1 : rounds); round += 1) {
    for (const engine of engines) {
      say(`Modbus server killed, round ${round + 1}: ${engine.name}`)
      results.set(engine.name, [...(results.get(engine.name) ?? []), await recover(engine)])
    }
  }
  const [ours, peer] = engines.map(({ name }) => results.get(name) ?? [])
  const [, peerEngine] = engines
  const middle = (all: readonly Recovery[] | undefined, field: keyof Recovery): number | undefined =>
    median((all ?? []).flatMap((one) => one[field] ?? []))
  const compared = (field: keyof Recovery): Pick<Measure, 'value' | 'unit' | 'peer' | 'peerValue'> => ({
    value: middle(ours, field),
    unit: 'ms',
    peer: peerEngine?.name ?? '',
    peerValue: middle(peer, field),
  })
  return [
    { name: 'killed Modbus server: all of its tags stale', limit: { atMost: 2 * pollMs }, ...compared('staleMs') },
    { name: 'killed Modbus server: all values back after its return', limit: { atMost: backMsMax }, ...compared('backMs') },
  ]
}

async function recover(engine: Engine): Promise<Recovery> {
  await using steady = await startLoad({ devices: 1 })
  await using victim = await startLoad({ devices: 1, originMs: steady.originMs })
  using folder = temporaryFolder()
  await using running = await engine.start({ devicePorts: [...steady.ports, ...victim.ports], tagsPerDevice, pollMs, folder: folder.path })
  const { program } = running
  await using listener = await listenTo(running.mqttPort, running.filter, AbortSignal.timeout(backTimeoutMs))
  const watch = watchDevice(listener, 'bench/line/d01/')
  await until(() => watch.goodSince(0) === tagsPerDevice, { what: 'all values', timeoutMs: backTimeoutMs, program })
  await sleep(2_000)
  const killedMs = monotonicMs()
  await victim.kill()
  const staleMs = await staleWithin(() => watch.notGoodSince(killedMs) === tagsPerDevice, killedMs)
  await sleep(Math.max(0, killedMs + awayMs - monotonicMs()))
  await using returned = await startLoad({ devices: 1, ports: victim.ports, originMs: steady.originMs })
  await until(() => watch.goodSince(returned.readyMs - 50) === tagsPerDevice, { what: 'the values', timeoutMs: backTimeoutMs, program })
  return { staleMs, backMs: monotonicMs() - returned.readyMs }
}

async function staleWithin(isStale: () => boolean, killedMs: number): Promise<number | undefined> {
  while (!isStale()) {
    if (monotonicMs() > killedMs + awayMs) return undefined
    await sleep(1)
  }
  return monotonicMs() - killedMs
}
