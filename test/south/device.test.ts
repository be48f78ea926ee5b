import { describe, expect, it } from 'vitest'
import { TagTable } from '../../src/control/tag-table.ts'
import type { DeviceStatus } from '../../src/model/device.ts'
import { asTagIndex } from '../../src/model/tag.ts'
import { startDevice } from '../../src/south/device.ts'
import { fakeDeviceConfig, fakePlant } from '../support/fake-device.ts'
import { startManualClock } from '../support/manual-clock.ts'
import { keptLog } from '../support/quiet-log.ts'

async function startPlant({ pollMs = 1_000, state = 'answers' as 'answers' | 'absent' | 'hangs' } = {}) {
  const clock = startManualClock()
  const plant = fakePlant([42, 7])
  plant.state = state
  const config = fakeDeviceConfig('press', { tags: 2, pollMs })
  const table = new TagTable(config.tags, clock)
  const statuses: DeviceStatus[] = []
  const log = keptLog()
  const device = startDevice({
    config,
    driver: plant.driver,
    stateFolder: '/nowhere',
    clock,
    chance: () => 0.5,
    log,
    listener: {
      readings: (readings, receivedMs) => table.take(0, readings, receivedMs),
      heard: (tags, receivedMs) => table.heard(0, tags, receivedMs),
      stale: (tags) => table.stale(0, tags),
      status: (status) => statuses.push(status),
    },
  })
  await clock.settle()
  return {
    clock,
    plant,
    device,
    statuses,
    log,
    tag: (place: number) => table.current(asTagIndex(place)),
    [Symbol.asyncDispose]: () => device[Symbol.asyncDispose](),
  }
}

describe('a device', () => {
  it('has its first values as soon as it is connected', async () => {
    await using press = await startPlant()
    expect([press.tag(0), press.tag(1)]).toMatchObject([
      { value: 42, quality: 'good' },
      { value: 7, quality: 'good' },
    ])
    expect(press.device.status().state).toBe('online')
  })

  it('polls at its own pace and never overlaps itself', async () => {
    await using press = await startPlant({ pollMs: 100 })
    await press.clock.advance(10_000)
    expect(press.plant.polls).toBeGreaterThanOrEqual(99)
    expect(press.plant.polls).toBeLessThanOrEqual(102)
  })

  it('marks its tags stale, and keeps their last value, at once when the connection is lost', async () => {
    await using press = await startPlant()
    press.plant.unplug()
    await press.clock.settle()
    expect(press.tag(0)).toMatchObject({ value: 42, quality: 'stale' })
  })

  it('marks its tags stale within two polls when it hangs without a word', async () => {
    await using press = await startPlant({ pollMs: 100 })
    await press.clock.advance(1_000)
    press.plant.state = 'hangs'
    await press.clock.advance(300)
    expect(press.tag(0)).toMatchObject({ value: 42, quality: 'stale' })
  })

  it('is back, and good again, within a second after it can be reached', async () => {
    await using press = await startPlant()
    press.plant.unplug()
    await press.clock.advance(75_000)
    press.plant.state = 'answers'
    await press.clock.advance(1_000)
    expect(press.tag(0)).toMatchObject({ value: 42, quality: 'good' })
  })

  it('is taken for lost after three silent polls, and connected to anew', async () => {
    await using press = await startPlant({ pollMs: 100 })
    press.plant.state = 'silent'
    await press.clock.advance(500)
    expect(press.device.status().lastFault?.code).toBe('device.silent')
    press.plant.state = 'answers'
    await press.clock.advance(1_000)
    expect(press.plant.connects).toBeGreaterThan(1)
    expect(press.tag(0)).toMatchObject({ quality: 'good' })
  })

  it('that is absent at the start is told once, not at every attempt', async () => {
    await using press = await startPlant({ state: 'absent' })
    await press.clock.advance(60_000)
    expect(press.log.lines.filter(({ level }) => level === 'warn')).toHaveLength(1)
    expect(press.statuses.at(-1)).toMatchObject({ state: 'connecting', lastFault: { code: 'fake.gone' } })
  })

  it('gives a connection attempt up that hangs, and tries again', async () => {
    await using press = await startPlant({ state: 'hangs' })
    await press.clock.advance(5_100)
    expect(press.device.status().lastFault?.code).toBe('device.connect-timeout')
    press.plant.state = 'answers'
    await press.clock.advance(6_000)
    expect(press.device.status().state).toBe('online')
  })

  it('that takes connections and never answers is not online, and is told once', async () => {
    await using press = await startPlant({ pollMs: 100, state: 'absent' })
    press.plant.state = 'silent'
    await press.clock.advance(60_000)
    expect(press.plant.connects).toBeGreaterThan(10)
    expect(press.statuses.map(({ state }) => state)).not.toContain('online')
    expect(press.log.lines.length).toBeLessThanOrEqual(2)
  })

  it('answers a write with a failed outcome while it is absent', async () => {
    await using press = await startPlant({ state: 'absent' })
    const [outcome] = await press.device.write([{ tag: 0, value: 1 }], new AbortController().signal)
    expect(outcome).toMatchObject({ outcome: 'failed', fault: { code: 'device.absent' } })
  })

  it('stops while an attempt to connect hangs', async () => {
    const press = await startPlant({ state: 'hangs' })
    await press.device[Symbol.asyncDispose]()
    expect(press.plant.connects).toBe(0)
  })
})
