import { setTimeout as sleep } from 'node:timers/promises'
import { residentMb } from '../line/process.ts'
import type { BenchOptions } from '../main.ts'
import type { Measure } from '../report.ts'
import { startGateway } from '../south/gateway.ts'
import { openLimits } from './limits.ts'
import type { Load } from './load.ts'

const clients = 1_000
const moreMbMax = 120

/** Each of them has subscribed to something and does nothing. */
export async function benchMemory({ isSmoke, say, load }: BenchOptions & { readonly load: Load }): Promise<readonly Measure[]> {
  say(`${clients} connected clients`)
  await using gateway = await startGateway({}, { mqtt: openLimits })
  const { pid } = gateway.program
  await sleep(isSmoke ? 100 : 5_000)
  const before = residentMb(pid)
  await using _clients = await load.stayConnected(gateway.mqttPort, isSmoke ? 10 : clients)
  await sleep(isSmoke ? 100 : 3_000)
  return [
    { name: 'the daemon without clients: resident memory', value: before, unit: 'MB' },
    { name: `${clients} connected clients: more of it`, value: residentMb(pid) - before, unit: 'MB', limit: { atMost: moreMbMax } },
  ]
}
