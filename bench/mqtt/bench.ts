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

/** Every number that issue 4 asks for: the broker beside mosquitto, what clients cost the plant and each other, and the way upstream. */
export async function benchMqtt(options: BenchOptions): Promise<readonly Measure[]> {
  using folder = temporaryFolder()
  const load = new Load(folder.path)
  const all = { ...options, load, folder: folder.path, plant: buildNative('modbus-server', folder.path) }
  return [
    ...(await benchBrokers(all)),
    ...(await benchFlood(all)),
    ...(await benchMemory(all)),
    ...(await benchOutbox(all)),
    ...(await benchReplay(all)),
  ]
}

async function benchBrokers(options: BenchOptions & { readonly load: Load; readonly folder: string }): Promise<readonly Measure[]> {
  await using mosquitto = await startMosquitto(options)
  await using gateway = await startGateway({}, { mqtt: openLimits })
  return await benchSideBySide(options, { load: options.load, gateway, mosquitto })
}
