import { existsSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { folderFault } from '../../src/store/faults.ts'
import { connectClient, startGateway } from '../north/broker/gateway.ts'
import { sessionStoreOf } from '../support/session-store.ts'
import { mountSmallDisk, remount } from '../support/state-folder.ts'
import { bodies, message, metric, openTestStore } from '../support/store-samples.ts'

/** Takes all room that is left, in one file that can be removed again. */
function fill(disk: string): () => void {
  const path = join(disk, 'filler')
  const { bavail, bsize } = statfsSync(disk)
  writeFileSync(path, Buffer.alloc(bavail * bsize))
  return () => {
    if (existsSync(path)) rmSync(path)
  }
}

const lasting = { clientId: 'mes', clean: false }

describe('a store that can keep nothing', () => {
  it('says so before anybody brings a row, and when it can again', { timeout: 60_000 }, async () => {
    using disk = mountSmallDisk(4 * 1024)
    await using store = await openTestStore(disk.path)
    expect(store.trouble()).toBeUndefined()
    const empty = fill(disk.path)
    expect(store.trouble()).toMatchObject({ code: 'store.full', remedy: expect.stringContaining('Free space') })
    const event = { type: 'test', subject: 'a', timeMs: systemClock.now(), data: { text: 'x'.repeat(10_000) } }
    await expect(store.append([event])).rejects.toMatchObject({ code: 'store.full' })
    empty()
    // The journal is tried by the store itself: nobody writes to it here.
    await vi.waitFor(() => expect(store.trouble()).toBeUndefined(), { timeout: 30_000, interval: 100 })
  })

  it('says so of a disk that is read-only', () => {
    using disk = mountSmallDisk(4 * 1024)
    expect(folderFault(disk.path)).toBeUndefined()
    remount(disk, 'ro')
    expect(folderFault(disk.path)).toMatchObject({ code: 'store.unwritable', remedy: expect.stringContaining('read-only') })
    remount(disk, 'rw')
    expect(folderFault(disk.path)).toBeUndefined()
  })
})

describe('a disk that is full', () => {
  it('makes the outbox refuse what it cannot keep, keep what it has said yes to, and go on when there is room', {
    timeout: 60_000,
  }, async () => {
    using disk = mountSmallDisk(4 * 1024)
    await using store = await openTestStore(disk.path)
    const empty = fill(disk.path)
    const accepted: string[] = []
    const offer = async (body: string): Promise<void> => {
      await store.accept([message(body)])
      accepted.push(body)
    }
    const text = (place: number): string => `${place} ${'x'.repeat(1_000)}`
    await expect(
      (async () => {
        for (let place = 0; ; place += 1) await offer(text(place))
      })(),
    ).rejects.toMatchObject({ code: 'store.full', isRetryable: true })
    expect(await bodies(store)).toEqual(accepted)
    empty()
    await vi.waitFor(() => offer(text(10_000)), { timeout: 20_000, interval: 100 })
    expect(await bodies(store)).toEqual(accepted)
    expect(await store.outboxStatus(null)).toMatchObject([
      { streams: [{ stream: 'events', accepted: accepted.length, missing: 0, dropped: 0 }] },
    ])
  })

  it('that the outbox itself has filled gets empty again as its rows are acknowledged, and then takes new ones', {
    timeout: 60_000,
  }, async () => {
    using disk = mountSmallDisk(4 * 1024)
    await using store = await openTestStore(disk.path)
    const offer = async (place: number): Promise<void> => void (await store.accept([message(`${place} ${'x'.repeat(1_000)}`)]))
    let accepted = 0
    await expect(
      (async () => {
        for (; ; accepted += 1) await offer(accepted)
      })(),
    ).rejects.toMatchObject({ code: 'store.full' })
    const ids: number[] = []
    for (let afterId = 0; ids.length < accepted; afterId = ids.at(-1) ?? 0) {
      ids.push(...(await store.nextUnsent({ upstream: 'plant', afterId, rowsMax: 500 })).map(({ id }) => id))
    }
    while (ids.length > 0) await store.removeSent({ upstream: 'plant', ids: ids.splice(0, 100) })
    await vi.waitFor(() => offer(accepted), { timeout: 20_000, interval: 100 })
    expect(await bodies(store)).toHaveLength(1)
    expect(metric(store, 'lineside_store_reserve_held')).toBe(1)
    expect(await store.outboxStatus(null)).toMatchObject([{ streams: [{ accepted: accepted + 1, sent: accepted, missing: 0 }] }])
  })

  it('makes the broker acknowledge nothing that somebody depends on, until it is kept', { timeout: 60_000 }, async () => {
    using disk = mountSmallDisk(4 * 1024)
    await using store = await openTestStore(disk.path)
    await using gateway = await startGateway({ mqtt: { anonymous: { role: 'operator' } }, store: sessionStoreOf(store) })
    {
      await using mes = await connectClient(gateway, lasting)
      await mes.mqtt.subscribeAsync('jobs/#', { qos: 1 })
    }
    const empty = fill(disk.path)
    await using plc = await connectClient(gateway, { clientId: 'plc', clean: false, reconnectPeriod: 50 })
    const acknowledged: number[] = []
    const text = (place: number): string => `${place} ${'x'.repeat(4_000)}`
    const publishing = Array.from({ length: 300 }, async (_, place) => {
      await plc.mqtt.publishAsync('jobs/a', text(place), { qos: 1 })
      acknowledged.push(place)
    })
    await vi.waitFor(() => expect(gateway.metric('lineside_mqtt_is_failing')).toBe(1), { timeout: 20_000 })
    expect(acknowledged.length).toBeLessThan(300)
    empty()
    await Promise.all(publishing)
    await using mes = await connectClient(gateway, lasting)
    await vi.waitFor(() => expect(new Set(mes.got.map(({ payload }) => payload)).size).toBe(300), { timeout: 20_000 })
  })
})
