import { temporaryFolder } from '../line/round.ts'
import type { BenchOptions } from '../main.ts'
import type { Measure } from '../report.ts'
import { benchClientRate } from './client-rate.ts'
import { benchDeadUnit } from './dead-unit.ts'
import { benchOpcuaItems } from './opcua.ts'
import { benchPolling } from './polling.ts'

/** Every number that issue 3 asks for: the Modbus client beside libmodbus, polling, writes, dead and hung peers, and OPC UA subscriptions. */
export async function benchSouth(options: BenchOptions): Promise<readonly Measure[]> {
  using folder = temporaryFolder()
  const all = { ...options, folder: folder.path }
  return [...(await benchClientRate(all)), ...(await benchPolling(all)), ...(await benchDeadUnit(all)), ...(await benchOpcuaItems(all))]
}
