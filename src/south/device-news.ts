import type { Clock, MonotonicMs } from '../base/clock.ts'
import type { Fault } from '../base/fault.ts'
import { errorFields, type Log, type LogFields } from '../base/log.ts'
import type { DeviceState } from '../model/device.ts'

interface DeviceNewsOptions {
  readonly device: string
  readonly clock: Clock
  readonly log: Log
}

interface StateNews {
  readonly state: DeviceState
  readonly message: string
  readonly fields?: LogFields
}

/** Changes of state told one by one; a device that goes on changing is only counted. */
const changesToldMax = 4
/** A device that has not changed for this long keeps its state. Longer than any pause between two attempts, or each of them would be news again. */
const quietMs = 60_000

/** What the log is told of one device: each change once, and of one that comes and goes how often, not each time. */
export class DeviceNews implements Disposable {
  readonly #options: DeviceNewsOptions
  /** Why it could not be reached since it was last well. */
  readonly #told = new Set<string>()
  #changes = 0
  #changedAt: MonotonicMs
  #quietTimer: Disposable | undefined

  constructor(options: DeviceNewsOptions) {
    this.#options = options
    this.#changedAt = options.clock.elapsed()
  }

  [Symbol.dispose](): void {
    this.#quietTimer?.[Symbol.dispose]()
  }

  inPart(why: Fault): void {
    this.#changed({ state: 'degraded', message: 'The device answers only in part.', fields: errorFields(why) })
  }

  online(since: { readonly awayMs: number } | { readonly degradedMs: number }): void {
    const message = 'awayMs' in since ? 'The device is online.' : 'The device answers in full again.'
    this.#changed({ state: 'online', message, fields: since })
  }

  #changed({ state, message, fields = {} }: StateNews): void {
    const { log, clock, device } = this.#options
    const now = clock.elapsed()
    if (now - this.#changedAt > quietMs) this.#changes = 0
    this.#changedAt = now
    this.#changes += 1
    if (this.#changes > changesToldMax) this.#count(state)
    else log[state === 'online' ? 'info' : 'warn'](message, { device, ...fields })
  }

  /** A reason that was told is told again only when the device has been well in between. */
  unreachable(code: string, error: unknown): void {
    if (this.#told.has(code)) return
    this.#told.add(code)
    const { log, device } = this.#options
    log.warn('Cannot reach the device.', { device, ...errorFields(error) })
  }

  /** Failing to reach it for the same reason is no news. */
  lost(code: string, error: unknown): void {
    this.#told.add(code)
    this.#changed({ state: 'connecting', message: 'Lost the device.', fields: errorFields(error) })
  }

  well(): void {
    this.#told.clear()
  }

  #count(state: DeviceState): void {
    const { log, clock, device } = this.#options
    if (this.#changes === changesToldMax + 1)
      log.warn('The device comes and goes; that is only counted until it keeps its state.', { device, state, changes: this.#changes })
    this.#quietTimer?.[Symbol.dispose]()
    this.#quietTimer = clock.after(quietMs, () => {
      this.#quietTimer = undefined
      log[state === 'online' ? 'info' : 'warn']('The device keeps its state again.', { device, state, changes: this.#changes })
      this.#changes = 0
    })
  }
}
