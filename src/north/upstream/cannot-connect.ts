import { Fault } from '../../base/fault.ts'

/** What is said of a try that came to nothing; `whom` as in `The upstream broker mqtt://…`. */
export function cannotConnect(whom: string, cause: unknown): Fault {
  return new Fault('upstream.cannot-connect', `${whom} cannot be reached: ${whyOf(cause)}.`, {
    remedy:
      'Nothing is lost meanwhile. Check address, port, user, password and certificates, and whether a firewall lets this machine out.',
    isRetryable: true,
    cause,
  })
}

function whyOf(cause: unknown): string {
  if (!(cause instanceof Error)) return 'it does not answer'
  // OpenSSL's own line names its source files and ends with a line break; `reason` is the sentence in it.
  if ('reason' in cause && typeof cause.reason === 'string') return `no TLS connection comes about, ${cause.reason}`
  return cause.message || ('code' in cause ? String(cause.code) : cause.name)
}
