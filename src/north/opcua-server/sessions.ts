import { StatusCodes } from 'node-opcua-status-code'
import type { Asker } from '../../model/command.ts'
import type { Role } from '../../model/tag.ts'
import type { OpcuaServerConfig } from './config.ts'

/** The access list, as this server needs it. Without one, nobody has a user. */
export interface OpcuaAccess {
  admit(credentials: OpcuaCredentials): OpcuaAdmission | Promise<OpcuaAdmission>
  /** Called when somebody may have lost his rights. */
  onChange(listener: () => void): Disposable
}

export interface OpcuaCredentials {
  readonly user?: string
  readonly password?: Uint8Array
  readonly remoteAddress?: string
}

export type OpcuaAdmission = Admitted | { readonly isAdmitted: false }

interface Admitted {
  readonly isAdmitted: true
  readonly role: Role
  /** Absent: by the role alone. */
  readonly rights?: Rights
  /** False once the user was changed or removed. */
  isValid?(): boolean
}

/** By MQTT topic: the access list speaks of these at every door. */
interface Rights {
  mayRead(filter: string): boolean
  mayWrite(topic: string): boolean
  readonly hasOwnWriteRules: boolean
}

interface Visitor {
  readonly asker: Asker
  readonly admission: Admitted
  /** Whether there is anything on the site that he may not read. */
  readonly isLimited: boolean
}

/** Of the library's server: the one place where it decides whether a session may be activated. */
interface Authorizer {
  isUserAuthorized(channel: Channel, session: object, token: Token, callback: AuthorizedCallback): void
}

interface Session {
  readonly authenticationToken: unknown
}

interface SessionKeeper {
  on(event: 'session_closed', listener: (session: Session) => void): void
  readonly engine: { closeSession(token: unknown, isWithSubscriptions: boolean, reason: 'Forcing'): void }
}

interface Channel {
  readonly remoteAddress: string
}

interface Token {
  readonly schema: { readonly name: string }
  readonly userName?: string | null
}

type AuthorizedCallback = (error: Error | null, isAuthorized?: boolean, status?: unknown) => void

interface SessionsOptions {
  readonly config: OpcuaServerConfig
  /** The root of the tags' topics. */
  readonly site: string
  readonly access: OpcuaAccess | undefined
  /** The gateway, whose topics those of its flows are. */
  readonly node: string
}

/** Who is behind each session. Forgotten with the session. */
export class Sessions {
  readonly #access: OpcuaAccess
  readonly #site: string
  readonly #node: string
  readonly #visitors = new Map<Session, Visitor>()
  readonly #addresses = new WeakMap<object, string>()
  refused = 0

  constructor({ config, site, access, node }: SessionsOptions) {
    this.#access = access ?? anonymousOnly(config)
    this.#site = site
    this.#node = node
  }

  /** Who asks for a write of this tag; undefined for a session that was never let in, or may not write it by its own rules. */
  askerOf(session: object | undefined, tag: string): Asker | undefined {
    return this.#askerFor(session, `${this.#site}/${tag}/set`)
  }

  /** Whoever asks, for the journal. */
  whoIs(session: object | undefined): Asker {
    const visitor = session === undefined ? undefined : this.#visitors.get(session as Session)
    return visitor?.asker ?? { road: 'opcua', name: 'somebody', role: 'viewer' }
  }

  /** Who starts this flow; undefined for a session that was never let in, or may not start it by its own rules. */
  starterOf(session: object | undefined, flow: string): Asker | undefined {
    return this.#askerFor(session, `lineside/${this.#node}/flows/${flow}/start`)
  }

  /** Whether the user of this session may read the tag. The server itself, which has no session, may. */
  mayRead(session: object | undefined, tag: string): boolean {
    const visitor = session === undefined ? undefined : this.#visitors.get(session as Session)
    return visitor?.isLimited !== true || visitor.admission.rights?.mayRead(`${this.#site}/${tag}`) !== false
  }

  /** Ends the sessions of those who may not come in any more, as soon as that is known. */
  follow(server: object): Disposable {
    const library = server as SessionKeeper
    library.on('session_closed', (session) => void this.#visitors.delete(session))
    return this.#access.onChange(() => {
      for (const [session, { admission }] of [...this.#visitors]) {
        if (admission.isValid?.() !== false) continue
        this.#visitors.delete(session)
        library.engine.closeSession(session.authenticationToken, true, 'Forcing')
      }
    })
  }

  /** Each activation is decided anew: a session may change its user. */
  guard(server: object): void {
    const library = server as Authorizer
    const authorize = library.isUserAuthorized.bind(library)
    const isUserAuthorized = (channel: Channel, session: object, token: Token, callback: AuthorizedCallback): void => {
      this.#visitors.delete(session as Session)
      this.#addresses.set(session, channel.remoteAddress)
      if (token.schema.name === 'UserNameIdentityToken')
        authorize(channel, session, token, callback) // decrypts, then asks `isValidUser`
      else if (token.schema.name !== 'AnonymousIdentityToken') callback(null, false, StatusCodes.BadIdentityTokenRejected)
      else this.#admit(session, { name: 'anonymous' }).then((isAdmitted) => callback(null, isAdmitted))
    }
    Object.assign(server, { isUserAuthorized })
  }

  /** What the library calls with the password in clear. */
  async isValidUser(session: object, user: string, password: string): Promise<boolean> {
    return await this.#admit(session, { name: user, user, password: Buffer.from(password) })
  }

  #askerFor(session: object | undefined, topic: string): Asker | undefined {
    const visitor = session === undefined ? undefined : this.#visitors.get(session as Session)
    const rights = visitor?.admission.rights
    return rights?.hasOwnWriteRules === true && !rights.mayWrite(topic) ? undefined : visitor?.asker
  }

  async #admit(session: object, { name, ...who }: { readonly name: string } & OpcuaCredentials): Promise<boolean> {
    const remoteAddress = this.#addresses.get(session)
    const admission = await this.#ask({ ...who, ...(remoteAddress === undefined ? {} : { remoteAddress }) })
    if (!admission.isAdmitted) {
      this.refused += 1
      return false
    }
    const asker: Asker = { road: 'opcua', name, role: admission.role }
    this.#visitors.set(session as Session, { asker, admission, isLimited: admission.rights?.mayRead('#') === false })
    return true
  }

  async #ask(credentials: OpcuaCredentials): Promise<OpcuaAdmission> {
    try {
      return await this.#access.admit(credentials)
    } catch {
      return { isAdmitted: false } // who cannot be asked about is not let in
    }
  }
}

function anonymousOnly({ anonymous }: OpcuaServerConfig): OpcuaAccess {
  return {
    admit: ({ user, remoteAddress }) => {
      if (user !== undefined || anonymous === undefined) return { isAdmitted: false }
      const isNear = anonymous.isFromAnywhere || isLoopback(remoteAddress)
      return isNear ? { isAdmitted: true, role: anonymous.role } : { isAdmitted: false }
    },
    onChange: () => ({ [Symbol.dispose]: () => {} }),
  }
}

/** 127.0.0.0/8 and ::1, also as IPv4 inside IPv6. */
function isLoopback(address: string | undefined): boolean {
  return address !== undefined && (address === '::1' || /^(?:::ffff:)?127\./.test(address))
}
