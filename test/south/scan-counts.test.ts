import { describe, expect, it } from 'vitest'
import type { DeviceStatus } from '../../src/model/device.ts'
import { startDevice } from '../../src/south/device.ts'
import type { DeviceListener } from '../../src/south/device-listener.ts'
import type { Driver, LearntNote } from '../../src/south/driver.ts'
import { fakeDeviceConfig, fakePlant } from '../support/fake-device.ts'
import { startManualClock } from '../support/manual-clock.ts'
import { keptLog } from '../support/quiet-log.ts'

async function start(driver: Driver<unknown, unknown>, listener: Partial<DeviceListener> = {}) {
  const clock = startManualClock()
  const device = startDevice({
    config: fakeDeviceConfig('press', { tags: 1, pollMs: 100 }),
    driver,
    stateFolder: '/nowhere',
    clock,
    chance: () => 0.5,
    log: keptLog(),
    listener: { readings: () => {}, heard: () => {}, stale: () => {}, status: () => {}, ...listener },
  })
  await clock.settle()
  return { clock, device, [Symbol.asyncDispose]: () => device[Symbol.asyncDispose]() }
}

/** A driver whose every poll takes so long. */
function slow(pollMs: number): Driver<unknown, unknown> {
  const { driver } = fakePlant([42])
  return {
    ...driver,
    connect: async (config, tags, context) => {
      const connection = await driver.connect(config, tags, context)
      if (connection.source.kind !== 'polled') return connection
      const { poll } = connection.source
      const late: typeof poll = async (scan, signal) => {
        await context.clock.sleep(pollMs, signal)
        return await poll(scan, signal)
      }
      return { ...connection, source: { kind: 'polled', poll: late } }
    },
  }
}

describe('a scan class', () => {
  it('shows how long it takes and how often it is left out because it takes too long', async () => {
    await using press = await start(slow(250))
    await press.clock.advance(3_000)
    const values = Object.fromEntries(
      press.device.metrics().flatMap(({ name, value, labels }) => (labels?.['scan'] === 'normal' ? [[name, value]] : [])),
    )
    expect(values).toMatchObject({ lineside_scan_period_seconds: 0.1, lineside_scan_cycle_seconds: 0.25 })
    expect(values['lineside_scan_overruns_total']).toBeGreaterThan(10)
  })
})

describe('what a driver has learnt', () => {
  const note: LearntNote = {
    code: 'modbus.limit',
    message: 'The device gives at most 60 registers in one answer.',
    sinceMs: startManualClock().now(),
  }

  it('is told at once, and stands in the status of the device', async () => {
    const { driver } = fakePlant([42])
    const told: LearntNote[] = []
    const statuses: DeviceStatus[] = []
    const learning: Driver<unknown, unknown> = {
      ...driver,
      connect: async (config, tags, context) => {
        context.learnt?.(note)
        return { ...(await driver.connect(config, tags, context)), learnt: () => [note] }
      },
    }
    await using _press = await start(learning, { learnt: (one) => told.push(one), status: (status) => statuses.push(status) })
    expect(told).toEqual([note])
    expect(statuses.at(-1)).toMatchObject({ state: 'online', learnt: [note.message] })
  })
})
