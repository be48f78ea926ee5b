import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../line/free-port.ts'
import { type Listener, listenTo } from '../line/listener.ts'
import { monotonicMs } from '../line/load-value.ts'
import type { BenchOptions } from '../main.ts'
import { type Measure, quantile } from '../report.ts'
import { type Gateway, sitePath, startGateway } from '../south/gateway.ts'
import { startModbusServer } from '../south/modbus-server.ts'
import { startMosquitto } from './mosquitto.ts'
import { devicesAt } from './plant.ts'

/** 300 values/s go on; a part of the plant that stands still when the broker is back has made 10,000 values/s while it was away. */
const live = { prefix: 'live', tagsPerDevice: 6, pollMs: 100 }
const liveDevices = 5
const past = { prefix: 'past', tagsPerDevice: 100, pollMs: 100 }
const pastDevices = 10
const livePerSecond = 300
const backlogRows = 60_000
const times = 10
/** A millisecond is what the time of a value is good for. */
const noise = { times: 2, ms: 1 }
const drainedMsMax = 120_000
const quietMs = 3_000
/** Seldom: telling all metrics is work, too. */
const lookEveryMs = 500

export interface ReplayOptions extends BenchOptions {
  readonly plant: string
  readonly folder: string
}

interface Seen {
  readonly live: number[]
  past: number
  pastFirstMs: number
  pastLastMs: number
}

/** An upstream that comes back: how fast the backlog goes, and what the live values notice of it. */
export async function benchReplay({ isSmoke, say, plant, folder }: ReplayOptions): Promise<readonly Measure[]> {
  say('An upstream that was away')
  const port = await freePort()
  await using steady = await startModbusServer({ binary: plant, devices: liveDevices, changeMs: live.pollMs })
  await using busy = await startModbusServer({ binary: plant, devices: pastDevices, changeMs: past.pollMs })
  const liveFilters = Array.from({ length: liveDevices }, (_, place) => `${sitePath}/live${place}/#`)
  const upstreams = { plant: { url: `mqtt://127.0.0.1:${port}`, streams: { state: liveFilters } } }
  await using gateway = await startGateway({ ...devicesAt(steady, live), ...devicesAt(busy, past) }, { upstreams })
  const rows = isSmoke ? 3_000 : backlogRows
  await waitFor(async () => (await waitingRows(gateway)) >= rows)
  busy.program.kill('SIGKILL')
  await busy.program.ended
  await sleep(3_000) // until its tags are stale
  const left = await waitingRows(gateway)
  const seen: Seen = { live: [], past: 0, pastFirstMs: 0, pastLastMs: 0 }
  await using _mosquitto = await startMosquitto({ folder, port })
  await using _listener = watch(await listenTo(port, `${sitePath}/#`, AbortSignal.timeout(10_000)), seen)
  say(`${left} rows go up beside ${livePerSecond} live values/s`)
  await waitFor(() => isDrained(gateway, { seen, left }))
  const during = seen.live.splice(0)
  await sleep(isSmoke ? 500 : 1_000)
  seen.live.splice(0)
  await sleep(isSmoke ? 1_000 : 8_000)
  const rate = (seen.past / (seen.pastLastMs - seen.pastFirstMs)) * 1_000
  const calmP99 = quantile(seen.live, 0.99) ?? Number.NaN
  return [
    { name: 'backlog: rows that waited', value: left, unit: '' },
    {
      name: `backlog: replayed beside ${livePerSecond} live values/s`,
      value: rate,
      unit: '1/s',
      limit: { atLeast: livePerSecond * times },
    },
    { name: 'live values, nothing waits: reading to far subscriber p99', value: calmP99, unit: 'ms' },
    {
      name: 'live values beside the backlog: reading to far subscriber p99',
      value: quantile(during, 0.99),
      unit: 'ms',
      limit: { atMost: calmP99 * noise.times + noise.ms },
    },
  ]
}

/** Asking the gateway is work of its own, which the calm time has not: only where nothing comes any more, for what went up before the listener was there it never sees. */
async function isDrained(gateway: Gateway, { seen, left }: { readonly seen: Seen; readonly left: number }): Promise<boolean> {
  if (seen.past >= left - livePerSecond) return true
  const isQuiet = seen.past > 0 && monotonicMs() - seen.pastLastMs > quietMs
  return isQuiet && (await waitingRows(gateway)) < livePerSecond
}

function watch(listener: Listener, seen: Seen): Listener {
  const beganMs = monotonicMs()
  listener.onMessage(({ topic, payload, atMs, atEpochMs }) => {
    if (topic.startsWith(`${sitePath}/past`)) {
      seen.past += 1
      seen.pastFirstMs ||= atMs
      seen.pastLastMs = atMs
    } else if (atMs - beganMs > 500) {
      const { time, quality } = JSON.parse(payload) as { readonly time: string; readonly quality: string }
      if (quality === 'good') seen.live.push(atEpochMs - Date.parse(time))
    }
  })
  return listener
}

async function waitingRows(gateway: Gateway): Promise<number> {
  return (await gateway.scrape()).sum('lineside_outbox_waiting_rows')
}

async function waitFor(isTrue: () => Promise<boolean>): Promise<void> {
  const endMs = monotonicMs() + drainedMsMax
  while (!(await isTrue())) {
    if (monotonicMs() > endMs) throw new Error(`waited ${drainedMsMax} ms for the outbox`)
    await sleep(lookEveryMs)
  }
}
