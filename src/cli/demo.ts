import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { systemClock } from '../base/clock.ts'
import { Fault } from '../base/fault.ts'
import { openLog } from '../base/log.ts'
import { startLoop } from '../base/running.ts'
import { loadSiteApart } from '../site/load-apart.ts'
import type { Site } from '../site/site.ts'
import { problemText } from './problem-text.ts'
import { runSite } from './run.ts'
import { stopSignal } from './stop-signal.ts'

export interface DemoOptions {
  /** Keeps the state here; otherwise it is in a temporary folder and gone at the end. */
  readonly state?: string
}

const exampleSite = fileURLToPath(new URL('../../', import.meta.url))
const plantProgram = fileURLToPath(new URL('../../simulators/main.ts', import.meta.url))
const plantReadyMs = 20_000

/** `lineside demo`: the simulated plant and the daemon on the example site, until Ctrl-C; the exit code. */
export async function demo(options: DemoOptions): Promise<number> {
  const temporary = options.state === undefined ? mkdtempSync(join(tmpdir(), 'lineside-demo-')) : undefined
  const stop = stopSignal()
  stop.addEventListener('abort', () => removeAfterUs(temporary), { once: true })
  const started = systemClock.elapsed()
  await using parts = new AsyncDisposableStack()
  if (temporary !== undefined) parts.defer(() => rm(temporary, { recursive: true, force: true }))
  const state = options.state ?? temporary ?? ''
  const log = openLog('warn').with({ room: 'runtime' })
  const loading = demoSite(parts, state)
  const shown = loading.then((site) => {
    if (site === undefined || stop.aborted) return
    process.stdout.write(welcome(site, state))
    parts.use(startLoop((signal) => showLiveLine(site, started, signal)))
  })
  const isShown = shown.catch(() => {}) // runSite says why there is no site
  const code = await runSite(loading, { logLevel: 'warn', log, stop })
  await isShown
  return code
}

/** The example site on the plant's ports and on free ports of this machine; the plant starts while the site is read. */
async function demoSite(parts: AsyncDisposableStack, state: string): Promise<Site | undefined> {
  const loading = loadSiteApart(exampleSite)
  loading.catch(() => {}) // met below, once the plant has somebody who ends it
  const plant = parts.use(await startPlant())
  const { site, problems } = await loading
  for (const problem of problems.filter(({ severity }) => severity === 'error')) process.stderr.write(`${problemText(problem)}\n`)
  if (site === undefined) return undefined
  return await onFreePorts({ ...withPlant(site, plant.devices), storage: { ...site.storage, path: state } })
}

const removal = 'while kill -0 "$1" 2>/dev/null; do sleep 0.05; done; rm -rf -- "$2"'

/**
 * Ready from the first Ctrl-C on: where a thread hangs, or somebody presses again, we end at once. The plant ends with us by itself, the folder would stay.
 * It goes when we are gone: parts that still start would miss their files, and say so.
 */
function removeAfterUs(folder: string | undefined): void {
  if (folder === undefined) return
  spawn('/bin/sh', ['-c', removal, 'sh', String(process.pid), folder], { detached: true, stdio: 'ignore' }).unref()
}

interface Plant extends AsyncDisposable {
  readonly devices: Readonly<Record<string, { readonly port: number }>>
}

/** The plant is a process of its own: it shares no code and no fate with the daemon, and ends when its standard input does. */
async function startPlant(): Promise<Plant> {
  const child = spawn(process.execPath, [plantProgram, '--ports', 'auto'], { stdio: ['pipe', 'pipe', 'inherit'], detached: true })
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  try {
    return { devices: await readyLine(child), [Symbol.asyncDispose]: () => endPlant(child, exited) }
  } catch (error) {
    await endPlant(child, exited)
    throw error
  }
}

async function readyLine(child: ChildProcess): Promise<Plant['devices']> {
  const answer = Promise.withResolvers<Plant['devices']>()
  using _timer = systemClock.after(plantReadyMs, () => answer.reject(plantFault('was not ready in time')))
  child.once('exit', (code) => answer.reject(plantFault(`ended with ${code}`)))
  const lines = createInterface({ input: child.stdout ?? process.stdin })
  lines.on('line', (line) => {
    const said: unknown = JSON.parse(line)
    if (typeof said === 'object' && said !== null && 'ready' in said && 'devices' in said) answer.resolve(said.devices as Plant['devices'])
  })
  return await answer.promise
}

async function endPlant(child: ChildProcess, exited: Promise<void>): Promise<void> {
  child.stdin?.end()
  using _timer = systemClock.after(1_500, () => child.kill('SIGKILL'))
  await exited
}

