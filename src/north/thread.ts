import { systemChance } from '../base/chance.ts'
import { systemClock } from '../base/clock.ts'
import { createDoor } from '../base/door.ts'
import { type Room, type RoomContext, runRoom } from '../base/thread.ts'
import type { ControlCalls, LocalMessage, LocalTexts, NorthCalls } from '../control/contract.ts'
import { unpackChanges } from '../model/packed-changes.ts'
import type { StoreCalls, StoreNews } from '../store/contract.ts'
import { type North, type NorthData, startNorth } from './north.ts'

const controlCallsMax = 1_000
const storeCallsMax = 200

runRoom(startNorthRoom)

async function startNorthRoom({ data, log, runtime, connect }: RoomContext<NorthData>): Promise<Room> {
  const started = Promise.withResolvers<North>()
  started.promise.catch(() => {}) // told by the start itself
  const control = createDoor<ControlCalls, NorthCalls>(
    {
      changes: async (batch) => {
        ;(await started.promise).changes(unpackChanges(batch))
        return null
      },
      devices: async (statuses) => {
        ;(await started.promise).devices(statuses)
        return null
      },
      publish: async (messages) => {
        await (await started.promise).publish(messages)
        return null
      },
      publishTexts: async (texts) => {
        await (await started.promise).publish(messagesOf(texts))
        return null
      },
    },
    { name: 'north to control', unansweredMax: controlCallsMax },
  )
  const store = createDoor<StoreCalls, StoreNews>(
    {
      accepted: async () => {
        ;(await started.promise).accepted()
        return null
      },
    },
    { name: 'north to store', unansweredMax: storeCallsMax },
  )
  connect('control', control)
  connect('store', store)
  const north = await startNorth(data, { control, store, runtime, clock: systemClock, chance: systemChance, log })
  started.resolve(north)
  await north.opened
  return { failure: north.failure, metrics: north.metrics, [Symbol.asyncDispose]: () => north[Symbol.asyncDispose]() }
}

function messagesOf({ topics, payloads }: LocalTexts): readonly LocalMessage[] {
  return topics.map((topic, place) => ({ topic, payload: payloads[place] ?? '', qos: 1, isRetained: false }))
}
