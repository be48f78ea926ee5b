import { setTimeout as sleep } from 'node:timers/promises'
import { calmRounds } from '../calm.ts'
import type { BenchOptions } from '../main.ts'
import type { Measure } from '../report.ts'
import { countBetween, type Gateway, startGateway, type Window, watchGateway } from './gateway.ts'
import { type Labels, quantileBetween } from './metrics.ts'
import { type ModbusServer, startModbusServer } from './modbus-server.ts'
import { buildNative } from './native.ts'
import { benchWrites } from './writes.ts'

interface Load {
  readonly devices: number
  readonly tagsPerDevice: number
  readonly pollMs: number
  /** All values change this often. */
  readonly changeMs: number
}

/** Every poll brings a change of every tag: the hardest 10,000 tags/s there are. */
const usual: Load = { devices: 50, tagsPerDevice: 20, pollMs: 100, changeMs: 100 }
const heavy: Load = { devices: 50, tagsPerDevice: 200, pollMs: 100, changeMs: 1_000 }
const limits = { controlPercent: 15, latenessMs: 5, tagShare: 0.99 }
/** What counts as noise: half as much again, and a millisecond, which is what a timer is good for. */
const noise = { share: 1.5, ms: 1 }
const lateness = 'lineside_poll_lateness_seconds'

/** 10,000 tags/s over 50 devices: cost and punctuality; the same while values are written, and while one device hangs; and ten times as many. */
export async function benchPolling(options: BenchOptions & { readonly folder: string }): Promise<readonly Measure[]> {
  return [...(await benchUsual(options)), ...(await benchHeavy(options))]
}

async function benchUsual({ isSmoke, say, folder }: BenchOptions & { readonly folder: string }): Promise<readonly Measure[]> {
  say('10,000 tags/s over 50 devices')
  const binary = buildNative('modbus-server', folder)
  await using most = await startModbusServer({ binary, devices: usual.devices - 1, changeMs: usual.changeMs })
  await using one = await startModbusServer({ binary, devices: 1, changeMs: usual.changeMs })
  await using gateway = await startGateway(devicesOf(usual, [...most.ports, ...one.ports]))
  const windowMs = isSmoke ? 2_000 : 15_000
  await sleep(isSmoke ? 1_000 : 5_000)
  const watch = { gateway, windowMs, isSmoke, say }
  const started = await calmWindow('10,000 tags/s, just started', watch)
  const calm = await calmWindow('10,000 tags/s', watch)
  say('Writes while 10,000 tags/s are polled')
  const writes = await benchWrites({ mqttPort: gateway.mqttPort, devices: usual.devices - 1, count: isSmoke ? 20 : 300 })
  say('One device hangs')
  const calmAgain = await calmWindow('none hung', watch)
  return [...calmMeasures(calm), ...startMeasures(started), ...writes, ...(await benchHung({ ...watch, one, calm: [calm, calmAgain] }))]
}

function calmMeasures(calm: Window): readonly Measure[] {
  const name = (what: string): string => `10000 Modbus tags/s, 50 devices: ${what}`
  return [
    { name: name('tags read'), value: tagsPerSecond(usual, calm), unit: '1/s', limit: { atLeast: 10_000 * limits.tagShare } },
    { name: name('changes passed on'), value: countBetween(calm, 'lineside_tag_changes_total') / calm.seconds, unit: '1/s' },
    { name: name('control thread'), value: calm.controlShare * 100, unit: '% of a core', limit: { atMost: limits.controlPercent } },
    { name: name('whole daemon'), value: calm.daemonShare * 100, unit: '% of a core' },
    { name: name('start lateness p99'), value: latenessP99Ms(calm), unit: 'ms', limit: { atMost: limits.latenessMs } },
    { name: name('missed cycles'), value: countBetween(calm, 'lineside_device_overruns_total'), unit: '', limit: { atMost: 0 } },
  ]
}

/** V8 is still compiling what has become busy. */
function startMeasures(started: Window): readonly Measure[] {
  const name = (what: string): string => `10000 Modbus tags/s, 50 devices: ${what}, just started`
  return [
    { name: name('control thread'), value: started.controlShare * 100, unit: '% of a core' },
    { name: name('start lateness p99'), value: latenessP99Ms(started), unit: 'ms' },
  ]
}

interface Watch extends Pick<BenchOptions, 'isSmoke' | 'say'> {
  readonly gateway: Gateway
  readonly windowMs: number
}

