import type { Clock } from '../../base/clock.ts'
import { Fault } from '../../base/fault.ts'
import type { Log } from '../../base/log.ts'
import type { Metric } from '../../base/metric.ts'
import type { Running } from '../../base/running.ts'
import type { SiteEvent } from '../../model/event.ts'
import type { Role } from '../../model/tag.ts'
import { CredentialsCheck } from './credentials-check.ts'
import { type Refusal, Refusals } from './refusals.ts'
import { type GatewayTopics, isOfOtherGateway, type Rights, rightsOf } from './rights.ts'
import type { User } from './user.ts'
import { openUsers, type Users } from './users.ts'

/** What somebody at the door shows of himself. */
export interface Credentials {
  readonly user?: string
  readonly password?: Uint8Array
  /** Names in a client certificate that our authority has signed. */
  readonly certificate?: readonly string[]
  /** As the socket has it; absent where the peer has gone already. */
  readonly remoteAddress?: string
}

/** Who that is, or why not. */
export type Admission =
  | {
      readonly isAdmitted: true
      readonly role: Role
      readonly rights: Rights
      /** Absent: nobody in particular. */
      readonly name?: string
      /** Whether he might still come in like this; false once his user was changed or removed. */
      isValid(): boolean
    }
  | { readonly isAdmitted: false; readonly fault: Fault }

export interface AnonymousRule {
  readonly role: Role
  readonly isFromAnywhere: boolean
}

/** Says who may come in by one door, and what for. */
export interface DoorAccess {
  admit(credentials: Credentials): Promise<Admission>
  /** Called when somebody may have lost his rights. */
  onChange(listener: () => void): Disposable
}

/** One list of users for every door of the gateway. */
export interface Access {
  /** Whoever comes without credentials is judged by the door's own rule. */
  at(door: DoorName, anonymous: AnonymousRule | undefined): DoorAccess
  metrics(): readonly Metric[]
}

/** As its key in lineside.yaml. */
export type DoorName = 'mqtt' | 'api' | 'opcua'

export interface AccessOptions {
  /** Absent: there are none, and whoever shows credentials is refused rather than taken for somebody. */
  readonly users?: Users
  readonly clock?: Clock
  readonly gateway?: GatewayTopics
  /** Told of everybody who is not let in. */
  readonly refusals?: Refusals
}

export interface StartAccessOptions {
  readonly stateFolder: string
  readonly gateway: GatewayTopics
  readonly clock: Clock
  readonly log: Log
  /** Into the journal. */
  readonly record: (event: SiteEvent) => void
}

/** The access list of a gateway that runs: it follows the list of users in its state folder. */
export function startAccess({ stateFolder, gateway, clock, log, record }: StartAccessOptions): Access & Running {
  const users = openUsers({ stateFolder, clock, log })
  const refusals = new Refusals({ clock, log, record })
  const access = openAccess({ users, clock, gateway, refusals })
  return {
    ...access,
    failure: users.failure,
    [Symbol.asyncDispose]: async () => {
      refusals[Symbol.dispose]()
      await users[Symbol.asyncDispose]()
    },
  }
}

export function openAccess({ users, clock, gateway = { site: '', node: '' }, refusals }: AccessOptions): Access {
  const check = users === undefined || clock === undefined ? undefined : new CredentialsCheck({ users, clock })
  const userFor = async ({ user, password, certificate, remoteAddress }: Credentials): Promise<User | undefined> => {
    if (password !== undefined) return await check?.userFor(user ?? '', password, remoteAddress ?? '')
    const shown = certificate === undefined || certificate.length === 0 ? undefined : await users?.byCertificate(certificate)
    return user === undefined || shown?.name === user ? shown : undefined
  }
  const admit = async (credentials: Credentials, place: Place): Promise<Admission> => {
    try {
      const user = await userFor(credentials)
      if (user !== undefined) return admitted(user, { users, gateway })
      const fault = refusal(credentials, place)
      return fault === undefined && place.anonymous !== undefined
        ? nameless(place.anonymous.role, gateway)
        : refused(fault ?? noAnonymous(place.door))
    } catch (error) {
      if (error instanceof Fault) return refused(error)
      throw error
    }
  }
  return {
    at: (door, anonymous) => ({
      admit: async (credentials) => {
        const admission = await admit(credentials, { door, anonymous })
        if (!admission.isAdmitted && isAttempt(door, credentials)) refusals?.note(noteOf(door, credentials, admission.fault))
        return admission
      },
      onChange: (listener) => users?.onChange(listener) ?? { [Symbol.dispose]: () => {} },
    }),
    metrics: () => [...checkMetrics(check), ...(refusals?.metrics() ?? [])],
  }
}

