import { temporaryFolder } from '../line/round.ts'
import type { BenchOptions } from '../main.ts'
import type { Measure } from '../report.ts'
import { benchClientRate } from './client-rate.ts'
import { benchDeadUnit } from './dead-unit.ts'
import { benchOpcuaItems } from './opcua.ts'
import { benchPolling } from './polling.ts'

type PartOptions = Omit<BenchOptions, 'only'> & { readonly folder: string }

const parts: Readonly<Record<string, (options: PartOptions) => Promise<readonly Measure[]>>> = {
  client: benchClientRate,
  polling: benchPolling,
  dead: benchDeadUnit,
  opcua: benchOpcuaItems,
}

/** Every number that issue 3 asks for: the Modbus client beside libmodbus, polling, writes, dead and hung peers, and OPC UA subscriptions. */
export async function benchSouth({ only, ...options }: BenchOptions): Promise<readonly Measure[]> {
  const wanted = Object.entries(parts).filter(([name]) => only === undefined || only.includes(name))
  if (wanted.length === 0) throw new Error(`the parts of this bench are ${Object.keys(parts).join(', ')}`)
  using folder = temporaryFolder()
  const measures: Measure[] = []
  for (const [, part] of wanted) measures.push(...(await part({ ...options, folder: folder.path })))
  return measures
}
