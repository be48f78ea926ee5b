import { describe, expect, it } from 'vitest'
import { Fault } from '../../src/base/fault.ts'
import { TagTable } from '../../src/control/tag-table.ts'
import type { DeviceStatus } from '../../src/model/device.ts'
import { asTagIndex } from '../../src/model/tag.ts'
import { startDevice } from '../../src/south/device.ts'
import { fakeDeviceConfig, fakePlant } from '../support/fake-device.ts'
import { startManualClock } from '../support/manual-clock.ts'
import { keptLog } from '../support/quiet-log.ts'

interface PlantOptions {
  readonly pollMs?: number
  readonly state?: 'answers' | 'absent' | 'hangs'
  readonly silentTags?: readonly number[]
  readonly scanMs?: Readonly<Record<string, number>>
}

async function startPlant({ pollMs = 1_000, state = 'answers', scanMs = { normal: pollMs }, silentTags = [] }: PlantOptions = {}) {
  const clock = startManualClock()
  const plant = fakePlant([42, 7])
  plant.state = state
  plant.silentTags = silentTags
  const config = fakeDeviceConfig('press', { tags: 2, pollMs, scanMs })
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

  it('shows the newest reason, though its kind is no news', async () => {
    await using press = await startPlant({ state: 'absent' })
    let attempts = 0
    Object.assign(press.plant.driver, {
      connect: async () => {
        attempts += 1
        throw new Fault('fake.gone', `Attempt ${attempts} failed.`, { remedy: 'Plug it in.' })
      },
    })
    await press.clock.advance(10_000)
    const { lastFault, sinceMs } = press.device.status()
    expect(Number(lastFault?.message.split(' ')[1])).toBeGreaterThanOrEqual(attempts - 3)
    expect([sinceMs, press.log.lines.filter(({ level }) => level === 'warn').length]).toEqual([press.statuses[0]?.sinceMs, 1])
    expect(press.statuses.length).toBeLessThanOrEqual(12) // one a second at the most
  })

  it('that answers in part shows which part keeps silent now', async () => {
    await using press = await startPlant({ pollMs: 100, silentTags: [0] })
    await press.clock.advance(2_000)
    expect(press.device.status()).toMatchObject({ state: 'degraded', lastFault: { message: 'The plug was pulled.' } })
    press.plant.fault = new Fault('fake.gone', 'The other plug was pulled.', { remedy: 'Plug it in.' })
    await press.clock.advance(2_000)
    expect(press.device.status()).toMatchObject({ state: 'degraded', lastFault: { message: 'The other plug was pulled.' } })
    expect(press.log.lines.filter(({ level }) => level === 'warn')).toHaveLength(1)
  })

  it('gives a connection attempt up that hangs, and tries again', async () => {
    await using press = await startPlant({ state: 'hangs' })
    expect(press.device.status().lastFault).toBeUndefined()
    await press.clock.advance(2_100)
    expect(press.device.status().lastFault?.code).toBe('device.connect-slow')
    await press.clock.advance(3_000)
    expect(press.device.status().lastFault?.code).toBe('device.connect-timeout')
    await press.clock.advance(3_000) // the next attempt is slow as well, and why is known
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
    expect(outcome).toMatchObject({ outcome: 'failed', fault: { code: 'device.absent' }, neverSent: true })
  })

  it('stops while an attempt to connect hangs', async () => {
    const press = await startPlant({ state: 'hangs' })
    await press.device[Symbol.asyncDispose]()
    expect(press.plant.connects).toBe(0)
  })
})

describe('a device that takes connections and says nothing', () => {
  it('has a reason as soon as the first answer is missed, is told of once, and is no more online for it', async () => {
    await using press = await startPlant({ pollMs: 100, silentTags: [0, 1] })
    expect(press.device.status()).toMatchObject({ state: 'connecting', lastFault: { code: 'fake.gone' } })
    expect([press.tag(0), press.tag(1)]).toMatchObject([{ quality: 'bad' }, { quality: 'bad' }])
    await press.clock.advance(20_000)
    expect(press.statuses.map(({ lastFault }) => lastFault?.code)).toEqual([undefined, 'fake.gone', 'device.silent'])
    press.plant.silentTags = []
    await press.clock.advance(2_000)
    expect(press.device.status().state).toBe('online')
  })
})

