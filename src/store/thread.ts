import { systemClock } from '../base/clock.ts'
import { createDoor, type Handlers } from '../base/door.ts'
import { type Room, type RoomContext, runRoom } from '../base/thread.ts'
import type { StoreCalls } from './contract.ts'
import type { OutboxLimits } from './outbox.ts'
import { openStore } from './store.ts'

/** What the store's thread is born with. */
export interface StoreData {
  /** The state folder. */
  readonly path: string
  readonly outbox: { readonly upstreams: Readonly<Record<string, OutboxLimits>> }
}

async function startStore({ data, log, connect }: RoomContext<StoreData>): Promise<Room> {
  const store = await openStore({ path: data.path, clock: systemClock, log, outbox: data.outbox.upstreams })
  const handlers: Handlers<StoreCalls> = store
  for (const room of ['control', 'north', 'runtime']) {
    connect(room, createDoor<Record<never, never>, StoreCalls>(handlers, { name: `store to ${room}`, unansweredMax: 1 }))
  }
  return store
}

await runRoom(startStore)
