import { type DestinationStream, destination, pino, stdTimeFunctions } from 'pino'

export type LogFields = Readonly<Record<string, unknown>>

/** A message is a constant sentence; what varies goes in the fields, units in their names. */
export interface Log {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
  with(fields: LogFields): Log
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

/** Past this, lines are dropped: a stuck log reader must not eat the memory of a daemon that runs for years. */
const unwrittenBytesMax = 1024 * 1024

/** JSON lines on standard error, written without ever blocking the thread that logs. */
export function openLog(level: LogLevel, to?: DestinationStream): Log {
  const stream = to ?? destination({ dest: 2, sync: false, maxLength: unwrittenBytesMax })
  const root = pino(
    { level, base: null, timestamp: stdTimeFunctions.isoTime, messageKey: 'message', formatters: { level: (label) => ({ level: label }) } },
    stream,
  )
  return over(root)
}

interface LeveledLogger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
  child(fields: object): LeveledLogger
}

function over(logger: LeveledLogger): Log {
  return {
    debug: (message, fields) => logger.debug(fields ?? {}, message),
    info: (message, fields) => logger.info(fields ?? {}, message),
    warn: (message, fields) => logger.warn(fields ?? {}, message),
    error: (message, fields) => logger.error(fields ?? {}, message),
    with: (fields) => over(logger.child(fields)),
  }
}

/** An error as log fields: the inside face, cause included. */
export function errorFields(error: unknown): LogFields {
  if (!(error instanceof Error)) return { error: String(error) }
  const code = 'code' in error ? { code: error.code } : {}
  const remedy = 'remedy' in error ? { remedy: error.remedy } : {}
  const stack = 'remedy' in error ? {} : { stack: error.stack } // a Fault explains itself; a bug needs its stack
  const cause = error.cause === undefined ? {} : { cause: error.cause instanceof Error ? error.cause.message : String(error.cause) }
  return { error: error.message, ...code, ...remedy, ...stack, ...cause }
}