function plantFault(what: string): Fault {
  return new Fault('demo.plant', `The simulated plant ${what}.`, { remedy: 'Run `node simulators/main.ts` by itself to see what it says.' })
}

/** The site's devices as they are, but at the ports that the plant has. */
function withPlant(site: Site, ports: Plant['devices']): Site {
  const devices = site.devices.map((device) => {
    const port = ports[device.device]?.port
    return port === undefined ? device : { ...device, config: atPort(device.config, port) }
  })
  return { ...site, devices }
}

/** Modbus devices hang on a line with a port, OPC UA devices have a URL. */
function atPort(config: unknown, port: number): unknown {
  const { line, connection } = Object(config) as { readonly line?: unknown; readonly connection?: { readonly url?: unknown } }
  if (typeof line === 'object' && line !== null && 'port' in line) return { ...Object(config), line: { ...line, port } }
  if (typeof connection?.url === 'string')
    return { ...Object(config), connection: { ...connection, url: connection.url.replace(/:\d+/, `:${port}`) } }
  throw new Error('a device of the example site has no port that could be changed')
}

/** The usual ports where they are free, others where they are not: a demo must not fail because a broker runs on this machine already. */
async function onFreePorts(site: Site): Promise<Site> {
  return {
    ...site,
    mqtt: { ...site.mqtt, port: await freePort(site.mqtt.port) },
    api: { ...site.api, port: await freePort(site.api.port) },
    ...(site.opcua === undefined ? {} : { opcua: { ...site.opcua, port: await freePort(site.opcua.port) } }),
  }
}

async function freePort(wanted: number): Promise<number> {
  const server = createServer()
  const listening = Promise.withResolvers<number>()
  const report = (): void => {
    const address = server.address()
    listening.resolve(typeof address === 'object' && address !== null ? address.port : wanted)
  }
  server.once('error', () => server.listen(0, '127.0.0.1', report))
  server.listen(wanted, '127.0.0.1', report)
  const port = await listening.promise
  await new Promise<void>((resolve) => server.close(() => resolve()))
  return port
}

function welcome(site: Site, state: string): string {
  const rows = [
    ['values, live', `http://127.0.0.1:${site.api.port}/api/v1/tags   (stream: /api/v1/tags/live, metrics: /metrics)`],
    ['MQTT', `mqtt://127.0.0.1:${site.mqtt.port}   mosquitto_sub -p ${site.mqtt.port} -t '${site.site}/#' -v`],
    ...(site.opcua === undefined ? [] : [['OPC UA', `opc.tcp://127.0.0.1:${site.opcua.port}/lineside`]]),
    ['state', state],
  ]
  const lines = rows.map(([name, where]) => `  ${(name ?? '').padEnd(14)}${where}`)
  const counts = `${site.devices.length} devices, ${site.tags.length} tags, ${site.flows.length} flows`
  return `Lineside runs the example line ${site.site}: ${counts}. Ctrl-C ends it.\n${lines.join('\n')}\n`
}

interface TagRow {
  readonly tag: string
  readonly value: unknown
  readonly quality: string
  readonly unit?: string
}

async function showLiveLine(site: Site, started: number, signal: AbortSignal): Promise<void> {
  const { isTTY, columns } = process.stdout
  let isFirst = true
  while (!signal.aborted) {
    const rows = await tagRows(site, signal).catch((): readonly TagRow[] => [])
    const good = rows.filter((row) => row.quality === 'good').length
    if (isFirst && good > 0) {
      process.stdout.write(`First values after ${((systemClock.elapsed() - started) / 1_000).toFixed(1)} s.\n`)
      isFirst = false
    }
    if (!isFirst) {
      const line = `${good}/${rows.length} good  ${shown(rows)}`
      process.stdout.write(isTTY ? `\r\x1b[2K${line.slice(0, (columns || 120) - 1)}` : `${line}\n`)
    }
    await systemClock.sleep(isFirst ? 50 : isTTY ? 500 : 2_000, signal)
  }
}

async function tagRows(site: Site, signal: AbortSignal): Promise<readonly TagRow[]> {
  const answer = await fetch(`http://127.0.0.1:${site.api.port}/api/v1/tags?limit=1000`, { signal })
  return ((await answer.json()) as { readonly items: readonly TagRow[] }).items
}

/** One measured value of each device. */
function shown(rows: readonly TagRow[]): string {
  const byDevice = Map.groupBy(
    rows.filter((row) => typeof row.value === 'number' && row.unit !== undefined),
    (row) => row.tag.split('/')[0],
  )
  return [...byDevice.values()]
    .flatMap(([row]) => (row === undefined ? [] : [`${row.tag} ${Number(row.value).toFixed(1)} ${row.unit}`]))
    .join('  ')
}
