import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { calmRounds } from '../calm.ts'
import { cpuSeconds, type Program, residentMb, startProgram } from '../line/process.ts'
import { until } from '../line/until.ts'
import type { BenchOptions } from '../main.ts'
import type { Measure } from '../report.ts'
import { countBetween, type Gateway, startGateway, watchGateway } from './gateway.ts'

const periodMs = 100
const timeoutMs = 60_000
const limits = { share: 0.98, percent: 35, residentMb: 360 }

/** What the server says of one window. */
interface Served {
  readonly seconds: number
  readonly made: number
  readonly sent: number
  readonly serverCpu: number
}

/**
 * 10,000 OPC UA items that change ten times a second: what arrives of it, and its cost; beside it, in the same run and of a server of its own, what the bare
 * library gets that does nothing but count. Whatever is missing between made and sent, the queues of the server have dropped: because it was too busy, or
 * because nobody asked it for reports in time.
 */
export async function benchOpcuaItems(options: BenchOptions): Promise<readonly Measure[]> {
  const items = options.isSmoke ? 500 : 10_000
  const all = { ...options, items }
  const bare = await benchBare(all)
  const name = (what: string): string => `${items} OPC UA items at ${1_000 / periodMs} Hz: ${what}`
  return await benchDaemon(all, { bare, name })
}

type ItemsOptions = BenchOptions & { readonly items: number }

/** Has the server change its values for a while. */
async function window(server: Program, { isSmoke }: BenchOptions, ended: () => void): Promise<Served> {
  const seconds = isSmoke ? 2 : 20
  const begun = cpuSeconds(server.pid)
  server.tell('start')
  await sleep(seconds * 1_000)
  ended()
  const serverCpu = cpuSeconds(server.pid) - begun
  const said = told(server, /^made (\d+) sent (\d+)/)
  server.tell('stop')
  const [made = Number.NaN, sent = Number.NaN] = await said
  await sleep(1_000) // what is on its way arrives
  return { seconds, made, sent, serverCpu }
}

async function startServer({ items }: ItemsOptions): Promise<{ readonly server: Program; readonly port: number }> {
  const server = startProgram({
    args: [join(import.meta.dirname, 'opcua-server.ts'), String(items), String(periodMs)],
    hasInput: true,
  })
  const [port = 0] = await told(server, /^ready (\d+)/)
  return { server, port }
}

async function settle({ isSmoke }: BenchOptions): Promise<void> {
  await sleep(isSmoke ? 1_000 : 5_000) // the first value of every item is no change
}

interface Bare {
  readonly share: number
  readonly percent: number
}

async function benchBare(options: ItemsOptions): Promise<Bare> {
  const { items, say } = options
  say(`${items} OPC UA items at ${1_000 / periodMs} Hz: the bare library`)
  const { server, port } = await startServer(options)
  await using _server = server
  await using client = startProgram({ args: [join(import.meta.dirname, 'opcua-client.ts'), String(port), String(items)], hasInput: true })
  await told(client, /^ready (\d)/)
  await settle(options)
  const count = async (): Promise<number> => {
    const said = told(client, /^got (\d+)/)
    client.tell('count')
    return (await said)[0] ?? Number.NaN
  }
  return await calmest('the bare library', options, async () => {
    await count()
    const begun = cpuSeconds(client.pid)
    let cpu = Number.NaN
    const { made, seconds } = await window(server, options, () => {
      cpu = cpuSeconds(client.pid) - begun
    })
    return { share: (await count()) / made, percent: (cpu / seconds) * 100 }
  })
}

/** One round, made again where the host took its processors away. */
async function calmest<Result>(what: string, { isSmoke, say }: BenchOptions, round: () => Promise<Result>): Promise<Result> {
  const [result] = await calmRounds({ rounds: 1, isSmoke, say, what, round })
  if (result === undefined) throw new Error('no round was made')
  return result
}

interface Beside {
  readonly bare: Bare
  readonly name: (what: string) => string
}

async function benchDaemon(options: ItemsOptions, { bare, name }: Beside): Promise<readonly Measure[]> {
  const { items, say } = options
  say(name('the daemon'))
  const { server, port } = await startServer(options)
  await using _server = server
  await using gateway = await startGateway({ plc: device(port, items) })
  await settle(options)
  const { served, used, watched } = await calmest('the daemon', options, () => watchWindow(server, gateway, options))
  const { seconds, made, sent, serverCpu } = served
  const percent = (cpu: number): number => (cpu / seconds) * 100
  const share = (metric: string): Pick<Measure, 'value' | 'unit' | 'limit'> => ({
    value: countBetween(watched, metric) / made,
    unit: 'share',
    limit: { atLeast: limits.share },
  })
  const peer = 'the bare library'
  const limit = { atMost: limits.percent }
  return [
    { name: name('changes made'), value: made / seconds, unit: '1/s' },
    { name: name('share that the server sent'), value: sent / made, unit: 'share' },
    { name: name('share in the tag table'), ...share('lineside_tag_changes_total'), peer, peerValue: bare.share },
    { name: name("share at the broker's door"), ...share('lineside_north_values_total') },
    { name: name('daemon'), value: percent(used.cpu), unit: '% of a core', limit, peer, peerValue: bare.percent },
    { name: name('daemon memory'), value: used.memoryMb, unit: 'MB', limit: { atMost: limits.residentMb } },
    { name: name('the server'), value: percent(serverCpu), unit: '% of a core' },
  ]
}

async function watchWindow(server: Program, gateway: Gateway, options: BenchOptions) {
  const { pid } = gateway.program
  const begun = cpuSeconds(pid)
  let used = { cpu: Number.NaN, memoryMb: Number.NaN }
  let served: Served = { seconds: 0, made: 0, sent: 0, serverCpu: 0 }
  const watched = await watchGateway(gateway, async () => {
    served = await window(server, options, () => {
      used = { cpu: cpuSeconds(pid) - begun, memoryMb: residentMb(pid) }
    })
  })
  return { served, used, watched }
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

async function told(program: Program, pattern: RegExp): Promise<readonly number[]> {
  let numbers: readonly number[] | undefined
  program.onLine((line) => {
    const found = pattern.exec(line)
    if (found !== null) numbers = found.slice(1).map(Number)
  })
  await until(() => numbers !== undefined, { what: `${pattern} to be said`, timeoutMs, program })
  return numbers ?? []
}
