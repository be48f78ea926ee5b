import { Fault } from '../../base/fault.ts'
import { UnwelcomeFault } from '../device-faults.ts'
import { statusName } from './quality.ts'

export function noAnswer(what: string, timeoutMs: number): Fault {
  return new Fault('opcua.no-answer', `The server did not answer ${what} within ${timeoutMs} ms.`, {
    remedy: 'Look whether the server is overloaded or stopped; raise connection.timeout if it is only slow.',
    isRetryable: true,
  })
}

export function connectionLost(url: string, why: string, cause?: unknown): Fault {
  return new Fault('opcua.connection-lost', `The connection to ${url} is gone: ${why}.`, {
    remedy: 'Wait: it is made again. If it keeps breaking, look at the network and at the log of the server.',
    isRetryable: true,
    ...(cause === undefined ? {} : { cause }),
  })
}

/** What the library says when it cannot connect, told by what the reader can do about it. */
export function cannotConnect(url: string, error: unknown): Fault {
  if (error instanceof Fault) return error
  const text = errorText(error)
  const known = connectFailures.find(({ pattern }) => pattern.test(text))
  const Kind = known === undefined || absences.has(known.code) ? Fault : UnwelcomeFault
  return new Kind(known?.code ?? 'opcua.cannot-connect', `Cannot connect to ${url}: ${known?.means ?? text}.`, {
    remedy: known?.remedy ?? 'Check the address, and look at the log of the server for the reason.',
    isRetryable: true,
    cause: error,
  })
}

/** Nothing is there, which may change any moment; of the rest the server itself is the reason. */
const absences: ReadonlySet<string> = new Set(['opcua.refused', 'opcua.unknown-host'])

const noOpcua = {
  code: 'opcua.no-opcua',
  means: 'something listens at this port, and does not answer as an OPC UA server does',
  remedy: 'Look up the port of the OPC UA server, usually 4840; if it is this one, restart the server or close other clients.',
}

export function notOpcua(url: string): Fault {
  return new UnwelcomeFault(noOpcua.code, `Cannot connect to ${url}: ${noOpcua.means}.`, { remedy: noOpcua.remedy, isRetryable: true })
}

export function noConnection(url: string, withinMs: number): Fault {
  return new Fault('opcua.no-connection', `Cannot connect to ${url}: no connection was accepted within ${withinMs / 1_000} s.`, {
    remedy: 'Check the address, that the machine is on, and that no firewall drops the packets.',
    isRetryable: true,
  })
}

const connectFailures = [
  { pattern: /in waiting for data on socket|ended by server|disconnected by third party/, ...noOpcua },
  {
    pattern: /ECONNREFUSED/,
    code: 'opcua.refused',
    means: 'nothing listens at this port',
    remedy: 'Start the server, or correct connection.url.',
  },
  {
    pattern: /ENOTFOUND|EAI_AGAIN/,
    code: 'opcua.unknown-host',
    means: 'the host name has no address',
    remedy: 'Correct the host in connection.url, or write its IP address.',
  },
  {
    pattern: /Bad(Certificate|CertificateIssuer)TimeInvalid/,
    code: 'opcua.certificate-time',
    means: 'the server says that the certificate of this gateway is not valid now, so the two clocks differ',
    remedy: 'Set the clock of the server and of this machine, best both by NTP. This gateway renews its certificate by itself.',
  },
  {
    pattern: /Cannot find .*token policy|BadIdentityChangeNotSupported/i,
    code: 'opcua.user-kind',
    means: 'the server takes no users of this kind',
    remedy: 'Give connection.user as the server wants it: none, a name with a password, or a certificate; or let the server take yours.',
  },
  {
    pattern: /BadUserAccessDenied|BadIdentityTokenRejected|BadIdentityTokenInvalid|BadUserSignatureInvalid/,
    code: 'opcua.user-refused',
    means: 'the server refuses this user',
    remedy: 'Correct connection.user and its password or certificate, let the server trust the certificate, or accept anonymous sessions.',
  },
  {
    pattern: /BadSecurityChecksFailed|BadCertificateUntrusted|BadCertificateUriInvalid|BadCertificate/,
    code: 'opcua.certificate-refused',
    means: 'the server does not trust the certificate of this gateway',
    remedy:
      "Trust the certificate in the server's list of rejected certificates; it is the file client-certificate.pem in the state folder of the device.",
  },
  {
    pattern: /BadTooManySessions/,
    code: 'opcua.too-many-sessions',
    means: 'the server has no session left',
    remedy: 'Close other clients, or raise the limit of the server; sessions of dead clients end by themselves after a while.',
  },
] as const

