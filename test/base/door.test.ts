import { MessageChannel } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'
import { createDoor, type Handlers } from '../../src/base/door.ts'
import { Fault } from '../../src/base/fault.ts'

interface Far {
  double(ask: number): number
  refuse(ask: null): null
  stall(ask: null): null
}

const stalled = Promise.withResolvers<null>()
const farHandlers: Handlers<Far> = {
  double: (ask) => ask * 2,
  refuse: () => {
    throw new Fault('far.no', 'No.', { remedy: 'Ask differently.', isRetryable: true })
  },
  stall: () => stalled.promise,
}

function openDoors(unansweredMax = 10) {
  const { port1, port2 } = new MessageChannel()
  const near = createDoor<Far, Record<never, never>>({}, { name: 'near to far', unansweredMax })
  const far = createDoor<Record<never, never>, Far>(farHandlers, { name: 'far to near', unansweredMax })
  near.attach(port1)
  far.attach(port2)
  return {
    near,
    far,
    [Symbol.dispose]: (): void => {
      near.close()
      far.close()
    },
  }
}

describe('a door', () => {
  it('answers each call once, in whatever order', async () => {
    using doors = openDoors()
    expect(await Promise.all([1, 2, 3].map((ask) => doors.near.call('double', ask)))).toEqual([2, 4, 6])
  })

  it('brings what is told, in the order of sending, before the answer to a later call', async () => {
    const heard: number[] = []
    const { port1, port2 } = new MessageChannel()
    const far = createDoor<Record<never, never>, Far>(
      {
        ...farHandlers,
        double: (ask) => {
          heard.push(ask)
          return ask * 2
        },
      },
      { name: 'far to near', unansweredMax: 1 },
    )
    far.attach(port2)
    const near = createDoor<Far, Record<never, never>>({}, { name: 'near to far', unansweredMax: 1 })
    expect(near.tell('double', 0)).toBe(false)
    near.attach(port1)
    for (const ask of [1, 2, 3]) expect(near.tell('double', ask)).toBe(true)
    expect(await near.call('double', 4)).toBe(8)
    expect(heard).toEqual([1, 2, 3, 4])
    near.close()
    far.close()
  })

  it('carries a fault with its code, remedy and whether to try again', async () => {
    using doors = openDoors()
    await expect(doors.near.call('refuse', null)).rejects.toMatchObject({ code: 'far.no', remedy: 'Ask differently.', isRetryable: true })
  })

  it('refuses one call more than may be unanswered', async () => {
    using doors = openDoors(2)
    const waiting = [doors.near.call('stall', null), doors.near.call('stall', null)].map((call) => call.catch(() => null))
    await expect(doors.near.call('double', 1)).rejects.toMatchObject({ code: 'door.busy' })
    doors.near.close()
    await Promise.all(waiting)
  })

  it('rejects what is pending when the far side dies, and works again once it is back', async () => {
    using doors = openDoors()
    const pending = doors.near.call('stall', null)
    doors.far.close()
    await expect(pending).rejects.toMatchObject({ code: 'door.closed', isRetryable: true })
    expect(doors.near.isOpen).toBe(false)
    const { port1, port2 } = new MessageChannel()
    doors.far.attach(port2)
    doors.near.attach(port1)
    expect(await doors.near.call('double', 21)).toBe(42)
  })

  it('tells whoever waits for it that somebody is there again', () => {
    const door = createDoor<Far, Record<never, never>>({}, { name: 'near', unansweredMax: 1 })
    let attached = 0
    door.onAttach(() => {
      attached += 1
    })
    const { port1 } = new MessageChannel()
    door.attach(port1)
    expect(attached).toBe(1)
    door.close()
  })
})
