import { TopicTrie } from './topic-trie.ts'

/** The parts of an aedes packet that routing looks at. */
export interface RoutedPacket {
  readonly topic: string
  readonly qos?: number
}

export type Deliver = (packet: RoutedPacket, done: () => void) => void

/** A subscription, seen from the routing. */
export interface Subscription<Client> {
  readonly client: Client
  readonly qos: number
}

/**
 * Hands packets to who subscribed, in the place of aedes' own emitter. That one waits for every subscriber's socket before a publish ends, and
 * ceases altogether once a hundred publishes wait, so that one client that stops reading stops the broker. Here nobody waits for a subscriber.
 */
export class Router<Client> {
  readonly #listeners = new TopicTrie<Deliver>()
  readonly #subscriptions = new WeakMap<Deliver, Subscription<Client>>()
  #generation = 0
  #isClosed = false

  /** Grows with every change of who listens to what. */
  get generation(): number {
    return this.#generation
  }

  on(filter: string, deliver: Deliver, done?: () => void): this {
    this.#listeners.add(filter, deliver)
    this.#generation += 1
    if (done !== undefined) setImmediate(done)
    return this
  }

  removeListener(filter: string, deliver: Deliver, done?: () => void): this {
    this.#listeners.remove(filter, deliver)
    this.#generation += 1
    if (done !== undefined) setImmediate(done)
    return this
  }

  /** Says whose subscription a listener is, which aedes does not tell by itself. */
  introduce(deliver: Deliver, subscription: Subscription<Client>): void {
    this.#subscriptions.set(deliver, subscription)
    this.#generation += 1
  }

  /** The clients that have a subscription for this topic. */
  clientsOf(topic: string): Client[] {
    const clients = new Set<Client>()
    for (const deliver of this.#listeners.match(topic)) {
      const subscription = this.#subscriptions.get(deliver)
      if (subscription !== undefined) clients.add(subscription.client)
    }
    return [...clients]
  }

  emit(packet: RoutedPacket, done: (error?: Error) => void = ignore): this {
    if (this.#isClosed) {
      setImmediate(done, new Error('the broker is closed'))
      return this
    }
    const found = this.#listeners.match(packet.topic)
    for (const deliver of found.size > 1 && packet.qos !== 0 ? this.#highestFirst(found) : found) deliver(packet, ignore)
    // Not at once: aedes reads on in this callback, while its parser may still be busy with this very packet.
    setImmediate(done)
    return this
  }

  close(done: () => void): this {
    this.#isClosed = true
    setImmediate(done)
    return this
  }

  /** aedes gives a client with overlapping filters the first delivery only; it has to be the one of the highest QoS (MQTT 3.3.5). */
  #highestFirst(found: ReadonlySet<Deliver>): readonly Deliver[] {
    const qosOf = (deliver: Deliver): number => this.#subscriptions.get(deliver)?.qos ?? 2
    return [...found].sort((a, b) => qosOf(b) - qosOf(a))
  }
}

function ignore(): void {}
