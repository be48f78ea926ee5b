import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BroadcastChannel } from 'node:worker_threads'
import { describe, expect, it, vi } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { startDaemon } from '../../src/runtime/daemon.ts'
import { spawnRoom } from '../../src/runtime/room-thread.ts'
import { keptLog } from '../support/quiet-log.ts'
import type { MortalData, MortalOrder } from '../support/rooms/mortal-room.ts'
import { mayRaise, niceByName } from '../support/threads.ts'

const entry = new URL('../support/rooms/mortal-room.ts', import.meta.url)
const names = ['store', 'north', 'control'] as const

/** Three rooms that do what they are told, and write down their lives. */
async function startHouse({ stillborn = '' } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'lineside-house-'))
  const lifeFile = join(folder, 'life')
  const plan = <Name extends (typeof names)[number]>(name: Name) => {
    const rooms = [...names.filter((other) => other !== name), 'runtime']
    return { name, entry, data: { name, lifeFile, channel: folder, rooms, isStillborn: name === stillborn } satisfies MortalData }
  }
  const log = keptLog()
  const channel = new BroadcastChannel(folder)
  const clean = (): void => {
    channel.close()
    // A thread that is told to end while it still loads may write its first line before it does.
    rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
  }
  const life = (): readonly string[] => readFileSync(lifeFile, 'utf8').trim().split('\n')
  try {
    const plans = { store: plan('store'), north: plan('north'), control: plan('control') }
    const rooms = [plans.store, plans.north, plans.control] as const
    const data = Promise.resolve({ store: plans.store.data, north: plans.north.data, control: plans.control.data })
    const daemon = await startDaemon({ rooms, data, clock: systemClock, chance: () => 0, log, logLevel: 'silent' })
    return {
      daemon,
      log,
      life,
      order: (order: MortalOrder) => channel.postMessage(order),
      [Symbol.asyncDispose]: async () => {
        await daemon[Symbol.asyncDispose]()
        clean()
      },
    }
  } catch (error) {
    clean()
    throw error
  }
}

/** Blocks this thread, as a machine does that has other things to do. */
function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

function both(health: { readonly state: string; readonly restarts: number }) {
  return { north: health, store: health }
}

describe('the daemon', () => {
  it('starts the store first, then north and control side by side, and stops control, north, store in this order', async () => {
    await using house = await startHouse()
    await house.daemon[Symbol.asyncDispose]()
    const life = house.life()
    expect(life[0]).toBe('store started')
    expect(life.slice(1, 3).toSorted()).toEqual(['control started', 'north started'])
    expect(life.slice(3)).toEqual(['control stopped', 'north stopped', 'store stopped'])
  })

  it('opens a door between any two rooms', async () => {
    await using house = await startHouse()
    for (const [room, other] of [
      ['control', 'north'],
      ['north', 'store'],
      ['store', 'control'],
    ] as const) {
      house.order({ room, order: 'ask', other })
      await vi.waitFor(() => expect(house.life()).toContain(`${room} ${other} is here`))
    }
  })

  it.each(['north', 'store'])(
    'starts %s again when it dies, connects it to the others, counts and journals it, and control goes on',
    async (room) => {
      await using house = await startHouse()
      house.order({ room, order: 'die' })
      await vi.waitFor(async () => expect((await house.daemon.health()).rooms[room]).toEqual({ state: 'up', restarts: 1 }), {
        timeout: 10_000,
      })
      expect(house.life().filter((line) => line === 'control started')).toHaveLength(1)
      house.order({ room: 'control', order: 'ask', other: room })
      await vi.waitFor(() => expect(house.life()).toContain(`control ${room} is here`))
      await vi.waitFor(() => expect(house.life().join()).toContain('runtime.room-restarted'))
      const metrics = await house.daemon.metrics()
      expect(metrics).toContainEqual(expect.objectContaining({ name: 'lineside_room_restarts_total', labels: { room }, value: 1 }))
    },
  )

  it('lets control and store go before the others, also a store that was started again', async () => {
    await using house = await startHouse()
    const north = niceByName().get('north') ?? 0
    const urgent = mayRaise ? north - 10 : north
    expect(['control', 'store'].map((room) => niceByName().get(room))).toEqual([urgent, urgent])
    house.order({ room: 'store', order: 'die' })
    await vi.waitFor(async () => expect((await house.daemon.health()).rooms['store']).toEqual({ state: 'up', restarts: 1 }), {
      timeout: 10_000,
    })
    expect(niceByName().get('store')).toBe(urgent)
  })

  it('connects two rooms that died together, whichever is back first', async () => {
    await using house = await startHouse()
    for (let round = 1; round <= 3; round += 1) {
      for (const room of ['north', 'store']) house.order({ room, order: 'die' })
      await vi.waitFor(async () => expect((await house.daemon.health()).rooms).toMatchObject(both({ state: 'up', restarts: round })), {
        timeout: 20_000,
      })
      const before = house.life().length
      house.order({ room: 'north', order: 'ask', other: 'store' })
      house.order({ room: 'store', order: 'ask', other: 'north' })
      await vi.waitFor(() =>
        expect(
          house
            .life()
            .slice(before)
            .filter((line) => line.endsWith('is here')),
        ).toHaveLength(2),
      )
    }
  })

  it('says that it is not ready while a room is away', async () => {
    await using house = await startHouse()
    expect((await house.daemon.health()).isReady).toBe(true)
    house.order({ room: 'north', order: 'die' })
    await vi.waitFor(async () => expect((await house.daemon.health()).isReady).toBe(false))
    await vi.waitFor(async () => expect((await house.daemon.health()).isReady).toBe(true), { timeout: 10_000 })
  })

  it('fails as a whole when control dies', async () => {
    await using house = await startHouse()
    house.order({ room: 'control', order: 'die' })
    await expect(house.daemon.failure).rejects.toThrow('control dies as it was told')
  })

  it('does not answer the watchdog while any room hangs, and does again afterwards', async () => {
    await using house = await startHouse()
    await house.daemon.ping(1_000)
    house.order({ room: 'north', order: 'hang', hangMs: 800 })
    await vi.waitFor(() => expect(house.daemon.ping(100)).rejects.toMatchObject({ code: 'runtime.timeout' }))
    await vi.waitFor(() => house.daemon.ping(100), { timeout: 5_000 })
  })

  it('stops within five seconds even when a room hangs', async () => {
    await using house = await startHouse()
    house.order({ room: 'store', order: 'hang', hangMs: 60_000 })
    const started = performance.now()
    await house.daemon[Symbol.asyncDispose]()
    expect(performance.now() - started).toBeLessThan(5_000)
  })

  it('does not start at all when a room cannot, and leaves none behind', async () => {
    await expect(startHouse({ stillborn: 'control' })).rejects.toThrow('born dead')
  })

  it('knows why a room could not start though it heard so late that the room was gone', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'lineside-house-'))
    const lifeFile = join(folder, 'life')
    const ask = {
      logLevel: 'silent',
      clock: systemClock,
      metricsOfAll: async () => [],
      health: async () => ({ isReady: false, rooms: {} }),
    } as const
    await using room = spawnRoom({ ...ask, room: { name: 'control', entry } })
    const data = { name: 'control', lifeFile, channel: folder, rooms: [], isStillborn: true } satisfies MortalData
    const begun = room.begin(data, {})
    while (!existsSync(lifeFile)) block(10)
    block(1_000) // the thread is gone after 100 ms, and all that it said is heard at once
    await expect(begun).rejects.toThrow('born dead')
    rmSync(folder, { recursive: true })
  })
})
