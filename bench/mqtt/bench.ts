import { temporaryFolder } from '../line/round.ts'
import type { BenchOptions } from '../main.ts'
import type { Measure } from '../report.ts'
import { startGateway } from '../south/gateway.ts'
import { buildNative } from '../south/native.ts'
import { benchFlood } from './flood.ts'
import { openLimits } from './limits.ts'
import { Load } from './load.ts'
import { benchMemory } from './memory.ts'
import { startMosquitto } from './mosquitto.ts'
import { benchOutbox } from './outbox.ts'
import { benchReplay } from './replay.ts'
import { benchSideBySide } from './side-by-side.ts'

interface PartOptions extends BenchOptions {
  readonly load: Load
  readonly folder: string
  /** The Modbus server of bench/south, built. */
  readonly plant: string
}

const parts: Readonly<Record<string, (options: PartOptions) => Promise<readonly Measure[]>>> = {
  brokers: benchBrokers,
  flood: benchFlood,
  memory: benchMemory,
  outbox: benchOutbox,
  replay: benchReplay,
}

/** Every number that issue 4 asks for: the broker beside mosquitto, what clients cost the plant and each other, and the way upstream. */
export async function benchMqtt({ only, ...options }: BenchOptions): Promise<readonly Measure[]> {
  const wanted = Object.entries(parts).filter(([name]) => only === undefined || only.includes(name))
  if (wanted.length === 0) throw new Error(`the parts of this bench are ${Object.keys(parts).join(', ')}`)
  using folder = temporaryFolder()
  const load = new Load(folder.path)
  const all = { ...options, load, folder: folder.path, plant: buildNative('modbus-server', folder.path) }
  const measures: Measure[] = []
  for (const [, part] of wanted) measures.push(...(await part(all)))
  return measures
}

async function benchBrokers(options: PartOptions): Promise<readonly Measure[]> {
  await using mosquitto = await startMosquitto(options)
  await using gateway = await startGateway({}, { mqtt: openLimits })
  return await benchSideBySide(options, { load: options.load, gateway, mosquitto })
}
