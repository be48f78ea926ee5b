import type { IncomingHttpHeaders } from 'node:http'
import type { FastifyRequest } from 'fastify'
import { Fault } from '../../base/fault.ts'
import { isOwnName } from '../../base/own-name.ts'
import type { Asker } from '../../model/command.ts'
import type { Role } from '../../model/tag.ts'

/** What the API needs of the access list. */
export interface ApiAccess {
  admit(credentials: {
    readonly user?: string
    readonly password?: Uint8Array
    readonly remoteAddress?: string
  }): Promise<Admitted | { readonly isAdmitted: false; readonly fault: Fault }>
  /** Called when somebody may have lost his rights. */
  onChange(listener: () => void): Disposable
}

interface Admitted {
  readonly isAdmitted: true
  readonly role: Role
  readonly name?: string
  readonly rights: {
    mayRead(filter: string): boolean
    mayWrite(topic: string): boolean
    readonly hasOwnWriteRules: boolean
  }
  isValid(): boolean
}

/** Whoever sends a request, and what he may see and do. */
export interface Visitor {
  readonly by: Asker
  /** Whether there is nothing that he may not see. */
  readonly seesAll: boolean
  /** By MQTT topic: what is told by HTTP has one there. */
  mayRead(topic: string): boolean
  mayWrite(topic: string): boolean
  /** False once his user was changed or removed. */
  isValid(): boolean
}

export interface VisitorOptions {
  readonly access: ApiAccess
  /** Whether the request came by way of the private socket. */
  readonly isPrivate: (socket: object) => boolean
  /** Reading needs no credentials. */
  readonly isOpenToRead: boolean
}

/** Writes and whatever else changes something: they need somebody who is known, also where reading is open. */
export type Intent = 'read' | 'change'

const everything = { seesAll: true, mayRead: () => true, mayWrite: () => true, isValid: () => true } as const

/** Who sends this request. Throws the access list's fault, `access.scheme`, or `access.origin`. */
export async function visitorOf(request: FastifyRequest, intent: Intent, options: VisitorOptions): Promise<Visitor> {
  if (options.isPrivate(request.raw.socket)) return { ...everything, by: { road: 'api', name: 'local', role: 'admin' } } // the kernel has looked at the user already
  if (intent === 'change') refuseForeignPage(request)
  const { authorization } = request.headers
  const remoteAddress = addressOf(request)
  const by = { road: 'api', name: remoteAddress ?? 'somebody', role: 'viewer' } as const
  if (authorization === undefined && intent === 'read' && options.isOpenToRead) return { ...everything, by }
  const admission = await options.access.admit({
    ...(authorization === undefined ? {} : credentialsIn(authorization)),
    ...(remoteAddress === undefined ? {} : { remoteAddress }),
  })
  if (!admission.isAdmitted) throw admission.fault
  const { name, role, rights } = admission
  return {
    by: { ...by, role, ...(name === undefined ? {} : { name }) },
    seesAll: rights.mayRead('#'),
    mayRead: rights.mayRead,
    mayWrite: (topic) => !rights.hasOwnWriteRules || rights.mayWrite(topic),
    isValid: admission.isValid,
  }
}

/** RFC 7617: UTF-8, and everything after the first colon is the password. */
function credentialsIn(authorization: string): { readonly user: string; readonly password?: Uint8Array } {
  const [, encoded] = /^basic +([A-Za-z0-9+/=_-]{1,1024})$/i.exec(authorization) ?? []
  const decoded = Buffer.from(encoded ?? '', 'base64')
  const colon = decoded.indexOf(':')
  if (encoded === undefined || colon < 0) return { user: '' } // a token that nobody gave out: there are none yet
  return { user: decoded.subarray(0, colon).toString('utf8'), password: decoded.subarray(colon + 1) }
}

/** Whoever comes through a proxy on this machine is not therefore on this machine; what the proxy says of him anybody could say. */
function addressOf({ headers, raw }: { readonly headers: IncomingHttpHeaders; readonly raw: FastifyRequest['raw'] }): string | undefined {
  const isForwarded = headers['x-forwarded-for'] !== undefined || headers.forwarded !== undefined
  return isForwarded ? 'a proxy' : raw.socket.remoteAddress
}

/**
 * A page of another site, open in a browser on this machine or beside it, must not write to a PLC with the rights of whoever looks at it. Browsers
 * send `Origin` with every POST; a name that was pointed at this machine only to get past that is none of the names the machine has.
 */
function refuseForeignPage({ headers: { origin, host } }: FastifyRequest): void {
  if (origin === undefined) return
  const page = URL.canParse(origin) ? new URL(origin) : undefined
  if (page !== undefined && page.host === host && isOwnName(page.hostname)) return
  throw new Fault('access.origin', `A page of ${origin.slice(0, 100)} may not write here.`, {
    remedy: 'Write from a page that this gateway serves under its address or its host name, or without a browser.',
  })
}
