import { setTimeout as sleepFor } from 'node:timers/promises'

declare const wall: unique symbol
declare const monotonic: unique symbol

/** A moment of the wall clock in ms since 1970 UTC. May jump; for what is stored, shown and sent. */
export type EpochMs = number & { readonly [wall]: true }
/** A moment of a clock that never jumps, in ms since an arbitrary start. For intervals and timeouts; means nothing outside this process. */
export type MonotonicMs = number & { readonly [monotonic]: true }

/** The one source of time. Tests and replays bring their own. */
export interface Clock {
  now(): EpochMs
  elapsed(): MonotonicMs
  /** Resolves after `ms`; rejects with the signal's reason when aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /** Calls back once after `ms`, unless disposed of first. Cheaper than `sleep` where thousands run at once. */
  after(ms: number, callback: () => void): Disposable
}

export function epochMs(value: number): EpochMs {
  return value as EpochMs
}

export function monotonicMs(value: number): MonotonicMs {
  return value as MonotonicMs
}

/** RFC 3339 in UTC with milliseconds, as it stands in every payload. */
export function isoTime(moment: EpochMs): string {
  if (moment !== lastMoment) {
    lastText = isoText(moment)
    lastMoment = moment
  }
  return lastText
}

// A poll's values share their moment, and this text is half the cost of a value's payload; what follows shares its second.
let lastMoment = Number.NaN
let lastText = ''
let secondAt = Number.NaN
let secondText = ''

function isoText(moment: number): string {
  const ms = moment - secondAt
  if (ms >= 0 && ms < 1_000 && Number.isInteger(ms)) return `${secondText}${ms < 10 ? '00' : ms < 100 ? '0' : ''}${ms}Z`
  const text = new Date(moment).toISOString()
  if (!Number.isInteger(moment)) return text // rounded towards 1970, it may belong to the next second
  secondAt = Math.floor(moment / 1_000) * 1_000
  secondText = text.slice(0, -'000Z'.length)
  return text
}

/** Parses RFC 3339; undefined when the text is no moment. */
export function parseIsoTime(text: string): EpochMs | undefined {
  const ms = Date.parse(text)
  return Number.isNaN(ms) ? undefined : epochMs(ms)
}

/** What Node's timers take; beyond it they fire at once. */
const delayMsMax = 0x7fff_ffff

/** What was due already is due now: a moment that passes between working out a delay and setting its timer must not be told of as a negative one. */
function delay(ms: number): number {
  return Math.min(Math.max(0, ms), delayMsMax)
}

/** Calls back after `ms` unless disposed of, or the process has nothing else to do by then. For last resorts: it keeps no process alive. */
export function lastResort(ms: number, callback: () => void): Disposable {
  const timer = setTimeout(callback, delay(ms)).unref()
  return { [Symbol.dispose]: () => clearTimeout(timer) }
}

export const systemClock: Clock = {
  now: () => epochMs(Date.now()),
  elapsed: () => monotonicMs(performance.now()),
  sleep: async (ms, signal) => {
    for (let leftMs = ms; ; leftMs -= delayMsMax) {
      await sleepFor(delay(leftMs), undefined, signal ? { signal } : {})
      if (leftMs <= delayMsMax) return
    }
  },
  after: (ms, callback) => {
    let timer: NodeJS.Timeout
    const wait = (leftMs: number): void => {
      timer = setTimeout(() => (leftMs > delayMsMax ? wait(leftMs - delayMsMax) : callback()), delay(leftMs))
    }
    wait(ms)
    return { [Symbol.dispose]: () => clearTimeout(timer) }
  },
}
