import { setTimeout as sleep } from 'node:timers/promises'
import type { BenchOptions } from '../main.ts'
import { type Measure, median } from '../report.ts'
import { startRuns } from './command-line.ts'
import { freePort } from './free-port.ts'
import { runSite, writeSite } from './lineside.ts'
import { type Listener, listenTo } from './listener.ts'
import { monotonicMs } from './load-value.ts'
import { opcuaAnswers } from './opcua-probe.ts'
import { type PlantPorts, plantPorts, startPlant, writePlantDevices } from './plant.ts'
import { type Program, residentMb } from './process.ts'
import { temporaryFolder } from './round.ts'
import { until } from './until.ts'
import { watchDevice } from './watch.ts'

const timeoutMs = 60_000
const settleMs = 10_000
const limits = { startMs: 3_000, residentMb: 340, backMs: 1_500 }

/** The example site with OPC UA on both sides: start, memory, and the PLC's return after a short and a long absence. */
export async function benchOpcua({ isSmoke, say }: BenchOptions): Promise<readonly Measure[]> {
  say('The example site, OPC UA client and server')
  await using plants = new Plants(await plantPorts())
  await plants.start()
  const startsMs: number[] = []
  while (startsMs.length < (isSmoke ? 0 : startRuns - 1)) {
    await using earlier = await startExample(plants.ports)
    startsMs.push(earlier.startMs)
  }
  await using example = await startExample(plants.ports)
  const { program, listener, device } = example
  startsMs.push(example.startMs)
  await sleep(isSmoke ? 2_000 : settleMs)
  const memoryMb = residentMb(program.pid)
  const measures: Measure[] = [
    { name: 'with OPC UA: start to first OPC UA value', value: median(startsMs), unit: 'ms', limit: { atMost: limits.startMs } },
    { name: 'with OPC UA client and server: resident memory', value: memoryMb, unit: 'MB', limit: { atMost: limits.residentMb } },
  ]
  for (const awaySeconds of isSmoke ? [2] : [5, 75]) {
    say(`OPC UA server away for ${awaySeconds} s`)
    const value = await recover({ plants, listener, device, awaySeconds, program })
    measures.push({
      name: `OPC UA server away for ${awaySeconds} s: values back after its return`,
      value,
      unit: 'ms',
      limit: { atMost: limits.backMs },
    })
  }
  return measures
}

interface Example extends AsyncDisposable {
  readonly program: Program
  readonly listener: Listener
  readonly device: string
  /** To the first OPC UA value. */
  readonly startMs: number
}

async function startExample(ports: PlantPorts): Promise<Example> {
  await using parts = new AsyncDisposableStack()
  const folder = parts.use(temporaryFolder())
  const mqttPort = await freePort()
  writeSite(folder.path, { mqttPort, opcuaPort: await freePort() })
  const device = writePlantDevices(folder.path, ports)
  const { program, filter } = parts.use(runSite(folder.path, mqttPort))
  const listener = parts.use(await listenTo(mqttPort, filter, AbortSignal.timeout(timeoutMs)))
  const watch = watchDevice(listener, `bench/line/${device}/`)
  await until(() => watch.goodSince(0) > 0, { what: 'the first OPC UA value', timeoutMs, program })
  const started = parts.move()
  return { program, listener, device, startMs: watch.lastMs - program.startedMs, [Symbol.asyncDispose]: () => started.disposeAsync() }
}

interface Recover {
  readonly plants: Plants
  readonly listener: Listener
  readonly device: string
  readonly awaySeconds: number
  readonly program: Program
}

/** ms from the server answering again to a good value of every tag that was good before. */
async function recover({ plants, listener, device, awaySeconds, program }: Recover): Promise<number> {
  const watch = watchDevice(listener, `bench/line/${device}/`)
  const killedMs = monotonicMs()
  await plants.kill()
  await until(() => watch.notGoodSince(killedMs) > 0, { what: 'stale OPC UA tags', timeoutMs, program })
  await sleep(awaySeconds * 1_000)
  const stale = watch.notGoodSince(killedMs)
  const isBack = plants.start()
  await opcuaAnswers(plants.ports.opcuaPort, AbortSignal.timeout(timeoutMs))
  const openMs = monotonicMs()
  await isBack
  await until(() => watch.goodSince(killedMs) >= stale, { what: `${stale} OPC UA values`, timeoutMs, program })
  return monotonicMs() - openMs
}

/** One plant after another on the same ports. */
class Plants implements AsyncDisposable {
  readonly ports: PlantPorts
  #program: Program | undefined

  constructor(ports: PlantPorts) {
    this.ports = ports
  }

  async start(): Promise<void> {
    this.#program = await startPlant(this.ports)
  }

  async kill(): Promise<void> {
    this.#program?.kill('SIGKILL')
    await this.#program?.ended
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program?.[Symbol.asyncDispose]()
  }
}
