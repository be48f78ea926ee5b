import { isPublishable } from '../../model/topic.ts'
import type { Message } from './aedes-client.ts'
import type { ConnectedClient } from './connected-client.ts'
import type { Receive, ReceivedMessage } from './door-keeper.ts'

export interface Owner {
  readonly prefix: string
  readonly receive: Receive
  /** What somebody has published whose own rules do not let him: it goes nowhere. */
  readonly forbidden?: ((message: ReceivedMessage) => void) | undefined
}

/** Whose topics are whose, and who may publish where. */
export class Ownership {
  readonly #owners: Owner[] = []
  #generation = 0

  /** Grows with every change. */
  get generation(): number {
    return this.#generation
  }

  own(owner: Owner): Disposable {
    this.#owners.push(owner)
    this.#owners.sort((one, other) => other.prefix.length - one.prefix.length) // the nearest owner counts
    this.#generation += 1
    const end = (): void => {
      this.#owners.splice(this.#owners.indexOf(owner), 1)
      this.#generation += 1
    }
    return { [Symbol.dispose]: end }
  }

  ownerOf(topic: string): Owner | undefined {
    return this.#owners.find(({ prefix }) => topic.startsWith(prefix))
  }

  verdict(client: ConnectedClient, { topic, payload }: Message, owner: Owner | undefined): 'passOn' | 'discard' {
    if (owner === undefined) return this.isOpen(client, topic) ? 'passOn' : 'discard'
    if (!isPublishable(topic)) return 'discard'
    const { role, rights } = client.admission
    if (client.aedes.closed || !client.isIntroduced) return 'discard'
    const message = { topic, payload: Buffer.from(payload), by: { name: client.name, role } }
    if (!rights.hasOwnWriteRules || rights.mayWrite(topic)) return owner.receive(message) // which tells who may not, and why
    owner.forbidden?.(message)
    return 'discard'
  }

  /** Whether the topic is nobody's, and this client may publish there. */
  isOpen(client: ConnectedClient, topic: string): boolean {
    return isPublishable(topic) && !topic.startsWith('$') && this.ownerOf(topic) === undefined && client.admission.rights.mayWrite(topic)
  }
}