export function badAnswer(what: string, error: unknown): Fault {
  if (error instanceof Fault) return error
  return new Fault('opcua.request-failed', `The server refused ${what}: ${errorText(error)}.`, {
    remedy: 'Look at the log of the server for the reason.',
    isRetryable: true,
    cause: error,
  })
}

/** The library gave up before anything reached the socket. */
export function wasNotSent(error: unknown): boolean {
  return notSent.test(errorText(error instanceof Fault ? (error.cause ?? error) : error))
}

/** What was sent may have been carried out: no answer came that says otherwise. */
export function mayHaveHappened(error: unknown): boolean {
  const cause = error instanceof Fault ? (error.cause ?? error) : error
  const text = errorText(cause)
  if (wasNotSent(error)) return false
  const isAnswered = cause instanceof Error && 'response' in cause && cause.response !== undefined
  return !isAnswered || lateAnswers.test(text)
}

const notSent = /Invalid Channel|Socket is closed|Client not connected|Session has been closed|Channel has been closed/
/** The server answered that it does not know either. */
const lateAnswers = /BadTimeout|BadRequestTimeout|BadRequestInterrupted|BadShutdown|BadOperationAbandoned|BadUnexpectedError/

export function notAttempted(what: string, cause: unknown): Fault {
  return new Fault('opcua.not-sent', `${what} was not sent: what went before it was not answered.`, {
    remedy: 'Ask again when the device is back.',
    isRetryable: true,
    cause,
  })
}

export function writeRefused(id: string, status: number): Fault {
  return new Fault('opcua.write-refused', `The server refused to write ${id}: ${statusName(status)}.`, {
    remedy: 'Check that the node is writable for this user, and takes such a value.',
  })
}

export function valueRefused(id: string, value: unknown, needs: string): Fault {
  const text = typeof value === 'string' ? JSON.stringify(value.slice(0, 50)) : String(value).slice(0, 50)
  return new Fault('opcua.value-type', `${text} cannot be written to ${id}: the node is of type ${needs}.`, {
    remedy: `Write a value that fits ${needs}${forms[needs] ?? ''}.`,
  })
}

/** There is no such node, it has neither a type nor a value, or it is a structure. */
export function typeUnknown(id: string): Fault {
  return new Fault('opcua.type-unknown', `Nothing can be written to ${id}: the server does not say of what type its node is.`, {
    remedy:
      'Look at the status of the tag: where it is BadNodeIdUnknown, correct its node; a structure is written as a whole only, by nobody here.',
  })
}

/** Of types whose values are texts of a form. */
const forms: Readonly<Record<string, string>> = {
  DateTime: ', like 2026-11-21T02:30:00Z',
  Guid: ', like 72962B91-FA75-4AE6-8D28-B404DC7DAF63',
  NodeId: ' as it is read: ns=2;s=Press, or ns=0;i=85',
  QualifiedName: ' as it is read: 2:Press, or Press',
  Int64: ' as a number, or as a text where the tag has `type: i64`',
  UInt64: ' as a number, or as a text where the tag has `type: u64`',
  ByteString: ', in base64, and give the tag `type: bytes`',
}

export function errorText(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return text.replaceAll(/\s+/g, ' ').trim().slice(0, 300)
}
