import type { AuthenticateError, Client } from 'aedes'
import type { Fault } from '../../base/fault.ts'
import type { MqttConfig } from './config.ts'
import type { Admitted, DoorKeeper } from './door-keeper.ts'
import { localAdmission } from './door-keeper.ts'
import { type Incidents, incidentKinds } from './incidents.ts'
import type { Sessions } from './sessions.ts'
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
  readonly sessions: Pick<Sessions, 'isRestored' | 'mayOpen'>
  /** Whether one more would be too many; who takes over its own connection is none more. */
  readonly isFull: (clientId: string) => boolean
}

export interface Claim {
  readonly client: Client
  readonly wire: Wire
  readonly user: string | undefined
  readonly password: Buffer | undefined
}

/** Of a CONNECT packet. */
export interface Introduction {
  readonly clientId: string
  readonly clean?: boolean | undefined
  readonly will?: { readonly qos?: number | undefined } | undefined
}

/** The CONNECT of each client: whether it may come in, and as whom. */
export class Entry {
  readonly #options: EntryOptions
  readonly #nameless = new WeakSet<Client>()
  readonly #claims = new WeakMap<Client, 'fits' | 'doesNotFit'>()

  constructor(options: EntryOptions) {
    this.#options = options
  }

  /** Whether the client has sent no id of its own, so that what aedes calls it says nothing to anybody. */
  isNameless(client: Client): boolean {
    return this.#nameless.has(client)
  }

  /** What aedes would let pass: no name, and yet a session under it. An error: it is no CONNECT that MQTT knows, and gets no answer. */
  claim(client: Client, { clientId, clean, will }: Introduction): Error | undefined {
    if (Number(will?.qos ?? 0) > 2) return new Error('a will has QoS 0, 1 or 2') // else its readers would be thrown out for what they are sent
    if (clientId === '') this.#nameless.add(client)
    const isNameless = clientId === '' && clean === false
    this.#claims.set(client, isNameless || clientId.length > clientIdMax ? 'doesNotFit' : 'fits')
    return undefined
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
    const whyNot = client.clean ? undefined : this.#whyNoSession(client.id)
    return whyNot === undefined ? admission : refuse(whyNot, returnCodes.unavailable)
  }

  #whyNoSession(id: string): string | undefined {
    const { sessions } = this.#options
    if (!sessions.isRestored) return incidentKinds.notRead
    return sessions.mayOpen(id) ? undefined : incidentKinds.tooManySessions
  }
}

/** One of each, made once: a flood of those who are not let in costs no stack traces. */
const refusals: ReadonlyMap<number, AuthenticateError> = new Map(
  Object.values(returnCodes).map((returnCode) => [returnCode, Object.assign(new Error('refused'), { returnCode })]),
)

function refusal(returnCode: number): AuthenticateError {
  return refusals.get(returnCode) ?? Object.assign(new Error('refused'), { returnCode })
}
