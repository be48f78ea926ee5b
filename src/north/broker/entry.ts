import type { AuthenticateError, Client } from 'aedes'
import type { Fault } from '../../base/fault.ts'
import type { MqttConfig } from './config.ts'
import type { Admitted, DoorKeeper } from './door-keeper.ts'
import { localAdmission } from './door-keeper.ts'
import { type Incidents, incidentKinds } from './incidents.ts'
import type { Wire } from './wire.ts'

const clientIdMax = 256
/** MQTT 3.2.2.3. */
const returnCodes = { identifier: 2, unavailable: 3, credentials: 4, notAuthorized: 5 } as const
/** Refusals that pass by themselves. */
const passing = new Set(['access.busy', 'access.back-off'])

export interface EntryOptions {
  readonly config: MqttConfig
  readonly access: DoorKeeper
  readonly incidents: Incidents
  /** Whether one more would be too many; who takes over its own connection is none more. */
  readonly isFull: (clientId: string) => boolean
}

export interface Claim {
  readonly client: Client
  readonly wire: Wire
  readonly user: string | undefined
  readonly password: Buffer | undefined
}

/** The CONNECT of each client: whether it may come in, and as whom. */
export class Entry {
  readonly #options: EntryOptions
  readonly #claims = new WeakMap<Client, 'fits' | 'doesNotFit'>()
  /** Client ids with a session that outlives the connection. */
  readonly #sessions = new Set<string>()

  constructor(options: EntryOptions) {
    this.#options = options
  }

  get sessions(): number {
    return this.#sessions.size
  }

  /** What aedes would let pass: no name, and yet a session under it. */
  claim(client: Client, { clientId, clean }: { readonly clientId: string; readonly clean?: boolean | undefined }): void {
    const isNameless = clientId === '' && clean === false
    this.#claims.set(client, isNameless || clientId.length > clientIdMax ? 'doesNotFit' : 'fits')
  }

  async enter({ client, wire, user, password }: Claim): Promise<Admitted | AuthenticateError> {
    const { access, incidents } = this.#options
    if (wire.socket.destroyed) return refusal(returnCodes.unavailable) // it has gone, and its address with it
    const { address } = wire
    const fields = { client: client.id, address }
    const refuse = (sentence: string, code: number, fault?: Fault): AuthenticateError => {
      incidents.note(sentence, fault === undefined ? fields : { ...fields, code: fault.code, remedy: fault.remedy })
      return refusal(code)
    }
    if (this.#claims.get(client) !== 'fits') return refuse(incidentKinds.identifier, returnCodes.identifier)
    const admission =
      wire.door === 'private'
        ? localAdmission
        : await access.admit({
            certificate: wire.certificate,
            ...(user === undefined ? {} : { user }),
            ...(password === undefined ? {} : { password }),
            ...(address === undefined ? {} : { remoteAddress: address }),
          })
    if (!admission.isAdmitted) {
      const code = user === undefined ? returnCodes.notAuthorized : returnCodes.credentials
      return refuse(incidentKinds.notAdmitted, passing.has(admission.fault.code) ? returnCodes.unavailable : code, admission.fault)
    }
    if (wire.socket.destroyed) return refusal(returnCodes.unavailable) // while its password was looked at
    if (this.#options.isFull(client.id)) return refuse(incidentKinds.tooMany, returnCodes.unavailable)
    if (!this.#mayKeepSession(client)) return refuse(incidentKinds.tooManySessions, returnCodes.unavailable)
    return admission
  }

  #mayKeepSession({ id, clean }: Client): boolean {
    if (clean) this.#sessions.delete(id)
    else if (!this.#sessions.has(id) && this.#sessions.size >= this.#options.config.limits.sessionsMax) return false
    else this.#sessions.add(id)
    return true
  }
}

function refusal(returnCode: number): AuthenticateError {
  return Object.assign(new Error('refused'), { returnCode })
}