describe('a device that answers only in part', () => {
  it('is degraded while a part of it keeps silent, with the fault, and online again when it is whole', async () => {
    await using press = await startPlant({ pollMs: 100 })
    press.plant.silentTags = [1]
    await press.clock.advance(5_000)
    expect(press.device.status()).toMatchObject({ state: 'degraded', lastFault: { code: 'fake.gone' } })
    expect([press.tag(0), press.tag(1)]).toMatchObject([{ quality: 'good' }, { value: 7, quality: 'stale' }])
    press.plant.silentTags = []
    await press.clock.advance(200)
    expect(press.tag(1)).toMatchObject({ value: 7, quality: 'good' })
    expect(press.statuses.map((status) => status.state)).toEqual(['connecting', 'online', 'degraded', 'online'])
    expect(press.plant.connects).toBe(1)
  })

  it('is not degraded for a single poll that was not answered in full', async () => {
    await using press = await startPlant({ pollMs: 100 })
    press.plant.silentTags = [1]
    await press.clock.advance(100)
    press.plant.silentTags = []
    await press.clock.advance(1_000)
    expect(press.statuses.map((status) => status.state)).toEqual(['connecting', 'online'])
  })

  it('says so in its metrics', async () => {
    await using press = await startPlant({ pollMs: 100 })
    const shown = () =>
      Object.fromEntries(press.device.metrics().flatMap(({ name, value }) => (name.startsWith('lineside_device_') ? [[name, value]] : [])))
    press.plant.silentTags = [1]
    await press.clock.advance(1_000)
    expect(shown()).toMatchObject({ lineside_device_online: 1, lineside_device_degraded: 1 })
    press.plant.unplug()
    await press.clock.settle()
    expect(shown()).toMatchObject({ lineside_device_online: 0, lineside_device_degraded: 0 })
  })

  it('is not taken for lost when all of one scan class is silent, however slow the others are', async () => {
    await using press = await startPlant({ scanMs: { fast: 100, slow: 60_000 } })
    press.plant.silentTags = [0]
    await press.clock.advance(120_000)
    expect(press.device.status().state).toBe('degraded')
    expect([press.tag(0), press.tag(1)]).toMatchObject([{ quality: 'stale' }, { quality: 'good' }])
    expect(press.plant.connects).toBe(1)
  })

  it('is taken for lost soon when the rest goes silent, too', async () => {
    await using press = await startPlant({ scanMs: { fast: 100, slow: 60_000 } })
    press.plant.silentTags = [0]
    await press.clock.advance(1_000)
    press.plant.silentTags = [0, 1]
    await press.clock.advance(11_000)
    expect(press.device.status().lastFault?.code).toBe('device.silent')
    expect(press.tag(1)).toMatchObject({ quality: 'stale' })
    expect(press.plant.connects).toBeGreaterThan(1)
  })

  it('is not taken for lost by a single poll without any answer, after many with some', async () => {
    await using press = await startPlant({ pollMs: 100 })
    press.plant.silentTags = [1]
    await press.clock.advance(1_000)
    press.plant.silentTags = [0, 1]
    await press.clock.advance(200)
    press.plant.silentTags = [1]
    await press.clock.advance(1_000)
    expect(press.plant.connects).toBe(1)
    expect(press.device.status().state).toBe('degraded')
  })
})

describe('a device that answers and breaks off again', () => {
  const breaking = async (press: Awaited<ReturnType<typeof startPlant>>, forMs: number) => {
    for (let ms = 0; ms < forMs; ms += 50) {
      await press.clock.advance(50)
      if (press.device.status().state === 'online') press.plant.breakOff()
    }
  }

  it('is connected to ever more rarely, and told of a few times however long it goes on', async () => {
    await using press = await startPlant()
    await breaking(press, 600_000)
    expect(press.plant.connects).toBeLessThan(100)
    expect(press.log.lines.map(({ message }) => message)).toEqual([
      'The device is online.',
      'Lost the device.',
      'The device is online.',
      'Lost the device.',
      'The device comes and goes; that is only counted until it keeps its state.',
    ])
  })

  it('is told of with how often it changed when it stays, and is then back as soon as ever', async () => {
    await using press = await startPlant()
    await breaking(press, 120_000)
    await press.clock.advance(80_000)
    expect(press.log.lines.at(-1)).toMatchObject({
      message: 'The device keeps its state again.',
      fields: { state: 'online', changes: expect.any(Number) },
    })
    const before = press.plant.connects
    press.plant.breakOff()
    await press.clock.advance(200)
    expect(press.plant.connects).toBe(before + 1)
    expect(press.device.status().state).toBe('online')
  })
})
