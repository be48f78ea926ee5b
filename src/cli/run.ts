import { systemChance } from '../base/chance.ts'
import { systemClock } from '../base/clock.ts'
import { errorFields, type Log, type LogLevel, openLog } from '../base/log.ts'
import { type Daemon, startDaemon } from '../runtime/daemon.ts'
import { planRooms } from '../runtime/rooms.ts'
import { startWatchdog } from '../runtime/watchdog.ts'
import { loadSiteApart } from '../site/load-apart.ts'
import type { Site } from '../site/site.ts'
import { problemText } from './problem-text.ts'

export interface RunOptions {
  readonly logLevel?: LogLevel
}

/** `lineside run`: the daemon in the foreground until SIGTERM or SIGINT; the exit code. */
export async function run(folder: string, options: RunOptions = {}): Promise<number> {
  const { site, problems } = await loadSiteApart(folder)
  for (const problem of problems) process.stderr.write(`${problemText(problem)}\n`)
  if (site === undefined) return 1
  const logLevel = options.logLevel ?? 'info'
  return await runSite(site, { logLevel, log: openLog(logLevel).with({ room: 'runtime' }), stop: stopSignal() })
}

export interface RunSiteOptions {
  readonly logLevel: LogLevel
  readonly log: Log
  /** Aborted when the daemon is to stop. */
  readonly stop: AbortSignal
  readonly onReady?: (daemon: Daemon) => void
}

/** Runs a checked site until `stop`; 0 when it was asked to stop, 1 when control died. */
export async function runSite(site: Site, options: RunSiteOptions): Promise<number> {
  const { log, logLevel, stop } = options
  const { openNotify } = await import('../runtime/notify.ts')
  const notify = await openNotify(process.env)
  await using parts = new AsyncDisposableStack()
  try {
    const daemon = parts.use(await startDaemon({ rooms: planRooms(site), clock: systemClock, chance: systemChance, log, logLevel }))
    if (notify?.watchdogMs !== undefined) {
      parts.use(startWatchdog({ notify, periodMs: notify.watchdogMs, ping: (ms) => daemon.ping(ms), clock: systemClock, log }))
    }
    notify?.ready()
    log.info('Lineside is running.', { site: site.site, node: site.node, devices: site.devices.length, tags: site.tags.length })
    options.onReady?.(daemon)
    await Promise.race([daemon.failure, aborted(stop)])
    log.info('Lineside is stopping.')
    notify?.stopping()
    return 0
  } catch (error) {
    log.error('Lineside ends.', errorFields(error))
    return 1
  }
}

/** Aborts at the first SIGTERM or SIGINT; a second one ends the process at once. */
export function stopSignal(): AbortSignal {
  const stop = new AbortController()
  const onSignal = (): void => {
    if (stop.signal.aborted) process.exit(1)
    stop.abort()
  }
  process.on('SIGTERM', onSignal)
  process.on('SIGINT', onSignal)
  return stop.signal
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}