async function calmWindow(what: string, { gateway, windowMs, isSmoke, say }: Watch): Promise<Window> {
  const [window] = await calmRounds({ rounds: 1, isSmoke, say, what, round: () => watchGateway(gateway, () => sleep(windowMs)) })
  if (window === undefined) throw new Error('no round was made')
  return window
}

interface Hung extends Watch {
  readonly one: ModbusServer
  readonly calm: readonly Window[]
}

/** The last device's server is stopped; the other 49 are looked at. */
async function benchHung({ one, calm, ...watch }: Hung): Promise<readonly Measure[]> {
  const isLive = ({ device }: Labels): boolean => device !== deviceName(usual.devices - 1)
  one.program.kill('SIGSTOP')
  const hung = await calmWindow('one hung', watch)
  one.program.kill('SIGCONT')
  const calmMs = Math.max(...calm.map((window) => latenessP99Ms(window, isLive) ?? 0))
  const missed = (window: Window, when: 'before' | 'after'): number => window[when].sum('lineside_device_overruns_total', isLive)
  return [
    { name: '49 live devices, none hung: start lateness p99', value: calmMs, unit: 'ms' },
    {
      name: '49 live devices beside a hung one: start lateness p99',
      value: latenessP99Ms(hung, isLive),
      unit: 'ms',
      limit: { atMost: Number((calmMs * noise.share + noise.ms).toPrecision(4)) },
    },
    {
      name: '49 live devices beside a hung one: missed cycles',
      value: missed(hung, 'after') - missed(hung, 'before'),
      unit: '',
      limit: { atMost: 0 },
    },
  ]
}

async function benchHeavy({ isSmoke, say, folder }: BenchOptions & { readonly folder: string }): Promise<readonly Measure[]> {
  say('100,000 tags/s over 50 devices')
  const { devices, changeMs } = heavy
  await using server = await startModbusServer({ binary: buildNative('modbus-server', folder), devices, changeMs })
  await using gateway = await startGateway(devicesOf(heavy, server.ports))
  await sleep(isSmoke ? 1_000 : 5_000)
  const window = await calmWindow('100,000 tags/s', { gateway, windowMs: isSmoke ? 2_000 : 15_000, isSmoke, say })
  const name = (what: string): string => `100000 Modbus tags/s, 50 devices: ${what}`
  return [
    { name: name('tags read'), value: tagsPerSecond(heavy, window), unit: '1/s', limit: { atLeast: 100_000 * limits.tagShare } },
    { name: name('changes passed on'), value: countBetween(window, 'lineside_tag_changes_total') / window.seconds, unit: '1/s' },
    { name: name('control thread'), value: window.controlShare * 100, unit: '% of a core' },
    { name: name('whole daemon'), value: window.daemonShare * 100, unit: '% of a core' },
    { name: name('start lateness p99'), value: latenessP99Ms(window), unit: 'ms' },
    { name: name('missed cycles'), value: countBetween(window, 'lineside_device_overruns_total'), unit: '' },
  ]
}

/** The slow class holds only what is written to. */
function tagsPerSecond({ devices, tagsPerDevice }: Load, window: Window): number {
  const slowPolls = devices * window.seconds
  return ((countBetween(window, 'lineside_device_polls_total') - slowPolls) * tagsPerDevice) / window.seconds
}

function latenessP99Ms({ before, after }: Window, isWanted?: (labels: Labels) => boolean): number | undefined {
  const seconds = quantileBetween(before.buckets(lateness, isWanted), after.buckets(lateness, isWanted), 0.99)
  return seconds === undefined ? undefined : seconds * 1_000
}

function devicesOf(load: Load, ports: readonly number[]): Readonly<Record<string, object>> {
  return Object.fromEntries(ports.map((port, place) => [deviceName(place), deviceOf(load, port)]))
}

function deviceName(place: number): string {
  return `d${String(place).padStart(2, '0')}`
}

function deviceOf({ tagsPerDevice, pollMs }: Load, port: number): object {
  const polled = Array.from({ length: tagsPerDevice }, (_, place) => [`t${place}`, { at: `hr:${place}`, type: 'u16', scan: 'fast' }])
  const setpoint = { at: 'hr:1000', type: 'u16', scan: 'slow', write: { min: 0, max: 65_535, confirm: '1s', role: 'operator' } }
  return {
    driver: 'modbus-tcp',
    connection: { host: '127.0.0.1', port },
    scan: { fast: `${pollMs}ms`, slow: '1s' },
    tags: { ...Object.fromEntries(polled), setpoint },
  }
}
