import type { KeptWill } from '../../store/contract.ts'
import { bytesOf, type PendingChanges } from './pending-changes.ts'

export interface Will {
  readonly topic: string
  readonly payload: string | Uint8Array
  readonly qos?: number
  readonly retain?: boolean
  /** aedes sets these two. */
  clientId?: string
  brokerId?: string
}

interface WillsOptions {
  readonly pending: PendingChanges
  readonly changed: () => void
  readonly brokerId: () => string
}

/** What the broker publishes for clients that are lost; also for those that were lost together with its former life. */
export class Wills {
  readonly #options: WillsOptions
  readonly #wills = new Map<string, Will>()
  readonly #former = new Map<string, Will>()
  /** Whether a client may publish its will at all: only such a will is stored, for nobody can be asked after a restart. */
  readonly #mayPublish = new WeakSet<object>()

  constructor(options: WillsOptions) {
    this.#options = options
  }

  permit(will: object): void {
    this.#mayPublish.add(will)
  }

  put(client: { readonly id: string }, will: Will): void {
    will.clientId = client.id
    will.brokerId = this.#options.brokerId()
    this.#wills.set(client.id, will)
    if (this.#mayPublish.has(will)) this.#note(client.id, will)
  }

  get(client: string): Will | undefined {
    return this.#wills.get(client)
  }

  /** The client is here again, or has gone in good order, or its will is published. */
  remove(client: string): Will | undefined {
    const will = this.#wills.get(client)
    if (this.#former.has(client) || (will !== undefined && this.#mayPublish.has(will))) this.#unnote(client)
    this.#former.delete(client)
    this.#wills.delete(client)
    return will
  }

  of(brokers: Readonly<Record<string, unknown>>): readonly Will[] {
    return [...this.#wills.values()].filter(({ brokerId }) => brokers[brokerId ?? ''] === undefined)
  }

  restore({ client, topic, qos, isRetained }: KeptWill, payload: Uint8Array): void {
    if (!this.#wills.has(client)) this.#former.set(client, { topic, payload: Buffer.from(payload), qos, retain: isRetained })
  }

  /** The wills of clients that were connected to the broker's former life and have not come back. */
  takeFormer(): readonly Will[] {
    const wills = [...this.#former.values()]
    for (const client of this.#former.keys()) this.#unnote(client)
    this.#former.clear()
    return wills
  }

  repeatAll(): void {
    for (const [client, will] of [...this.#former, ...this.#wills]) {
      if (this.#former.has(client) || this.#mayPublish.has(will)) this.#note(client, will)
    }
  }

  #note(client: string, { topic, payload, qos = 0, retain = false }: Will): void {
    this.#options.pending.will({ client, topic, qos, isRetained: retain }, bytesOf(payload))
    this.#options.changed()
  }

  #unnote(client: string): void {
    this.#options.pending.will({ client, topic: '', qos: 0, isRetained: false }, new Uint8Array(0))
    this.#options.changed()
  }
}
