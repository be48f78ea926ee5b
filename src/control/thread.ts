import { systemChance } from '../base/chance.ts'
import { systemClock } from '../base/clock.ts'
import { createDoor } from '../base/door.ts'
import { type Room, type RoomContext, runRoom } from '../base/thread.ts'
import type { StoreCalls } from '../store/contract.ts'
import type { ControlCalls, NorthCalls } from './contract.ts'
import { type Control, type ControlData, startControl } from './control.ts'

/** Writes that north may have under way; one more is told to come back. */
const northCallsMax = 1_000
const storeCallsMax = 1_000

runRoom(startControlRoom)

async function startControlRoom({ data, log, connect }: RoomContext<ControlData>): Promise<Room> {
  const started = Promise.withResolvers<Control>()
  const north = createDoor<NorthCalls, ControlCalls>(
    {
      write: async (command) => (await started.promise).calls.write(command),
      writeAll: async (batch) => (await started.promise).calls.writeAll(batch),
      record: async (event) => {
        await (await started.promise).calls.record(event)
        return null
      },
      flows: async (ask) => (await started.promise).calls.flows(ask),
      startFlow: async (ask) => await (await started.promise).calls.startFlow(ask),
      runs: async (ask) => await (await started.promise).calls.runs(ask),
      run: async (ask) => await (await started.promise).calls.run(ask),
      pipeline: async (ask) => await (await started.promise).calls.pipeline(ask),
      steerRun: async (ask) => await (await started.promise).calls.steerRun(ask),
      messages: async (batch) => (await started.promise).calls.messages(batch),
      routes: async () => (await started.promise).calls.routes(),
      orderDeadLetters: async (order) => (await started.promise).calls.orderDeadLetters(order),
    },
    { name: 'control to north', unansweredMax: northCallsMax },
  )
  const store = createDoor<StoreCalls, Record<never, never>>({}, { name: 'control to store', unansweredMax: storeCallsMax })
  connect('north', north)
  connect('store', store)
  const control = await startControl(data, { north, store, clock: systemClock, chance: systemChance, log })
  started.resolve(control)
  return { failure: control.failure, metrics: control.metrics, [Symbol.asyncDispose]: () => control[Symbol.asyncDispose]() }
}
