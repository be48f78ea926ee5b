import type { SubscriptionRecord } from './session.ts'
import { TopicTrie } from './topic-trie.ts'

export interface Matched extends SubscriptionRecord {
  readonly clientId: string
}

/** The subscriptions above QoS 0 of all sessions, by topic: who depends on a message. */
export class SubscriptionIndex {
  readonly #trie = new TopicTrie<Matched>()
  readonly #byName = new Map<string, Matched>()

  get size(): number {
    return this.#byName.size
  }

  add(clientId: string, { topic, qos, rh, rap, nl }: SubscriptionRecord): void {
    this.remove(clientId, topic)
    if (qos === 0) return
    const matched = { clientId, topic, qos, rh, rap, nl }
    this.#byName.set(nameOf(clientId, topic), matched)
    this.#trie.add(topic, matched)
  }

  remove(clientId: string, filter: string): void {
    const matched = this.#byName.get(nameOf(clientId, filter))
    if (matched !== undefined) this.#trie.remove(filter, matched)
    this.#byName.delete(nameOf(clientId, filter))
  }

  match(topic: string): readonly Matched[] {
    return this.size === 0 ? [] : [...this.#trie.match(topic)]
  }
}

function nameOf(clientId: string, filter: string): string {
  return `${clientId}\0${filter}`
}
