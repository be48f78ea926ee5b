import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../line/free-port.ts'
import type { BenchOptions } from '../main.ts'
import { type Measure, median } from '../report.ts'
import { countBetween, type Gateway, startGateway, type Window, watchGateway } from '../south/gateway.ts'
import { type ModbusServer, startModbusServer } from '../south/modbus-server.ts'
import { threadCpuSeconds } from '../south/thread-cpu.ts'
import { devicesAt } from './plant.ts'

const devices = 50
const plan = { prefix: 'd', tagsPerDevice: 20, pollMs: 100 }
/** One poll in a hundred may fall out of the window. */
const acceptedMin = 9_900
const coreShareMax = 20
const rounds = 3

export interface OutboxOptions extends BenchOptions {
  /** The Modbus server of bench/south, built. */
  readonly plant: string
}

interface Cost {
  readonly window: Window
  readonly storeShare: number
}

/** What it costs to accept 10,000 values/s for an upstream that is away: the same plant with an upstream and without one, both measured in turn. */
export async function benchOutbox({ isSmoke, say, plant }: OutboxOptions): Promise<readonly Measure[]> {
  await using server = await startModbusServer({ binary: plant, devices, changeMs: plan.pollMs })
  const nobody = await freePort()
  const upstreams = { plant: { url: `mqtt://127.0.0.1:${nobody}`, buffer: { size: '8GiB' } } }
  const seen = { with: [] as Cost[], without: [] as Cost[] }
  for (let round = 0; round < (isSmoke ? 1 : rounds); round += 1) {
    say(`10,000 values/s into the outbox, round ${round + 1}`)
    seen.without.push(await costOf(server, {}, isSmoke))
    seen.with.push(await costOf(server, { upstreams }, isSmoke))
  }
  const percent = (costs: readonly Cost[], share: (cost: Cost) => number): number => (median(costs.map(share)) ?? Number.NaN) * 100
  const more = seen.with.map(({ window }, place) => window.daemonShare - (seen.without[place]?.window.daemonShare ?? Number.NaN))
  const accepted = median(seen.with.map(({ window }) => countBetween(window, 'lineside_outbox_numbered_total') / window.seconds))
  return [
    { name: 'outbox: values accepted on the disk', value: accepted, unit: '1/s', limit: { atLeast: acceptedMin } },
    {
      name: 'outbox: all of the daemon more than without an upstream',
      value: (median(more) ?? Number.NaN) * 100,
      unit: '% of a core',
      limit: { atMost: coreShareMax },
    },
    { name: 'outbox: the store thread', value: percent(seen.with, ({ storeShare }) => storeShare), unit: '% of a core' },
    { name: 'outbox: whole daemon, with polling', value: percent(seen.with, ({ window }) => window.daemonShare), unit: '% of a core' },
  ]
}

async function costOf(server: ModbusServer, extra: { readonly upstreams?: object }, isSmoke: boolean): Promise<Cost> {
  await using gateway = await startGateway(devicesAt(server, plan), extra)
  await sleep(isSmoke ? 500 : 4_000)
  const before = storeSeconds(gateway)
  const window = await watchGateway(gateway, () => sleep(isSmoke ? 1_000 : 6_000))
  return { window, storeShare: (storeSeconds(gateway) - before) / window.seconds }
}

function storeSeconds({ program }: Gateway): number {
  return threadCpuSeconds(program.pid, 'store')
}
