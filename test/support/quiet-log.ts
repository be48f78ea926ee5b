import type { Log, LogFields } from '../../src/base/log.ts'

export interface KeptLog extends Log {
  readonly lines: readonly { readonly level: string; readonly message: string; readonly fields: LogFields }[]
}

/** A log that keeps what it is told, for tests that care. */
export function keptLog(): KeptLog {
  const lines: { level: string; message: string; fields: LogFields }[] = []
  const at =
    (level: string) =>
    (message: string, fields: LogFields = {}) =>
      void lines.push({ level, message, fields })
  const log: KeptLog = { lines, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error'), with: () => log }
  return log
}
