import type { Clock, MonotonicMs } from '../../base/clock.ts'
import type { AskOptions, Line } from './line.ts'
import type { Answer, Ask } from './pdu.ts'

export interface DeviceLineOptions {
  readonly line: Line
  readonly timeoutMs: number
  /** Of the scan class that asks; absent for whoever else does. */
  readonly periodMs?: number
  readonly clock: Clock
}

/** A line as one device sees it: its own timeout, and for each scan class its own deadline, whoever else is on the line. */
export class DeviceLine implements Line {
  readonly failure: Promise<never>
  readonly peer: string
  readonly inflightMax: number
  readonly #options: DeviceLineOptions

  constructor(options: DeviceLineOptions) {
    const { failure, peer, inflightMax } = options.line
    this.failure = failure
    this.peer = peer
    this.inflightMax = inflightMax
    this.#options = options
  }

  get isOpen(): boolean {
    return this.#options.line.isOpen
  }

  /** What is asked over it has its period to be read in: of all classes on the line the one whose period ends first goes first. */
  forScan(periodMs: number | undefined): Line {
    return periodMs === undefined ? this : new DeviceLine({ ...this.#options, periodMs })
  }

  ask(ask: Ask, { urgency, signal }: AskOptions): Promise<Answer> {
    const { line, timeoutMs, periodMs, clock } = this.#options
    return line.ask(ask, {
      urgency,
      timeoutMs,
      ...(signal === undefined ? {} : { signal }),
      ...(periodMs === undefined ? {} : { deadline: (clock.elapsed() + periodMs) as MonotonicMs }),
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#options.line[Symbol.asyncDispose]()
  }
}
