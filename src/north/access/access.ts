import { Fault } from '../../base/fault.ts'
import type { Role } from '../../model/tag.ts'

/** What somebody at the door shows of himself. */
export interface Credentials {
  readonly user?: string
  readonly password?: Uint8Array
  /** As the socket has it; absent where the peer has gone already. */
  readonly remoteAddress?: string
}

/** Who that is, or why not. */
export type Admission = { readonly isAdmitted: true; readonly role: Role } | { readonly isAdmitted: false; readonly fault: Fault }

export interface AnonymousRule {
  readonly role: Role
  readonly isFromAnywhere: boolean
}

/** Says who may come in. There are no users yet: whoever shows credentials cannot be known, and is refused rather than taken for somebody. */
export interface Access {
  admit(credentials: Credentials): Admission
}

export function openAccess(rules: { readonly anonymous?: AnonymousRule | undefined }): Access {
  return {
    admit: (credentials) => {
      const fault = refusal(credentials, rules.anonymous)
      if (fault === undefined && rules.anonymous !== undefined) return { isAdmitted: true, role: rules.anonymous.role }
      return { isAdmitted: false, fault: fault ?? noAnonymous() }
    },
  }
}

function refusal({ user, password, remoteAddress }: Credentials, anonymous: AnonymousRule | undefined): Fault | undefined {
  if (user !== undefined || password !== undefined) return unknownUser()
  if (anonymous === undefined) return noAnonymous()
  return anonymous.isFromAnywhere || isLoopback(remoteAddress) ? undefined : fromElsewhere()
}

/** 127.0.0.0/8 and ::1, also as IPv4 inside IPv6. */
function isLoopback(address: string | undefined): boolean {
  if (address === undefined) return false
  return address === '::1' || /^(?:::ffff:)?127\./.test(address)
}

function unknownUser(): Fault {
  return new Fault('access.user-unknown', 'User name or password is wrong.', {
    remedy: 'This gateway has no users yet: connect without user name and password, where `anonymous` allows it.',
  })
}

function noAnonymous(): Fault {
  return new Fault('access.anonymous', 'This gateway lets nobody in without credentials.', {
    remedy: 'Set `mqtt: { anonymous: true }` in lineside.yaml to let this machine read, or { role: operator } to let it write too.',
  })
}

function fromElsewhere(): Fault {
  return new Fault('access.anonymous-remote', 'Without credentials this gateway serves its own machine only.', {
    remedy: 'Set `mqtt: { anonymous: { role: viewer, anywhere: true } }` in lineside.yaml if the whole network may read.',
  })
}
