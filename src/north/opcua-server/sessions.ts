import { StatusCodes } from 'node-opcua-status-code'
import type { Asker } from '../../model/command.ts'
import type { Role } from '../../model/tag.ts'
import type { OpcuaServerConfig } from './config.ts'

/** The access list, as this server needs it. Without one, nobody has a user. */
export interface OpcuaAccess {
  admit(credentials: OpcuaCredentials): OpcuaAdmission | Promise<OpcuaAdmission>
}

export interface OpcuaCredentials {
  readonly user?: string
  readonly password?: Uint8Array
  readonly remoteAddress?: string
}

export type OpcuaAdmission = { readonly isAdmitted: true; readonly role: Role } | { readonly isAdmitted: false }

/** Of the library's server: the one place where it decides whether a session may be activated. */
interface Authorizer {
  isUserAuthorized(channel: Channel, session: object, token: Token, callback: AuthorizedCallback): void
}

interface Channel {
  readonly remoteAddress: string
}

interface Token {
  readonly schema: { readonly name: string }
  readonly userName?: string | null
}

type AuthorizedCallback = (error: Error | null, isAuthorized?: boolean, status?: unknown) => void

/** Who is behind each session. Forgotten with the session. */
export class Sessions {
  readonly #access: OpcuaAccess
  readonly #askers = new WeakMap<object, Asker>()
  readonly #addresses = new WeakMap<object, string>()
  refused = 0

  constructor(config: OpcuaServerConfig, access: OpcuaAccess | undefined) {
    this.#access = access ?? anonymousOnly(config)
  }

  askerOf(session: object | undefined): Asker | undefined {
    return session === undefined ? undefined : this.#askers.get(session)
  }

  /** Each activation is decided anew: a session may change its user. */
  guard(server: object): void {
    const library = server as Authorizer
    const authorize = library.isUserAuthorized.bind(library)
    const isUserAuthorized = (channel: Channel, session: object, token: Token, callback: AuthorizedCallback): void => {
      this.#askers.delete(session)
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

  async #admit(session: object, { name, ...who }: { readonly name: string } & OpcuaCredentials): Promise<boolean> {
    const remoteAddress = this.#addresses.get(session)
    const admission = await this.#ask({ ...who, ...(remoteAddress === undefined ? {} : { remoteAddress }) })
    if (admission.isAdmitted) this.#askers.set(session, { road: 'opcua', name, role: admission.role })
    else this.refused += 1
    return admission.isAdmitted
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
  }
}

/** 127.0.0.0/8 and ::1, also as IPv4 inside IPv6. */
function isLoopback(address: string | undefined): boolean {
  return address !== undefined && (address === '::1' || /^(?:::ffff:)?127\./.test(address))
}
