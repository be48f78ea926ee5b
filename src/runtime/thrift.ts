import { setFlagsFromString } from 'node:v8'
import type { Clock } from '../base/clock.ts'
import { type Running, startLoop } from '../base/running.ts'

/** By then every device that is there has been read for the first time: saving would slow the start down. */
const startedMs = 1_000
const lookPauseMs = 250
/** Of its time, that a thread is at work: from here on it has none left for collecting all the time … */
const busyShare = 0.6
/** … and after so many looks at which all are below this they have. */
const calmShare = 0.45
const calmLooks = 20
/**
 * Runs of flows, a hundred a second, keep control busy for a quarter of its time, polls of 5,000 tags for a tenth. Collecting before it grows, it stood still
 * for 7 to 12 ms every few seconds: what is between two steps of a run must not wait for that.
 */
const controlBusyShare = 0.2
const controlBusyLooks = 4
const controlCalmShare = 0.15

export interface ThriftOptions {
  /** The share of the time since the last question in which the busiest thread was at work, and control's. */
  readonly utilization: () => { readonly busiest: number; readonly control: number }
  /** Whether V8 is to collect before it grows. */
  readonly save: (how: 'save' | 'spend') => void
}

/**
 * V8 either collects before it grows, which is 17 MB less at 5,000 tags, or grows before it collects, which is a third of the work less where a thousand
 * runs go on at once, or thousands of messages a second are kept. It knows but one way for all threads of the process.
 */
export class Thrift {
  readonly #options: ThriftOptions
  #how: 'save' | 'spend' | undefined
  #calm = 0
  #controlBusy = 0

  constructor(options: ThriftOptions) {
    this.#options = options
  }

  look(): void {
    const { busiest, control } = this.#options.utilization()
    this.#calm = busiest < calmShare && control < controlCalmShare ? this.#calm + 1 : 0
    this.#controlBusy = control > controlBusyShare ? this.#controlBusy + 1 : 0
    if (busiest > busyShare || this.#controlBusy >= controlBusyLooks) this.#set('spend')
    else if (this.#how === undefined || this.#calm >= calmLooks) this.#set('save')
  }

  #set(how: 'save' | 'spend'): void {
    if (how === this.#how) return
    if (this.#how !== undefined || how === 'save') this.#options.save(how) // V8 begins by spending
    this.#how = how
  }
}

interface Room {
  readonly name: string
  /** The share of the time since the last question in which its thread was at work. */
  utilization(): number
}

export function startThrift({ clock, rooms }: { readonly clock: Clock; readonly rooms: () => Iterable<Room> }): Running {
  const thrift = new Thrift({
    utilization: () => {
      const shares = Array.from(rooms(), (room) => ({ name: room.name, share: room.utilization() }))
      const highest = (of: typeof shares): number => Math.max(0, ...of.map(({ share }) => share))
      return { busiest: highest(shares), control: highest(shares.filter(({ name }) => name === 'control')) }
    },
    save: (how) => setFlagsFromString(how === 'save' ? '--memory-saver-mode' : '--no-memory-saver-mode'),
  })
  return startLoop(async (signal) => {
    await clock.sleep(startedMs, signal)
    while (!signal.aborted) {
      thrift.look()
      await clock.sleep(lookPauseMs, signal)
    }
  })
}
