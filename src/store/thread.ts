import { systemClock } from '../base/clock.ts'
import { createDoor, type Door, type Handlers } from '../base/door.ts'
import { type Room, type RoomContext, runRoom } from '../base/thread.ts'
import type { StoreCalls, StoreNews } from './contract.ts'
import type { HistoryLimits } from './history.ts'
import type { OutboxLimits } from './outbox-schema.ts'
import { openStore } from './store.ts'

/** What the store's thread is born with. */
export interface StoreData {
  /** The state folder. */
  readonly path: string
  readonly outbox: { readonly upstreams: Readonly<Record<string, OutboxLimits>> }
  readonly history: HistoryLimits
}

async function startStore({ data, log, connect }: RoomContext<StoreData>): Promise<Room> {
  const { path, outbox, history } = data
  const store = await openStore({ path, clock: systemClock, log, outbox: outbox.upstreams, history })
  const north = createDoor<StoreNews, StoreCalls>(store, { name: 'store to north', unansweredMax: 1 })
  const tell = newsTeller(north)
  const accept: Handlers<StoreCalls>['accept'] = async (messages) => {
    const accepted = await store.accept(messages)
    tell()
    return accepted
  }
  connect('north', north)
  for (const room of ['control', 'runtime']) {
    connect(room, createDoor<Record<never, never>, StoreCalls>({ ...store, accept }, { name: `store to ${room}`, unansweredMax: 1 }))
  }
  return store
}

/** One telling is under way at a time; what is accepted meanwhile is told once more after it. A north that is away asks by itself when it is back. */
function newsTeller(north: Door<StoreNews>): () => void {
  let isTelling = false
  let isNewer = false
  const tell = (): void => {
    isNewer = isTelling
    if (isTelling || !north.isOpen) return
    isTelling = true
    north
      .call('accepted', null)
      .catch(() => {})
      .then(() => {
        isTelling = false
        if (isNewer) tell()
      })
  }
  return tell
}

runRoom(startStore)