interface Place {
  readonly door: DoorName
  readonly anonymous: AnonymousRule | undefined
}

/** A browser always comes without credentials first, to be asked for them. */
function isAttempt(door: DoorName, { user, password }: Credentials): boolean {
  return door !== 'api' || user !== undefined || password !== undefined
}

function noteOf(door: DoorName, { user, remoteAddress = 'nowhere' }: Credentials, { code, remedy }: Fault): Refusal {
  return { door, address: remoteAddress, user, code, remedy }
}

function checkMetrics(check: CredentialsCheck | undefined): readonly Metric[] {
  const { hashed, refused } = check?.counts ?? { hashed: 0, refused: 0 }
  return [
    { name: 'lineside_access_passwords_checked_total', help: 'Passwords worked out.', type: 'counter', value: hashed },
    {
      name: 'lineside_access_passwords_refused_total',
      help: 'Passwords refused without a look: too many came.',
      type: 'counter',
      value: refused,
    },
  ]
}

interface Context {
  readonly users: Users | undefined
  readonly gateway: GatewayTopics
}

function admitted(user: User, { users, gateway }: Context): Admission {
  const stamp = JSON.stringify(user)
  const isValid = (): boolean => {
    const now = users?.current(user.name)
    return now === user || (now !== undefined && JSON.stringify(now) === stamp)
  }
  return { isAdmitted: true, role: user.role, name: user.name, rights: rightsOf(user.role, user, gateway), isValid }
}

/** A site that lets nameless operators in is a bench: there they may publish whatever they like below topics that are nobody's, gateways among them. */
function nameless(role: Role, gateway: GatewayTopics): Admission {
  const rights = rightsOf(role, {}, gateway)
  const bench = role === 'operator' ? { ...rights, mayWrite: (topic: string) => !isOfOtherGateway(topic, gateway) } : rights
  return { isAdmitted: true, role, rights: bench, isValid: () => true }
}

function refused(fault: Fault): Admission {
  return { isAdmitted: false, fault }
}

function refusal({ user, password, remoteAddress }: Credentials, { door, anonymous }: Place): Fault | undefined {
  if (user !== undefined || password !== undefined) return unknownUser()
  if (anonymous === undefined) return noAnonymous(door)
  return anonymous.isFromAnywhere || isLoopback(remoteAddress) ? undefined : fromElsewhere(door)
}

/** 127.0.0.0/8 and ::1, also as IPv4 inside IPv6. */
function isLoopback(address: string | undefined): boolean {
  if (address === undefined) return false
  return address === '::1' || /^(?:::ffff:)?127\./.test(address)
}

function unknownUser(): Fault {
  return new Fault('access.user-unknown', 'User name or password is wrong.', {
    remedy: 'Look at `lineside user list`; `lineside user passwd NAME` gives a new password.',
  })
}

function noAnonymous(door: DoorName): Fault {
  return new Fault('access.anonymous', 'This gateway lets nobody in without credentials.', {
    remedy: `Use a name and password (\`lineside user add\`), or set \`${door}: { anonymous: true }\` in lineside.yaml to let programs of this machine read.`,
  })
}

function fromElsewhere(door: DoorName): Fault {
  return new Fault('access.anonymous-remote', 'Without credentials this gateway serves its own machine only.', {
    remedy: `Use a name and password (\`lineside user add\`), or set \`${door}: { anonymous: { role: viewer, anywhere: true } }\` if the whole network may read.`,
  })
}
