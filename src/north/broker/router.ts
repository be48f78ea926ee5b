import { type PublishBytes, publishBytes } from './publish-bytes.ts'
import { TopicTrie } from './topic-trie.ts'

/** The parts of an aedes packet that routing looks at. */
export interface RoutedPacket {
  readonly topic: string
  readonly payload?: string | Uint8Array
  readonly qos?: number
}

export type Deliver = (packet: RoutedPacket, done: () => void) => void

/** A subscription, seen from the routing. */
export interface Subscription<Client> {
  readonly client: Client
  readonly qos: number
}

/** Who can be given messages without aedes. */
export interface Reachable {
  /** Messages that are on their way to it through aedes: nothing may overtake them. */
  underway: number
  /** It has no session: what it does not get is forgotten. */
  readonly isPlain: boolean
}

/** Who gets the messages of a topic, each client once, the highest QoS first. */
interface Route<Client> {
  readonly targets: readonly Target<Client>[]
  /** All of them are `isPlain`. */
  readonly isPlain: boolean
}

interface Target<Client> {
  readonly deliver: Deliver
  readonly subscription: Subscription<Client> | undefined
}

export interface RouterOptions<Client> {
  readonly deliver: (client: Client, packet: PublishBytes, qos: number) => void
}

/** Topics whose readers are known without looking; when there are more, all of them begin anew. */
const routesMax = 10_000

/**
 * Hands packets to who subscribed, in the place of aedes' own emitter. That one waits for every subscriber's socket before a publish ends, and
 * ceases altogether once a hundred publishes wait, so that one client that stops reading stops the broker. Here nobody waits for a subscriber.
 */
export class Router<Client extends Reachable> {
  readonly #options: RouterOptions<Client>
  readonly #listeners = new TopicTrie<Deliver>()
  readonly #subscriptions = new WeakMap<Deliver, Subscription<Client>>()
  readonly #routes = new Map<string, Route<Client>>()
  #generation = 0
  /** Messages underway to listeners of whom nothing is known. */
  #strangers = 0
  #isClosed = false

  constructor(options: RouterOptions<Client>) {
    this.#options = options
  }

  /** Grows with every change of who listens to what. */
  get generation(): number {
    return this.#generation
  }

  on(filter: string, deliver: Deliver, done?: () => void): this {
    this.#listeners.add(filter, deliver)
    this.#change()
    if (done !== undefined) setImmediate(done)
    return this
  }

  removeListener(filter: string, deliver: Deliver, done?: () => void): this {
    this.#listeners.remove(filter, deliver)
    this.#change()
    if (done !== undefined) setImmediate(done)
    return this
  }

  /** Says whose subscription a listener is, which aedes does not tell by itself. */
  introduce(deliver: Deliver, subscription: Subscription<Client>): void {
    this.#subscriptions.set(deliver, subscription)
    this.#change()
  }

  /** The clients that have a subscription for this topic. */
  clientsOf(topic: string): Client[] {
    return this.#routeOf(topic).targets.flatMap(({ subscription }) => subscription?.client ?? [])
  }

  emit(packet: RoutedPacket, done: (error?: Error) => void = ignore): this {
    if (this.#isClosed) {
      setImmediate(done, new Error('the broker is closed'))
      return this
    }
    this.#send(packet)
    // Not at once: aedes reads on in this callback, while its parser may still be busy with this very packet.
    setImmediate(done)
    return this
  }

  /** The same for a message that nobody has to store. False where somebody can be reached through aedes only: then nobody has got it. */
  pass(topic: string, bytes: PublishBytes): boolean {
    const { targets, isPlain } = this.#routeOf(topic)
    if (!isPlain || this.#isClosed || this.#strangers > 0) return false
    for (const { subscription } of targets) if ((subscription?.client.underway ?? 0) > 0) return false
    const qosMax = bytes.hasId ? 1 : 0
    for (const { subscription } of targets) {
      if (subscription !== undefined) this.#options.deliver(subscription.client, bytes, Math.min(qosMax, subscription.qos))
    }
    return true
  }

  close(done: () => void): this {
    this.#isClosed = true
    setImmediate(done)
    return this
  }

  #send(packet: RoutedPacket): void {
    const isOfAedes = packet.topic.startsWith('$') // which tells its own like more than a client should see
    let bytes: PublishBytes | undefined
    for (const { deliver, subscription } of this.#routeOf(packet.topic).targets) {
      const qos = isOfAedes ? 2 : Math.min(packet.qos ?? 0, subscription?.qos ?? 2)
      if (subscription === undefined) this.#toStranger(deliver, packet)
      else if (this.#needsAedes(subscription.client, qos)) through(subscription.client, deliver, packet)
      else {
        bytes ??= publishBytes(packet.topic, packet.payload ?? '')
        this.#options.deliver(subscription.client, bytes, qos)
      }
    }
  }

  #needsAedes({ isPlain, underway }: Reachable, qos: number): boolean {
    return !isPlain || qos > 1 || underway > 0 || this.#strangers > 0
  }

  /** aedes itself, or a client whose subscription is not introduced yet: what comes after must not overtake this. */
  #toStranger(deliver: Deliver, packet: RoutedPacket): void {
    this.#strangers += 1
    deliver(packet, () => {
      this.#strangers -= 1
    })
  }

  #change(): void {
    this.#generation += 1
    this.#routes.clear()
  }

  #routeOf(topic: string): Route<Client> {
    const known = this.#routes.get(topic)
    if (known !== undefined) return known
    const route = this.#findRoute(topic)
    if (this.#routes.size >= routesMax) this.#routes.clear()
    this.#routes.set(topic, route)
    return route
  }

  /** A client with overlapping filters gets a message once, with the highest QoS of them (MQTT 3.3.5). */
  #findRoute(topic: string): Route<Client> {
    const found = [...this.#listeners.match(topic)].map(
      (deliver): Target<Client> => ({ deliver, subscription: this.#subscriptions.get(deliver) }),
    )
    found.sort((one, other) => (other.subscription?.qos ?? 2) - (one.subscription?.qos ?? 2))
    const clients = new Set<Client>()
    const targets = found.filter(({ subscription }) => {
      if (subscription === undefined) return true
      if (clients.has(subscription.client)) return false
      clients.add(subscription.client)
      return true
    })
    return { targets, isPlain: targets.every(({ subscription }) => subscription?.client.isPlain === true) }
  }
}

/** By way of aedes, which takes its turns for it. */
function through(client: Reachable, deliver: Deliver, packet: RoutedPacket): void {
  client.underway += 1
  deliver(packet, () => {
    client.underway -= 1
  })
}

function ignore(): void {}
