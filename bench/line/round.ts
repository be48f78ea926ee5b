import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { quantile } from '../report.ts'
import { type Engine, placeOf } from './engine.ts'
import { type Listener, listenTo, type Message } from './listener.ts'
import { type Load, startLoad } from './load.ts'
import { changedMs, monotonicMs } from './load-value.ts'
import { cpuSeconds, residentMb } from './process.ts'
import { until } from './until.ts'

export interface RoundOptions {
  readonly engine: Engine
  readonly devices: number
  readonly tagsPerDevice: number
  readonly warmUpMs: number
  readonly windowMs: number
}

/** What one engine did in one round. */
export interface Round {
  readonly startToFirstValueMs: number
  readonly changeToSubscriberP50Ms: number | undefined
  readonly changeToSubscriberP99Ms: number | undefined
  readonly publishToSubscriberP99Ms: number | undefined
  readonly messagesPerSecond: number
  readonly cpuSecondsPer1000Values: number
  readonly residentMb: number
  readonly stopMs: number
}

export const pollMs = 100
const firstValueTimeoutMs = 60_000

interface Value {
  readonly value: number
  readonly quality: string
  readonly time: string
}

export function readValue(message: Message): Value {
  return JSON.parse(message.payload) as Value
}

export function temporaryFolder(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), 'lineside-bench-'))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}

export async function runRound({ engine, devices, tagsPerDevice, warmUpMs, windowMs }: RoundOptions): Promise<Round> {
  await using load = await startLoad({ devices })
  using folder = temporaryFolder()
  await using running = await engine.start({ devicePorts: load.ports, tagsPerDevice, pollMs, folder: folder.path })
  const { program } = running
  const aborted = new AbortController()
  const timer = setTimeout(() => aborted.abort(new Error(`${engine.name} does not listen\n${program.said}`)), firstValueTimeoutMs)
  await using listener = await listenTo(running.mqttPort, running.filter, aborted.signal)
  clearTimeout(timer)
  const firstMs = await firstValue(listener, () => until(() => program.hasEnded, { what: 'nothing', timeoutMs: firstValueTimeoutMs }))
  await sleep(warmUpMs)
  const window = await measure(listener, load, { pid: program.pid, windowMs })
  const stoppingMs = monotonicMs()
  await running[Symbol.asyncDispose]()
  return { ...window, startToFirstValueMs: firstMs - program.startedMs, stopMs: monotonicMs() - stoppingMs }
}

/** When the first value of a tag arrived. */
async function firstValue(listener: Listener, ended: () => Promise<void>): Promise<number> {
  const arrived = new Promise<number>((resolve) => {
    listener.onMessage((message) => {
      if (placeOf(message.topic) !== undefined && typeof readValue(message).value === 'number') resolve(message.atMs)
    })
  })
  const failed = ended().then(() => {
    throw new Error('it ended before its first value')
  })
  failed.catch(() => {})
  return await Promise.race([arrived, failed])
}

type Window = Omit<Round, 'startToFirstValueMs' | 'stopMs'>

async function measure(
  listener: Listener,
  load: Load,
  { pid, windowMs }: { readonly pid: number; readonly windowMs: number },
): Promise<Window> {
  const changeMs: number[] = []
  const publishMs: number[] = []
  const state = { isOpen: true }
  listener.onMessage((message) => {
    const place = placeOf(message.topic)
    if (!state.isOpen || place === undefined) return
    const { value, time } = readValue(message)
    changeMs.push(message.atMs - changedMs({ value, originMs: load.originMs, ...place }))
    publishMs.push(message.atEpochMs - Date.parse(time))
  })
  const begun = { atMs: monotonicMs(), cpuSeconds: cpuSeconds(pid) }
  await sleep(windowMs)
  state.isOpen = false
  const tookSeconds = (monotonicMs() - begun.atMs) / 1_000
  return {
    changeToSubscriberP50Ms: quantile(changeMs, 0.5),
    changeToSubscriberP99Ms: quantile(changeMs, 0.99),
    publishToSubscriberP99Ms: quantile(publishMs, 0.99),
    messagesPerSecond: changeMs.length / tookSeconds,
    cpuSecondsPer1000Values: ((cpuSeconds(pid) - begun.cpuSeconds) / Math.max(1, changeMs.length)) * 1_000,
    residentMb: residentMb(pid),
  }
}
