import type { FastifyRequest } from 'fastify'
import { Fault } from '../../base/fault.ts'
import { isOwnName } from '../../base/own-name.ts'
import type { Asker } from '../../model/command.ts'
import type { Role } from '../../model/tag.ts'

/** What the API needs of the access list. */
export interface ApiAccess {
  admit(credentials: {
    readonly user?: string
    readonly remoteAddress?: string
  }): Promise<{ readonly isAdmitted: true; readonly role: Role } | { readonly isAdmitted: false; readonly fault: Fault }>
}

export interface AskerOptions {
  readonly access: ApiAccess
  /** Whether the request came by way of the private socket. */
  readonly isPrivate: (socket: object) => boolean
}

/** Who asks for a write. Throws the access list's fault, or `access.origin`. */
export async function askerOf(request: FastifyRequest, { access, isPrivate }: AskerOptions): Promise<Asker> {
  if (isPrivate(request.raw.socket)) return { road: 'api', name: 'local', role: 'admin' } // the kernel has looked at the user already
  refuseForeignPage(request)
  const { authorization } = request.headers
  const remoteAddress = addressOf(request)
  const admission = await access.admit({
    ...(authorization === undefined ? {} : { user: '' }), // a token that nobody gave out: there are none yet
    ...(remoteAddress === undefined ? {} : { remoteAddress }),
  })
  if (!admission.isAdmitted) throw admission.fault
  return { road: 'api', name: remoteAddress ?? 'somebody', role: admission.role }
}

/** Whoever comes through a proxy on this machine is not therefore on this machine; what the proxy says of him anybody could say. */
function addressOf({ headers, raw }: FastifyRequest): string | undefined {
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
