/**
 * What the product says of its pauses (src/south/reconnect-pace.ts), written down a second time: a pause that grew, or that began anew too late, is then late here.
 * Each is the longest that is allowed; up to half of it is chance.
 */
const firstMs = 100
/** Nobody there. */
const absentMsMax = 700
/** Somebody there who breaks off is left alone ever longer, ... */
const brokenMsMax = 10_000
/** ... who only keeps silent less long, ... */
const silentMsMax = 2_000
/** ... who has answered for 5 s was well, and is called again after the first pause, ... */
const wellAfterMs = 5_000
/** ... and of one who answered for less each second takes one of the breaks back, ... */
const breakBackMs = 1_000
/** ... of which no more than these are counted. */
const breaksMax = 8
/** A look at the clock may have been late. */
const lateLookMs = 100

/** How an attempt to connect, or the connection that came of it, ended. */
export type AttemptEnd = 'absent' | 'broken' | 'silent'

interface Attempt {
  readonly begunMs: number
  /** Absent while it goes on. */
  dueMs?: number
}

export interface AttemptWatch {
  /** The device has answered in full. */
  answered(): void
  /** The device has broken off: what takes time from here on is no answer. */
  broke(): void
  /** The loop is rid of it, and begins its pause. */
  ended(how: AttemptEnd): void
}

/** Earlier ones are of no more interest. */
const attemptsMax = 256

/** Sees when a device is connected to and when that ends, and knows by when it must be connected to again. */
export class ReconnectRule {
  readonly #now: () => number
  #attempts: Attempt[] = []
  #misses = 0
  #breaks = 0
  /** The most by which a pause was longer than is allowed. */
  lateMs = 0

  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  begun(): AttemptWatch {
    const attempt: Attempt = { begunMs: this.#now() }
    this.lateMs = Math.max(this.lateMs, attempt.begunMs - (this.#attempts.at(-1)?.dueMs ?? attempt.begunMs))
    this.#attempts = [...this.#attempts.slice(1 - attemptsMax), attempt]
    let answeredMs: number | undefined
    let brokeMs: number | undefined
    return {
      answered: () => {
        answeredMs ??= this.#now()
      },
      broke: () => {
        brokeMs ??= this.#now()
      },
      ended: (how) => {
        const wellMs = answeredMs === undefined ? 0 : (brokeMs ?? this.#now()) - answeredMs
        attempt.dueMs = this.#now() + this.#pauseMs(how, wellMs)
      },
    }
  }

  /**
   * The latest moment at which a device that has been well since `sinceMs` is called by whoever waits his turn. What began before may still end by what
   * happened before; an attempt that began since ends well, or has no excuse.
   */
  dueMs(sinceMs: number): number {
    const place = this.#attempts.findLastIndex(({ begunMs }) => begunMs <= sinceMs)
    const dueMs = this.#attempts[place]?.dueMs ?? sinceMs
    return Math.max(sinceMs, Math.min(dueMs, this.#attempts[place + 1]?.begunMs ?? dueMs))
  }

  #pauseMs(how: AttemptEnd, wellMs: number): number {
    if (how === 'absent') {
      this.#misses += 1
      return pauseOf(this.#misses, absentMsMax)
    }
    this.#misses = 0
    const surelyMs = Math.max(0, wellMs - lateLookMs)
    const takenBack = surelyMs >= wellAfterMs ? breaksMax : Math.floor(surelyMs / breakBackMs)
    this.#breaks = Math.min(breaksMax, Math.max(0, this.#breaks - takenBack) + 1)
    return pauseOf(this.#breaks, how === 'silent' ? silentMsMax : brokenMsMax)
  }
}

function pauseOf(times: number, msMax: number): number {
  return Math.min(msMax, firstMs * 2 ** Math.min(times - 1, 30))
}
