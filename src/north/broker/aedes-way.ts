import type { ConnectedClient } from './connected-client.ts'

/** Counts for each client its QoS 1 messages that are on their way through aedes. */
export class AedesWay {
  /** Weakly: what had been in a Set would outlive its rehashings (docs/decisions/0022-no-map-for-what-comes-and-goes.md). */
  readonly #messages = new WeakSet<object>()

  enter(client: ConnectedClient, message: object): void {
    this.#messages.add(message)
    client.inAedes += 1
  }

  /** Messages that never entered are passed over: aedes tells of all that are published. */
  leave(client: ConnectedClient | undefined, message: object): void {
    if (this.#messages.delete(message) && client !== undefined) client.inAedes -= 1
  }
}
