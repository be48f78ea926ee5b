import type { Fault } from '../../base/fault.ts'
import { UnwelcomeFault } from '../device-faults.ts'

/** Errors of node:tls by their codes: what the certificate is not, or an alert of the peer. */
const remedyOfTls: readonly (readonly [pattern: RegExp, code: string, what: string, remedy: string])[] = [
  [
    /CERT_HAS_EXPIRED|CERT_NOT_YET_VALID/,
    'modbus.tls-time',
    'has a certificate that is not valid now',
    'Set the clock of this machine and of the device; then renew the certificate.',
  ],
  [/ALTNAME_INVALID/, 'modbus.tls-name', 'has a certificate for another name', 'Write the name that is in it: `tls: { serverName }`.'],
  [
    /SELF_SIGNED|UNABLE_TO|UNTRUSTED|CERT_/,
    'modbus.tls-untrusted',
    'has a certificate that nobody here trusts',
    'Give the certificate of its authority, or its own: `tls: { ca }`.',
  ],
  [
    /ALERT/,
    'modbus.tls-refused',
    'refuses our certificate, or that we have none',
    'Give `tls: { cert, key }`, and make the device trust them.',
  ],
  [
    /^ERR_SSL|^EPROTO/,
    'modbus.tls-none',
    'does not speak TLS as we do',
    'Check the port (802 is usual), or remove `tls` if the device has none.',
  ],
  [
    /^ERR_OSSL|PEM/,
    'modbus.tls-file',
    'cannot be called: certificate and key are no PEM, or do not belong together',
    'Check `tls: { ca, cert, key }`.',
  ],
]

const noTlsRemedy = 'Check the port (802 is usual), or remove `tls` if the device has none.'

export function noHandshake(peer: string, waitedMs: number): Fault {
  return new UnwelcomeFault('modbus.tls-none', `${peer} took the connection and said nothing about TLS for ${waitedMs} ms.`, {
    remedy: noTlsRemedy,
    isRetryable: true,
  })
}

/** `cause`: of the socket, where it gave one. */
export function handshakeFailed(peer: string, cause?: unknown): Fault {
  const tls = tlsFault(peer, cause)
  if (tls !== undefined) return tls
  return new UnwelcomeFault('modbus.tls-handshake', `${peer} took the connection and broke it off in the TLS handshake.`, {
    remedy: `${noTlsRemedy} If it has, it may want a certificate of ours, \`tls: { cert, key }\`, or an older TLS than 1.2.`,
    isRetryable: true,
    cause,
  })
}

export function tlsFault(peer: string, error: unknown): Fault | undefined {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  const known = remedyOfTls.find(([pattern]) => pattern.test(code))
  if (known === undefined) return undefined
  const [, faultCode, what, remedy] = known
  return new UnwelcomeFault(faultCode, `${peer} ${what} (${code}).`, { remedy, isRetryable: true, cause: error })
}
