import { describe, expect, it } from 'vitest'
import { systemChance } from '../../src/base/chance.ts'
import { epochMs, systemClock } from '../../src/base/clock.ts'
import { startDevice } from '../../src/south/device.ts'
import type { DeviceListener } from '../../src/south/device-listener.ts'
import type { Connection, DeviceEvent, Driver } from '../../src/south/driver.ts'
import { keptLog } from '../support/quiet-log.ts'

const alarm: DeviceEvent = { type: 'opcua.event', timeMs: epochMs(1), data: { message: 'too hot' } }

function connection(more: Partial<Connection>): Connection {
  return {
    failure: new Promise(() => {}),
    source: { kind: 'subscribed', subscribe: async () => {} },
    read: async () => [],
    write: async () => [],
    [Symbol.asyncDispose]: async () => {},
    ...more,
  }
}

function deviceWith(more: Partial<Connection>) {
  const told: DeviceEvent[] = []
  const driver: Driver<unknown, unknown> = { name: 'fake', connect: async () => connection(more) }
  const listener: DeviceListener = {
    readings: () => {},
    heard: () => {},
    stale: () => {},
    status: () => {},
    events: (events) => told.push(...events),
  }
  const config = { device: 'press', driver: 'fake', config: {}, capabilities: [], scanMs: {}, tags: [] }
  const device = startDevice({
    config,
    driver,
    listener,
    stateFolder: '/nowhere',
    clock: systemClock,
    chance: systemChance,
    log: keptLog(),
  })
  return { device, told }
}

const call = { object: 'i=1', method: 'i=2', args: [] }
const until = (): AbortSignal => AbortSignal.timeout(5_000)

describe('a device with more than values', () => {
  it('passes on what it tells, until it is stopped', async () => {
    let signal: AbortSignal | undefined
    const listen = async (report: (events: readonly DeviceEvent[]) => void, ends: AbortSignal): Promise<void> => {
      signal = ends
      report([alarm])
    }
    const { device, told } = deviceWith({ events: { listen } })
    await expect.poll(() => told).toEqual([alarm])
    await device[Symbol.asyncDispose]()
    expect(signal?.aborted).toBe(true)
  })

  it('calls its methods, and refuses where it has none or is absent', async () => {
    const done = { outcome: 'done', values: [42n] } as const
    const { device } = deviceWith({ call: async () => done })
    await expect.poll(() => device.call(call, until())).toEqual(done)
    await device[Symbol.asyncDispose]()
    expect(await device.call(call, until())).toMatchObject({ outcome: 'failed', fault: { code: 'device.absent' } })
    const plain = deviceWith({})
    await expect.poll(() => plain.device.call(call, until())).toMatchObject({ outcome: 'failed', fault: { code: 'device.no-methods' } })
    await plain.device[Symbol.asyncDispose]()
  })

  it('shows the numbers of its connection under its own name', async () => {
    const number = { name: 'lineside_fake', help: 'x', type: 'gauge', value: 7, labels: { state: 'a' } } as const
    const { device } = deviceWith({ metrics: () => [number] })
    await expect.poll(() => device.metrics()).toContainEqual({ ...number, labels: { state: 'a', device: 'press' } })
    await device[Symbol.asyncDispose]()
  })
})
