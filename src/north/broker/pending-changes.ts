import { pack } from '../../base/packed.ts'
import type { InFlightMessage, KeptSession, KeptSubscription, KeptWill, ReceivedPacketId, SessionChanges } from '../../store/contract.ts'
import type { Entry } from './session.ts'

/** One call's share of messages; the rest follows in the next one. */
const batchMessagesMax = 5_000
const batchBytesMax = 4 * 1024 ** 2

interface Numbered<Item> {
  readonly number: number
  readonly item: Item
}

export interface RetainedItem {
  readonly topic: string
  readonly qos: number
  readonly payload: Uint8Array
}

/** What is in memory and not yet on the disk. The latest state of each thing, so that it is bounded by what there is, however often it changes. */
export class PendingChanges {
  readonly #forgotten = new Set<string>()
  readonly #sessions = new Map<string, KeptSession>()
  readonly #subscriptions = new Map<string, KeptSubscription>()
  #queued = new Map<number, Numbered<Entry>>()
  #inFlight = new Map<number, InFlightMessage>()
  readonly #received = new Map<string, ReceivedPacketId>()
  readonly #retained = new Map<string, Numbered<RetainedItem>>()
  readonly #wills = new Map<string, { readonly row: KeptWill; readonly payload: Uint8Array }>()
  #settled: number[] = []
  #queuedBytes = 0
  #number = 0

  /** Of the last change: whoever waits for it waits for this number. */
  get number(): number {
    return this.#number
  }

  get isEmpty(): boolean {
    const maps = [this.#sessions, this.#subscriptions, this.#queued, this.#inFlight, this.#received, this.#retained, this.#wills]
    return this.#forgotten.size === 0 && this.#settled.length === 0 && maps.every(({ size }) => size === 0)
  }

  /** Of messages for sessions. */
  get queuedBytes(): number {
    return this.#queuedBytes
  }

  forget(client: string): void {
    this.#number += 1
    this.#forgotten.add(client)
    this.#sessions.delete(client)
    for (const map of [this.#subscriptions, this.#received]) {
      for (const [key, row] of map) if (row.client === client) map.delete(key)
    }
    for (const [id, { item }] of this.#queued) if (item.client === client) this.#unqueue(id)
  }

  session(row: KeptSession): void {
    this.#number += 1
    this.#sessions.set(row.client, row)
  }

  subscription(row: KeptSubscription): void {
    this.#number += 1
    this.#subscriptions.set(`${row.client}\0${row.filter}`, row)
  }

  queue(entry: Entry): void {
    this.#number += 1
    this.#queued.set(entry.id, { number: this.#number, item: entry })
    this.#queuedBytes += entry.bytes
  }

  /** The entry's packet identifier has changed, or it was released. */
  sent({ id, packetId, isReleased }: Entry): void {
    this.#number += 1
    if (this.#queued.has(id)) return // it is written as it is by then
    this.#inFlight.set(id, { id, packetId: packetId ?? null, isReleased })
  }

  settle({ id }: Entry): void {
    this.#number += 1
    this.#inFlight.delete(id)
    if (!this.#unqueue(id)) this.#settled.push(id)
  }

  received(row: ReceivedPacketId): void {
    this.#number += 1
    this.#received.set(`${row.packetId} ${row.client}`, row)
  }

  retain(item: RetainedItem): void {
    this.#number += 1
    this.#retained.delete(item.topic) // to the end, where the latest number stands
    this.#retained.set(item.topic, { number: this.#number, item })
  }

  will(row: KeptWill, payload: Uint8Array): void {
    this.#number += 1
    this.#wills.set(row.client, { row, payload })
  }

  /** The next call's worth, and the number up to which everything is then on the disk. */
  take(): { readonly changes: SessionChanges; readonly upTo: number } {
    const queued = takeBounded(this.#queued, ({ bytes }) => bytes)
    for (const { bytes } of queued) this.#queuedBytes -= bytes
    const retained = takeBounded(this.#retained, ({ payload }) => payload.length)
    const changes: SessionChanges = {
      forgotten: takeAll(this.#forgotten),
      sessions: takeAll(this.#sessions),
      subscriptions: takeAll(this.#subscriptions),
      queued: pack(queued.map((entry) => ({ row: rowOf(entry), payload: bytesOf(entry.payload) }))),
      inFlight: [...this.#inFlight.values()],
      settled: this.#settled,
      received: takeAll(this.#received),
      retained: pack(retained.map(({ payload, ...row }) => ({ row, payload }))),
      wills: pack(takeAll(this.#wills)),
    }
    this.#settled = []
    // Not the same ones, emptied: docs/decisions/0022-no-map-for-what-comes-and-goes.md
    if (this.#queued.size === 0) this.#queued = new Map()
    this.#inFlight = new Map()
    return { changes, upTo: Math.min(firstLeft(this.#queued), firstLeft(this.#retained), this.#number + 1) - 1 }
  }

  #unqueue(id: number): boolean {
    const queued = this.#queued.get(id)
    if (queued === undefined) return false
    this.#queuedBytes -= queued.item.bytes
    return this.#queued.delete(id)
  }
}

function rowOf({ id, client, topic, qos, packetId, isReleased }: Entry) {
  return { id, client, topic, qos, packetId: packetId ?? null, isReleased }
}

export function bytesOf(payload: string | Uint8Array): Uint8Array {
  return typeof payload === 'string' ? Buffer.from(payload) : payload
}

function takeAll<Item>(items: Set<Item> | Map<string | number, Item>): Item[] {
  const taken = [...items.values()]
  items.clear()
  return taken
}

function takeBounded<Item>(items: Map<string | number, Numbered<Item>>, sizeOf: (item: Item) => number): Item[] {
  const taken: Item[] = []
  let bytes = 0
  for (const [key, { item }] of items) {
    taken.push(item)
    items.delete(key)
    bytes += sizeOf(item)
    if (taken.length >= batchMessagesMax || bytes >= batchBytesMax) break
  }
  return taken
}

function firstLeft(items: ReadonlyMap<unknown, Numbered<unknown>>): number {
  for (const { number } of items.values()) return number
  return Number.POSITIVE_INFINITY
}
