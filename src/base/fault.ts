/**
 * A failed operation, as everybody outside may see it: a stable code, a message with the concrete values, and what to do about it.
 * Our own bugs are plain Errors instead: the part that threw one dies, and its owner restarts it.
 */
export class Fault extends Error {
  /** Stable and documented, `room.what`, e.g. `modbus.no-answer`. */
  readonly code: string
  /** In the imperative: what the reader can do. */
  readonly remedy: string
  readonly isRetryable: boolean

  constructor(code: string, message: string, options: FaultOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'Fault'
    this.code = code
    this.remedy = options.remedy
    this.isRetryable = options.isRetryable ?? false
  }
}

export interface FaultOptions {
  readonly remedy: string
  readonly isRetryable?: boolean
  readonly cause?: unknown
}

/** The outside face of a fault: what may cross a thread or leave the machine. The cause stays where it was logged. */
export interface PlainFault {
  readonly code: string
  readonly message: string
  readonly remedy: string
  readonly isRetryable: boolean
}

export function plainFault(error: unknown): PlainFault {
  if (error instanceof Fault) {
    return { code: error.code, message: error.message, remedy: error.remedy, isRetryable: error.isRetryable }
  }
  return {
    code: 'internal',
    message: error instanceof Error ? error.message : String(error),
    remedy: 'Report this with the log around it: it is a bug in Lineside.',
    isRetryable: false,
  }
}

export function faultOf(plain: PlainFault): Fault {
  return new Fault(plain.code, plain.message, { remedy: plain.remedy, isRetryable: plain.isRetryable })
}
