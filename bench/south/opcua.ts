import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { cpuSeconds, type Program, residentMb, startProgram } from '../line/process.ts'
import { until } from '../line/until.ts'
import type { BenchOptions } from '../main.ts'
import type { Measure } from '../report.ts'
import { countBetween, startGateway, watchGateway } from './gateway.ts'

const periodMs = 100
const timeoutMs = 60_000
const limits = { share: 0.98, percent: 35, residentMb: 360 }

/** 10,000 OPC UA items that change ten times a second: what arrives of it, and its cost. */
export async function benchOpcuaItems({ isSmoke, say }: BenchOptions): Promise<readonly Measure[]> {
  const items = isSmoke ? 500 : 10_000
  say(`${items} OPC UA items at ${1_000 / periodMs} Hz`)
  await using server = startProgram({
    args: [join(import.meta.dirname, 'opcua-server.ts'), String(items), String(periodMs)],
    hasInput: true,
  })
  const port = await told(server, /^ready (\d+)/)
  await using gateway = await startGateway({ plc: device(port, items) })
  await sleep(isSmoke ? 1_000 : 5_000) // the first value of every item is no change
  let produced = Number.NaN
  let cost = { seconds: 0, cpu: 0, serverCpu: 0, memoryMb: 0 }
  const window = await watchGateway(gateway, async () => {
    const begun = { cpu: cpuSeconds(gateway.program.pid), serverCpu: cpuSeconds(server.pid) }
    server.tell('start')
    await sleep(isSmoke ? 2_000 : 20_000)
    cost = {
      seconds: isSmoke ? 2 : 20,
      cpu: cpuSeconds(gateway.program.pid) - begun.cpu,
      serverCpu: cpuSeconds(server.pid) - begun.serverCpu,
      memoryMb: residentMb(gateway.program.pid),
    }
    const made = told(server, /^made (\d+)/)
    server.tell('stop')
    produced = await made
    await sleep(1_000) // what is on its way arrives
  })
  const share = (metric: string): number => countBetween(window, metric) / produced
  const name = (what: string): string => `${items} OPC UA items at ${1_000 / periodMs} Hz: ${what}`
  return [
    { name: name('changes made'), value: produced / cost.seconds, unit: '1/s' },
    { name: name('share in the tag table'), value: share('lineside_tag_changes_total'), unit: 'share', limit: { atLeast: limits.share } },
    {
      name: name("share at the broker's door"),
      value: share('lineside_north_values_total'),
      unit: 'share',
      limit: { atLeast: limits.share },
    },
    { name: name('daemon'), value: (cost.cpu / cost.seconds) * 100, unit: '% of a core', limit: { atMost: limits.percent } },
    { name: name('daemon memory'), value: cost.memoryMb, unit: 'MB', limit: { atMost: limits.residentMb } },
    { name: name('the server'), value: (cost.serverCpu / cost.seconds) * 100, unit: '% of a core' },
  ]
}

function device(port: number, items: number): object {
  const tags = Array.from({ length: items }, (_, place) => [`v${place}`, { node: `nsu=urn:bench:plant;s=V${place}` }])
  return {
    driver: 'opcua',
    connection: { url: `opc.tcp://127.0.0.1:${port}/bench`, security: 'None' },
    // The server reports each change as it is made, rather than looking at 10,000 nodes: what is measured is the daemon, not the server's timers.
    opcua: { publishing: '100ms', sampling: '0ms', queue: 2 },
    tags: Object.fromEntries(tags),
  }
}

async function told(program: Program, pattern: RegExp): Promise<number> {
  let value: number | undefined
  program.onLine((line) => {
    const [, text] = pattern.exec(line) ?? []
    if (text !== undefined) value = Number(text)
  })
  await until(() => value !== undefined, { what: `the OPC UA server to say ${pattern}`, timeoutMs, program })
  return value ?? Number.NaN
}
