import { systemChance } from '../base/chance.ts'
import { lastResort, systemClock } from '../base/clock.ts'
import { Fault } from '../base/fault.ts'
import { errorFields, type Log, type LogLevel, openLog } from '../base/log.ts'
import { type Daemon, startDaemon } from '../runtime/daemon.ts'
import type { FirstUserOptions } from '../runtime/first-user.ts'
import { roomData, roomEntries, savesMemory } from '../runtime/rooms.ts'
import { startWatchdog } from '../runtime/watchdog.ts'
import type { LoadedSite } from '../site/load.ts'
import type { Site } from '../site/site.ts'
import { problemText } from './problem-text.ts'
import { stopSignal } from './stop-signal.ts'

export interface RunOptions {
  /** The folder that is being loaded. */
  readonly folder: string
  readonly logLevel?: LogLevel
}

/** `lineside run`: the daemon in the foreground until SIGTERM, SIGINT or SIGHUP; the exit code. */
export async function run(loading: Promise<LoadedSite>, { folder, logLevel = 'info' }: RunOptions): Promise<number> {
  const log = openLog(logLevel).with({ room: 'runtime' })
  const onRunning = (site: Site): Promise<AsyncDisposable> => greetFirstUser(site, log)
  return await runSite(checkedSite(loading, folder), { logLevel, log, stop: stopSignal(), onRunning })
}

/** The site, its warnings told; undefined, and why, where it has errors. */
async function checkedSite(loading: Promise<LoadedSite>, folder: string): Promise<Site | undefined> {
  const { site, problems } = await loading
  for (const problem of problems) process.stderr.write(`${problemText(problem, folder)}\n`)
  return site
}

/** The one moment at which a password is shown: nobody could have chosen it before, and none is built in. */
async function greetFirstUser({ storage }: Site, log: Log): Promise<AsyncDisposable> {
  const { startFirstUser } = await import('../runtime/first-user.ts')
  const tell: FirstUserOptions['tell'] = ({ name, password, file }) => {
    process.stderr.write(
      `The first user of this gateway is ${name} with the password ${password}\n    It is shown this once, and stands in ${file} until the first login. Change it: lineside user passwd ${name}\n`,
    )
  }
  return startFirstUser({ stateFolder: storage.path, clock: systemClock, chance: systemChance, log, tell })
}

export interface RunSiteOptions {
  readonly logLevel: LogLevel
  readonly log: Log
  /** Aborted when the daemon is to stop. */
  readonly stop: AbortSignal
  /** Called once, when all is up; what it starts is disposed of at the end. */
  readonly onRunning?: (site: Site) => Promise<AsyncDisposable>
}

/** Runs a checked site until `stop`; 0 when it was asked to stop, 1 when there is no site to run or control died. */
export async function runSite(loading: Promise<Site | undefined>, options: RunSiteOptions): Promise<number> {
  const { log, logLevel, stop } = options
  await using parts = new AsyncDisposableStack()
  try {
    const data = loading.then((site) => (site === undefined ? Promise.reject(noSite()) : roomData(site)))
    const isSaving = loading.then((site) => site !== undefined && savesMemory(site))
    isSaving.catch(() => {}) // `data` says it
    const base = { clock: systemClock, chance: systemChance, log, logLevel, signal: stop }
    const daemon = parts.use(await startDaemon({ ...base, rooms: roomEntries, data, savesMemory: isSaving }))
    const notify = parts.use(await tellSystemd(daemon, log))
    const site = await loading
    if (site === undefined) return 1
    log.info('Lineside is running.', { site: site.site, node: site.node, devices: site.devices.length, tags: site.tags.length })
    parts.use(await options.onRunning?.(site))
    await Promise.race([daemon.failure, aborted(stop)])
    log.info('Lineside is stopping.')
    notify.stopping()
    return 0
  } catch (error) {
    if (stop.aborted) return 0
    if (!(error instanceof Fault && error.code === 'run.no-site')) log.error('Lineside ends.', errorFields(error))
    return 1
  } finally {
    endForSure(log)
  }
}

/** From the moment of stopping. A thread that hangs in the system holds up even `process.exit`; only the kernel ends such a process. */
const endMs = 4_500

function endForSure(log: Log): void {
  lastResort(endMs, () => {
    log.error('A thread hangs and cannot be ended; the process kills itself.', { endMs })
    lastResort(200, () => process.kill(process.pid, 'SIGKILL'))
  })
}

function noSite(): Fault {
  return new Fault('run.no-site', 'The site has errors.', { remedy: 'Mend what is listed above.' })
}

interface Telling extends AsyncDisposable {
  stopping(): void
}

/** Says that all is up, and feeds the watchdog from now on; nothing where systemd did not start us. */
async function tellSystemd(daemon: Daemon, log: Log): Promise<Telling> {
  const { openNotify } = await import('../runtime/notify.ts')
  const notify = await openNotify(process.env)
  if (notify === undefined) return { stopping: () => {}, [Symbol.asyncDispose]: async () => {} }
  notify.ready()
  const { watchdogMs } = notify
  const watchdog =
    watchdogMs === undefined
      ? undefined
      : startWatchdog({ notify, periodMs: watchdogMs, ping: (ms) => daemon.ping(ms), clock: systemClock, log })
  return { stopping: () => notify.stopping(), [Symbol.asyncDispose]: async () => await watchdog?.[Symbol.asyncDispose]() }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}
