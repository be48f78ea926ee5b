import type { Client, PublishPacket } from 'aedes'
import { matchesFilter } from '../../model/topic.ts'
import type { Deliver } from './router.ts'

/** aedes keeps them on the client, but does not declare them. */
export function subscriptionsOf(client: Client): Readonly<Record<string, { readonly func: Deliver; readonly qos: number }>> {
  return (client as unknown as { readonly subscriptions: Readonly<Record<string, { readonly func: Deliver; readonly qos: number }>> })
    .subscriptions
}

/** In this connection; the session keeps them, and each of its connections is looked at anew. */
export function unsubscribe(client: Client, filters: readonly string[]): void {
  const open = client as unknown as { unsubscribe(packet: { readonly unsubscriptions: readonly string[] }, done: () => void): void }
  open.unsubscribe({ unsubscriptions: filters }, () => {})
}

/** The highest QoS that the client was granted for this topic. */
export function qosFor(client: Client, topic: string): number {
  let highest = 0
  for (const [filter, { qos }] of Object.entries(subscriptionsOf(client))) {
    if (qos > highest && matchesFilter(topic, filter)) highest = qos
    if (highest === 2) break
  }
  return highest
}

export function lower(qos: 0 | 1 | 2, ceiling: number): 0 | 1 | 2 {
  if (ceiling === 0) return 0
  return ceiling < qos ? 1 : qos
}

/** A packet of a client, or its will. */
export type Message = Pick<PublishPacket, 'topic' | 'payload' | 'qos' | 'messageId'>

/** aedes keeps it on the client from before it is let in, but does not declare it. */
export function willOf(client: Client): Message | undefined {
  return (client as unknown as { readonly _will?: Message | null })._will ?? undefined
}

/** A peer that went without a word is everyday life, not an incident. */
export function isOrdinaryEnd(error: Error): boolean {
  const code = 'code' in error ? error.code : undefined
  return code === 'ECONNRESET' || code === 'EPIPE' || error.message === 'connection closed'
}
