import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../line/free-port.ts'
import { runSite, writeDevice, writeSite } from '../line/lineside.ts'
import { monotonicMs } from '../line/load-value.ts'
import { cpuSeconds, type Program } from '../line/process.ts'
import { temporaryFolder } from '../line/round.ts'
import { until } from '../line/until.ts'
import { type Scrape, scrape } from './metrics.ts'
import { threadCpuSeconds } from './thread-cpu.ts'

/** A daemon on a site of its own. */
export interface Gateway extends AsyncDisposable {
  readonly program: Program
  readonly mqttPort: number
  readonly apiPort: number
  readonly folder: string
  scrape(): Promise<Scrape>
}

export const sitePath = 'bench/south'
const startTimeoutMs = 60_000

/** What its site says beside devices, ports and storage. */
export interface SiteExtra {
  readonly mqtt?: object
  readonly upstreams?: object
  readonly routes?: readonly object[]
}

export interface GatewayOptions extends SiteExtra {
  /** By name. */
  readonly flows?: Readonly<Record<string, object>>
  /** Where it lives; default: a folder that goes with it. */
  readonly folder?: string
  readonly nodeArguments?: readonly string[]
}

/** Starts the daemon on these devices; ready when each of them has answered. */
export async function startGateway(devices: Readonly<Record<string, object>>, options: GatewayOptions = {}): Promise<Gateway> {
  const { mqtt, flows = {}, folder: ownFolder, nodeArguments, ...extra } = options
  const folder = ownFolder === undefined ? temporaryFolder() : { path: ownFolder, [Symbol.dispose]: () => {} }
  const [mqttPort, apiPort] = [await freePort(), await freePort()]
  writeSite(folder.path, { mqttPort })
  const site = {
    site: sitePath,
    node: 'bench',
    mqtt: { port: mqttPort, anonymous: { role: 'operator' }, ...mqtt },
    api: { port: apiPort },
    storage: { path: './state' },
    ...extra,
  }
  writeFileSync(join(folder.path, 'lineside.yaml'), JSON.stringify(site))
  for (const [name, device] of Object.entries(devices)) writeDevice(folder.path, name, device)
  mkdirSync(join(folder.path, 'flows'), { recursive: true })
  for (const [name, flow] of Object.entries(flows))
    writeFileSync(join(folder.path, 'flows', `${name}.yaml`), JSON.stringify({ flow: name, ...flow }))
  const running = runSite(folder.path, mqttPort, nodeArguments)
  const { program } = running
  const stop = async (): Promise<void> => {
    await running[Symbol.asyncDispose]()
    folder[Symbol.dispose]()
  }
  try {
    await isOnline(apiPort, Object.keys(devices).length, program)
  } catch (error) {
    await stop()
    throw error
  }
  return { program, mqttPort, apiPort, folder: folder.path, scrape: () => scrape(apiPort), [Symbol.asyncDispose]: stop }
}

async function isOnline(apiPort: number, devices: number, program: Program): Promise<void> {
  const state = { online: -1, isAsking: false }
  const ask = async (): Promise<void> => {
    state.isAsking = true
    const metrics = await scrape(apiPort).catch(() => undefined)
    state.online = metrics?.sum('lineside_device_online') ?? -1
    state.isAsking = false
  }
  await until(
    () => {
      if (!state.isAsking) void ask()
      return state.online === devices
    },
    { what: `${devices} devices to be online`, timeoutMs: startTimeoutMs, program },
  )
}

/** What was used and counted from one moment to another. */
export interface Window {
  readonly seconds: number
  readonly before: Scrape
  readonly after: Scrape
  /** Share of one core. */
  readonly controlShare: number
  readonly daemonShare: number
}

export async function watchGateway(gateway: Gateway, during: () => Promise<unknown>): Promise<Window> {
  const { pid } = gateway.program
  const before = await gateway.scrape()
  const begun = { atMs: monotonicMs(), control: threadCpuSeconds(pid, 'control'), all: cpuSeconds(pid) }
  await during()
  const seconds = (monotonicMs() - begun.atMs) / 1_000
  const used = { control: threadCpuSeconds(pid, 'control') - begun.control, all: cpuSeconds(pid) - begun.all }
  return { seconds, before, after: await gateway.scrape(), controlShare: used.control / seconds, daemonShare: used.all / seconds }
}

export function countBetween({ before, after }: Window, name: string): number {
  return after.sum(name) - before.sum(name)
}
