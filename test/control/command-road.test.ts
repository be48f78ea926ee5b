import { describe, expect, it } from 'vitest'
import { epochMs } from '../../src/base/clock.ts'
import { Fault } from '../../src/base/fault.ts'
import { Errand } from '../../src/control/errand.ts'
import type { Command } from '../../src/model/command.ts'
import { asTagId, type TagMeta, type TagValue, type WriteRules } from '../../src/model/tag.ts'
import { lost, rejected, startRoad } from './road.ts'

describe('the command road', () => {
  it('writes, reads back, journals before and after, and answers done', async () => {
    const { ask, plant, journal } = startRoad()
    expect(await ask()).toMatchObject({ id: 'c1', status: 'done', value: 120 })
    expect(plant.written).toEqual([120])
    expect(journal.map(({ type }) => type)).toEqual(['command.asked', 'command.done'])
  })

  it('shows the confirmed value to everybody before it answers', async () => {
    const { ask, table } = startRoad()
    const seen: unknown[] = []
    table.onChanges((batch) => seen.push(...batch.map(({ sample }) => sample.value)))
    await ask()
    expect(table.sampleOf(asTagId('press/setpoint'))).toMatchObject({ value: 120, quality: 'good' })
    expect(seen).toEqual([120])
  })

  it.each<[string, Partial<WriteRules>, Partial<Command>]>([
    ['command.role', {}, { by: { road: 'mqtt', name: 'eve', role: 'viewer' } }],
    ['command.tag-unknown', {}, { tag: asTagId('press/nothing') }],
    ['command.read-only', {}, { tag: asTagId('press/running'), value: true }],
    ['command.range', { max: 100 }, {}],
    ['command.range', { min: 130 }, {}],
    ['command.type', {}, { value: 'fast' }],
    ['command.type', {}, { value: [1, 2] }],
    ['command.type-range', {}, { value: Number.NaN }],
    ['command.type-range', {}, { value: Number.POSITIVE_INFINITY }],
    ['command.expired', {}, { expiresMs: epochMs(1) }],
    ['command.interlock', { interlock: "!tags['running']" }, {}],
    ['command.step', { stepMax: 100 }, {}],
    ['command.ramp', { ramp: { amount: 100, perMs: 1_000 } }, {}],
    ['command.type-range', {}, { value: 1e39 }],
  ])('refuses with %s and a remedy, and sends nothing', async (code, write, command) => {
    const { ask, plant, journal } = startRoad(write)
    expect(await ask(command)).toMatchObject({ status: 'refused', code, remedy: expect.stringMatching(/\w+/) })
    expect(plant.written).toEqual([])
    expect(journal.map(({ type }) => type)).toEqual(['command.refused'])
  })

  it('refuses an interlock whose operand is not good, and lets it pass once it is', async () => {
    const { ask, table, clock } = startRoad({ interlock: "!tags['running']" })
    expect(await ask()).toMatchObject({ code: 'command.interlock', message: expect.stringContaining('cannot be known') })
    table.take(0, [{ tag: 1, value: false, quality: 'good' }], clock.now())
    expect(await ask()).toMatchObject({ status: 'done' })
    table.stale(0, [1])
    expect(await ask()).toMatchObject({ code: 'command.interlock' })
    table.take(0, [{ tag: 1, value: false, quality: 'bad' }], clock.now())
    expect(await ask()).toMatchObject({ code: 'command.interlock' })
    table.take(0, [{ tag: 1, value: false, quality: 'uncertain' }], clock.now())
    expect(await ask()).toMatchObject({ status: 'done' })
  })

  it.each<[NonNullable<TagMeta['type']>, TagValue]>([
    ['u16', 65536],
    ['u16', -1],
    ['i16', 40000],
    ['u16', 1.5],
    ['i8', 128],
    ['u64', -1n],
    ['i32', 2 ** 31],
  ])('refuses what does not fit %s, and never wraps it', async (type, value) => {
    const { ask, plant } = startRoad({}, { type })
    expect(await ask({ value })).toMatchObject({ status: 'refused' })
    expect(plant.written).toEqual([])
  })

  it('undoes the scaling before it writes, to a whole number where the device holds whole numbers', async () => {
    const whole = startRoad({}, { type: 'f64', scale: { raw: [0, 1000], to: [0, 150], isRawWhole: true } })
    expect(await whole.ask({ value: 75.07 })).toMatchObject({ status: 'done', value: 75 })
    const coarse = startRoad({ tolerance: 0 }, { type: 'f64', scale: { raw: [0, 100], to: [0, 10], isRawWhole: true } })
    expect(await coarse.ask({ value: 5.55 })).toMatchObject({ status: 'done', value: 5.6000000000000005 })
    expect(whole.plant.written).toEqual([500])
    const fraction = startRoad({}, { type: 'f64', scale: { raw: [0, 1], to: [0, 100] } })
    expect(await fraction.ask({ value: 50 })).toMatchObject({ status: 'done', value: 50 })
    expect(fraction.plant.written).toEqual([0.5])
  })

  it('rounds to what the device holds, but never beyond a limit of the tag', async () => {
    const rising = startRoad({ min: 0.2, max: 9.9 }, { type: 'f64', scale: { raw: [0, 20], to: [0, 10], isRawWhole: true } })
    expect(await rising.ask({ value: 9.9 })).toMatchObject({ status: 'done', value: 9.5 })
    expect(await rising.ask({ value: 0.2 })).toMatchObject({ status: 'done', value: 0.5 })
    const falling = startRoad({ min: 0.2, max: 10 }, { type: 'f64', scale: { raw: [20, 0], to: [0, 10], isRawWhole: true } })
    expect(await falling.ask({ value: 0.2 })).toMatchObject({ status: 'done', value: 0.5 })
    expect(await falling.ask({ value: 10 })).toMatchObject({ status: 'done', value: 10 })
    const tenths = startRoad({ max: 0.3 }, { type: 'f64', scale: { raw: [0, 10], to: [0, 1], isRawWhole: true } })
    expect(await tenths.ask({ value: 0.3 })).toMatchObject({ status: 'done', value: expect.closeTo(0.3) })
  })

  it('fails when the device takes the write and holds another value', async () => {
    const { ask, plant, clock } = startRoad()
    plant.takesOver = false
    const answer = ask()
    await clock.advance(600)
    expect(await answer).toMatchObject({ status: 'failed', code: 'command.not-confirmed', value: 0 })
  })

  it('settles a lost reply by reading back: done where the value arrived, and not written twice', async () => {
    const { ask, plant } = startRoad()
    plant.outcome = lost
    expect(await ask()).toMatchObject({ status: 'done', value: 120 })
    expect(plant.written).toHaveLength(1)
  })

  it('says unknown where the reply was lost and the value is not there, and does not repeat it', async () => {
    const { ask, plant, clock } = startRoad()
    plant.outcome = lost
    plant.takesOver = false
    const answer = ask()
    await clock.advance(2_100)
    expect(await answer).toMatchObject({ status: 'unknown', code: 'fake.lost', value: 0 })
    expect(plant.written).toHaveLength(1)
  })

  it('refuses more writes a second than the tag takes', async () => {
    const { ask, clock } = startRoad({ ratePerSecondMax: 2 })
    const answers = [await ask(), await ask(), await ask()]
    expect(answers.map(({ code }) => code)).toEqual([undefined, undefined, 'command.rate'])
    await clock.advance(1_000)
    expect(await ask()).toMatchObject({ status: 'done' })
  })

  it('does not count what came too late among the writes of a second', async () => {
    const { ask } = startRoad({ ratePerSecondMax: 1 })
    expect(await ask({ expiresMs: epochMs(1) })).toMatchObject({ code: 'command.expired' })
    expect(await ask()).toMatchObject({ status: 'done' })
  })

  it('gives a lost reply two seconds to be settled, for its connection may be lost with it', async () => {
    const { ask, plant, clock } = startRoad({ confirmMs: 100 })
    plant.outcome = lost
    const write = plant.device.write
    plant.device.write = async (writes, signal) => {
      const outcomes = await write(writes, signal)
      plant.state = 'connecting'
      return outcomes
    }
    const answer = ask()
    await clock.advance(1_500)
    plant.state = 'online'
    await clock.advance(400)
    expect(await answer).toMatchObject({ status: 'done' })
  })

  it('serves two askers of one tag in the order of asking', async () => {
    const { ask, plant } = startRoad()
    await Promise.all([ask({ value: 1 }), ask({ value: 2 }), ask({ value: 3 })])
    expect(plant.written).toEqual([1, 2, 3])
  })

  it('tells the journal in the order of the turns, without one waiting until the disk holds the end of the one before', async () => {
    const { ask, store, clock, journal } = startRoad()
    store.keep = () => clock.sleep(100)
    const answers = [ask({ value: 1 }), ask({ value: 2 })]
    await clock.advance(310) // asked, done and asked, done: three times the disk, not four
    expect(await Promise.all(answers)).toMatchObject([{ status: 'done' }, { status: 'done' }])
    expect(journal.map(({ type, data }) => `${type} ${data['value']}`)).toEqual([
      'command.asked 1',
      'command.done 1',
      'command.asked 2',
      'command.done 2',
    ])
  })

  it('refuses a command that expired while it waited for its turn', async () => {
    const { ask, plant, clock } = startRoad()
    plant.takesOver = false
    const first = ask({ value: 1 })
    const second = ask({ value: 2, expiresMs: epochMs(clock.now() + 100) })
    await clock.advance(600)
    expect(await second).toMatchObject({ status: 'refused', code: 'command.expired' })
    expect(await first).toMatchObject({ status: 'failed' })
    expect(plant.written).toEqual([1])
  })

  it('refuses a command that expired while the journal kept it', async () => {
    const { ask, store, clock, plant, journal } = startRoad()
    store.keep = () => clock.sleep(200)
    const answer = ask({ expiresMs: epochMs(clock.now() + 100) })
    await clock.advance(1_000)
    expect(await answer).toMatchObject({ status: 'refused', code: 'command.expired' })
    expect(plant.written).toEqual([])
    expect(journal.map(({ type }) => type)).toEqual(['command.asked', 'command.refused'])
  })

  it('refuses where the machine starts while the journal keeps the wish', async () => {
    const { ask, store, clock, plant, table } = startRoad({ interlock: "!tags['running']" })
    table.take(0, [{ tag: 1, value: false, quality: 'good' }], clock.now())
    store.keep = async () => table.take(0, [{ tag: 1, value: true, quality: 'good' }], clock.now())
    expect(await ask()).toMatchObject({ status: 'refused', code: 'command.interlock' })
    expect(plant.written).toEqual([])
  })

  it('takes a command back that expires in the queue of the driver, and calls it refused', async () => {
    const { ask, plant, clock } = startRoad()
    plant.hold = (signal) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    const abandoned = plant.device.write
    plant.device.write = (writes, signal) => abandoned(writes, signal).catch((fault) => writes.map(() => ({ outcome: 'failed', fault })))
    const answer = ask({ expiresMs: epochMs(clock.now() + 100) })
    await clock.advance(150)
    expect(await answer).toMatchObject({ status: 'refused', code: 'command.expired' })
  })

  it('leaves a driver that hangs, looks for itself, and is unknown where it sees nothing', async () => {
    const { ask, plant, clock } = startRoad()
    plant.hold = () => new Promise(() => {})
    const answer = ask()
    await clock.advance(10_300)
    plant.state = 'connecting'
    await clock.advance(3_000)
    expect(await answer).toMatchObject({ status: 'unknown', code: 'command.timeout' })
  })

  it('takes no bad value for a confirmation', async () => {
    const { ask, plant, clock } = startRoad()
    plant.quality = 'bad'
    const answer = ask()
    await clock.advance(600)
    expect(await answer).toMatchObject({ status: 'unknown', code: 'command.not-read-back' })
  })

  it('does not take a count for another one that is near, as it does with floats', async () => {
    const { ask, plant, clock } = startRoad({ tolerance: 0 }, { type: 'i32' })
    plant.takesOver = false
    plant.holds[0] = 100_000_005
    const answer = ask({ value: 100_000_000 })
    await clock.advance(600)
    expect(await answer).toMatchObject({ status: 'failed', code: 'command.not-confirmed', value: 100_000_005 })
    const float = startRoad({ tolerance: 0 })
    float.plant.takesOver = false
    float.plant.holds[0] = Math.fround(0.1)
    expect(await float.ask({ value: 0.1 })).toMatchObject({ status: 'done' })
  })

  it('allows for what a scaled float cannot hold, also where the scale crosses zero', async () => {
    const scale = { raw: [0, 1], to: [-50, 150] } as const
    const { ask, plant } = startRoad({ tolerance: 0 }, { type: 'f64', scale })
    plant.takesOver = false
    plant.holds[0] = Math.fround(0.2505)
    expect(await ask({ value: 0.1 })).toMatchObject({ status: 'done' })
  })

  it('knows a moment again that the device writes in another way', async () => {
    const { ask, plant } = startRoad({}, { type: 'time' })
    plant.takesOver = false
    plant.holds[0] = '2026-11-21T02:30:00.000Z'
    expect(await ask({ value: '2026-11-21T02:30:00Z' })).toMatchObject({ status: 'done' })
  })

  it('compares 64-bit values as they are, within the tolerance', async () => {
    const { ask, plant } = startRoad({ tolerance: 2 }, { type: 'u64' })
    plant.takesOver = false
    plant.holds[0] = 2n ** 60n + 2n
    expect(await ask({ value: 2n ** 60n })).toMatchObject({ status: 'done', value: 2n ** 60n + 2n })
  })

  it('refuses what is no number where the limits are numbers and only the device knows the type', async () => {
    const { road, command, table } = startRoad({ max: 100 }, { type: 'f32' })
    Object.assign(table.metas[0] ?? {}, { type: undefined })
    expect(await road.write(command({ value: 'fast' }))).toMatchObject({ code: 'command.type' })
    expect(await road.write(command({ value: 101 }))).toMatchObject({ code: 'command.range' })
    expect(await road.write(command({ value: 99 }))).toMatchObject({ status: 'done' })
  })

  it('is unknown where the reply to an unconfirmed write was lost, for nothing can settle it', async () => {
    const { ask, plant } = startRoad({ confirmMs: 0 })
    plant.outcome = lost
    expect(await ask()).toMatchObject({ status: 'unknown', code: 'fake.lost' })
    expect(plant.reads).toEqual([])
  })

  it('is unknown, not refused, when our own code breaks after the write was sent', async () => {
    const { ask, plant, clock } = startRoad({ confirmMs: 0 })
    plant.hold = () => Promise.reject(new TypeError('a bug'))
    const answer = ask()
    await clock.settle()
    expect(await answer).toMatchObject({ status: 'unknown', code: 'internal' })
  })

  it('says that a device is only being started', async () => {
    const { ask, devices } = startRoad()
    devices.delete('press')
    expect(await ask()).toMatchObject({ status: 'refused', code: 'command.device-starting' })
  })

  it('reads rarer and rarer while a slow device makes up its mind', async () => {
    const { ask, plant, clock } = startRoad({ confirmMs: 10_000 })
    plant.takesOver = false
    const answer = ask()
    await clock.advance(10_100)
    expect(await answer).toMatchObject({ status: 'failed' })
    expect(plant.reads.length).toBeLessThan(60)
  })

  it('refuses when it is closed, and waits for what is under way', async () => {
    const { ask, road, plant, clock } = startRoad()
    plant.hold = () => clock.sleep(300)
    const first = ask()
    await clock.settle()
    const closed = road.close()
    expect(await ask()).toMatchObject({ status: 'refused', code: 'command.stopping' })
    await clock.advance(400)
    await closed
    expect(await first).toMatchObject({ status: 'done' })
  })
})

describe('the pace of writes', () => {
  it('is measured against what the device holds, not against what was last polled', async () => {
    const { ask, plant, table, clock } = startRoad({ stepMax: 5 })
    table.take(0, [{ tag: 0, value: 50, quality: 'good' }], clock.now())
    plant.holds[0] = 100 // another panel has changed it
    expect(await ask({ value: 54 })).toMatchObject({ code: 'command.step', message: expect.stringContaining('by 46, and 5') })
    expect(await ask({ value: 105 })).toMatchObject({ status: 'done' })
    expect(await ask({ value: 100 })).toMatchObject({ status: 'done' })
  })

  it('takes a step of a tenth for one, though floating point makes it a little more', async () => {
    const { ask, plant } = startRoad({ stepMax: 0.1 })
    plant.holds[0] = 0.3
    expect(await ask({ value: 0.4 })).toMatchObject({ status: 'done' })
  })

  it('refuses where what the device holds cannot be known', async () => {
    const { ask, plant } = startRoad({ stepMax: 500 })
    plant.quality = 'bad'
    expect(await ask()).toMatchObject({ status: 'refused', code: 'command.current-unknown' })
    plant.state = 'connecting'
    expect(await ask()).toMatchObject({ status: 'refused', code: 'command.current-unknown' })
    expect(plant.written).toEqual([])
  })

  it('lets a ramp have its amount at once, and then no faster than it fills', async () => {
    const { ask, clock } = startRoad({ ramp: { amount: 10, perMs: 1_000 }, ratePerSecondMax: 100 })
    expect(await ask({ value: 10 })).toMatchObject({ status: 'done' })
    expect(await ask({ value: 11 })).toMatchObject({ code: 'command.ramp', message: expect.stringContaining('leaves 0 for now') })
    await clock.advance(500)
    expect(await ask({ value: 15 })).toMatchObject({ status: 'done' })
    await clock.advance(60_000)
    expect(await ask({ value: 26 })).toMatchObject({ code: 'command.ramp' })
    expect(await ask({ value: 25 })).toMatchObject({ status: 'done' })
  })

  it('counts the way there and the way back', async () => {
    const { ask } = startRoad({ ramp: { amount: 10, perMs: 1_000 } })
    expect(await ask({ value: 6 })).toMatchObject({ status: 'done' })
    expect(await ask({ value: 0 })).toMatchObject({ code: 'command.ramp', message: expect.stringContaining('leaves 4') })
  })

  it('knows the largest change of any element', async () => {
    const { ask, plant } = startRoad({ stepMax: 5 }, { length: 2 })
    plant.holds[0] = [10, 10]
    expect(await ask({ value: [12, 16] })).toMatchObject({ code: 'command.step', message: expect.stringContaining('by 6') })
    expect(await ask({ value: [12, 14] })).toMatchObject({ status: 'done' })
  })

  it('takes a rate below one a second as one in so many seconds', async () => {
    const { ask, clock } = startRoad({ ratePerSecondMax: 0.1 })
    expect(await ask()).toMatchObject({ status: 'done' })
    await clock.advance(9_000)
    expect(await ask()).toMatchObject({ code: 'command.rate' })
    await clock.advance(1_000)
    expect(await ask()).toMatchObject({ status: 'done' })
  })
})

describe('a wish that comes twice', () => {
  it('is carried out once, and gets the first answer', async () => {
    const { road, command, plant } = startRoad()
    const wish = command({ id: 'job-7' })
    const [first, second] = await Promise.all([road.write(wish), road.write(wish)])
    expect(second).toEqual(first)
    expect(await road.write(wish)).toMatchObject({ id: 'job-7', status: 'done' })
    expect(plant.written).toEqual([120])
  })

  it('is refused where its id meant another value', async () => {
    const { ask, plant } = startRoad()
    await ask({ id: 'job-7', value: 1 })
    expect(await ask({ id: 'job-7', value: 2 })).toMatchObject({ status: 'refused', code: 'command.id-reused' })
    expect(plant.written).toEqual([1])
  })

  it('is another one from another asker, of another tag, and after ten minutes', async () => {
    const { ask, plant, clock } = startRoad()
    await ask({ id: '1', value: 1 })
    await ask({ id: '1', value: 2, by: { road: 'mqtt', name: 'ann', role: 'operator' } })
    await ask({ id: '1', value: 3, tag: asTagId('press/speed') })
    await ask({ id: '1', value: 4, by: { road: 'api', name: 'bob', role: 'operator' } })
    await clock.advance(600_001)
    await ask({ id: '1', value: 5 })
    expect(plant.written).toEqual([1, 2, 3, 4, 5])
  })

  it('is carried out where it was refused before: nothing had been sent', async () => {
    const { ask, table, clock, plant } = startRoad({ interlock: "!tags['running']" })
    expect(await ask({ id: '1' })).toMatchObject({ status: 'refused' })
    table.take(0, [{ tag: 1, value: false, quality: 'good' }], clock.now())
    expect(await ask({ id: '1' })).toMatchObject({ status: 'done' })
    expect(plant.written).toEqual([120])
  })

  it('is carried out where the device was not there before, once it is back', async () => {
    const { ask, plant, journal } = startRoad()
    const absent = new Fault('device.absent', 'Not there.', { remedy: 'Wait.' })
    plant.outcome = { outcome: 'failed', fault: absent, neverSent: true }
    expect(await ask({ id: '1' })).toMatchObject({ status: 'failed', code: 'device.absent', sent: false })
    expect(journal.at(-1)).toMatchObject({ type: 'command.failed', data: { sent: false } })
    plant.outcome = undefined
    expect(await ask({ id: '1' })).toMatchObject({ status: 'done' })
    expect(await ask({ id: '1' })).toMatchObject({ status: 'done' })
    expect(plant.calls).toHaveLength(2)
  })

  it('is carried out where its place could not be asked before', async () => {
    const { ask, plant } = startRoad()
    const fault = new Fault('device.absent', 'Not there.', { remedy: 'Wait.' })
    plant.device.refusals = async () => [{ of: 'place', fault }]
    expect(await ask({ id: '1' })).toMatchObject({ status: 'failed', code: 'device.absent' })
    plant.device.refusals = async () => []
    expect(await ask({ id: '1' })).toMatchObject({ status: 'done' })
    expect(plant.written).toEqual([120])
  })

  it.each([
    ['failed', rejected],
    ['unknown', lost],
  ] as const)('gets its first answer where the device may have heard of it and it %s', async (status, outcome) => {
    const { ask, plant, clock } = startRoad({ confirmMs: 0 })
    plant.outcome = outcome
    const first = ask({ id: '1' })
    await clock.advance(5_000)
    expect(await first).toMatchObject({ status })
    expect(await first).not.toHaveProperty('sent')
    plant.outcome = undefined
    expect(await ask({ id: '1' })).toMatchObject({ status })
    expect(plant.calls).toHaveLength(1)
  })

  it('is forgotten when too many came after it', async () => {
    const { ask, road, plant } = startRoad({ ratePerSecondMax: 1_000_000, confirmMs: 0 })
    for (let count = 0; count <= 5_000; count += 1) await ask({ id: `i${count}`, value: count })
    expect(road.recent.size).toBe(5_000)
    await ask({ id: 'i0', value: 0 })
    await ask({ id: 'i5000', value: 5_000 })
    expect(plant.written).toHaveLength(5_002)
  })
})

describe('a flood of commands', () => {
  it('is bounded for each tag', async () => {
    const { ask, plant, clock } = startRoad({ ratePerSecondMax: 1_000 })
    plant.hold = () => clock.sleep(1)
    const answers = Array.from({ length: 60 }, (_, value) => ask({ value }))
    await clock.advance(1_000)
    const codes = (await Promise.all(answers)).map(({ code }) => code)
    expect(codes.filter((code) => code === 'command.busy')).toHaveLength(10)
    expect(plant.written).toEqual(Array.from({ length: 50 }, (_, value) => value))
  })

  it('is bounded for all tags together', async () => {
    const { road, command, clock, plant, oven, table } = startRoad({ ratePerSecondMax: 10_000 })
    Object.assign(table.metas[3]?.write ?? {}, { ratePerSecondMax: 10_000 })
    for (const side of [plant, oven]) side.hold = () => clock.sleep(5)
    const wishes = Array.from({ length: 600 }, (_, place) => command({ tag: asTagId(place % 2 === 0 ? 'press/setpoint' : 'oven/heat') }))
    const answers = wishes.map((wish) => road.write(wish))
    expect(await answers[599]).toMatchObject({ status: 'refused', code: 'command.road-full' })
    await clock.advance(10_000)
    await Promise.all(answers)
  })

  it('of refused ones does not fill the journal, and the next record tells how many were left out', async () => {
    const { ask, journal, clock, road } = startRoad({ max: 1 })
    for (let count = 0; count < 100; count += 1) expect(await ask()).toMatchObject({ code: 'command.range' })
    expect(journal).toHaveLength(10)
    await clock.advance(1_000)
    await ask()
    expect(journal.at(-1)).toMatchObject({ type: 'command.refused', data: { unrecordedBefore: 90 } })
    expect(road.metrics()).toContainEqual(expect.objectContaining({ name: 'lineside_commands_unrecorded_total', value: 90 }))
  })
})

describe('a flood of refusals', () => {
  it('that does not end leaves the journal a thousand of them an hour, and says how many there were', async () => {
    const { ask, journal, clock, road } = startRoad({ max: 1 })
    const seconds = 200
    for (let second = 0; second < seconds; second += 1) {
      for (let count = 0; count < 20; count += 1) await ask()
      await clock.advance(1_000)
    }
    expect(journal).toHaveLength(1_000)
    await clock.advance(3_600_000)
    await ask()
    const untold = journal.reduce((sum, { data }) => sum + Number(data['unrecordedBefore'] ?? 0), 0)
    expect(journal.length + untold).toBe(seconds * 20 + 1)
    expect(road.metrics()).toContainEqual(expect.objectContaining({ name: 'lineside_commands_unrecorded_total', value: untold }))
  })

  it('of large values holds the beginning of each', async () => {
    const { ask, journal } = startRoad()
    await ask({ value: 'x'.repeat(60_000) })
    expect(journal).toMatchObject([{ type: 'command.refused', data: { isValueCut: true, asked: false } }])
    expect(JSON.stringify(journal).length).toBeLessThan(2_000)
  })
})

describe('a refusal of what was journalled as asked', () => {
  it('is journalled however many refusals there are, or it would look as if it were still under way', async () => {
    const { ask, journal, store, clock } = startRoad({ max: 1, ratePerSecondMax: 100 })
    for (let count = 0; count < 20; count += 1) await ask()
    store.keep = () => clock.sleep(200)
    const late = ask({ value: 1, expiresMs: epochMs(clock.now() + 100) })
    await clock.advance(500)
    expect(await late).toMatchObject({ status: 'refused' })
    expect(journal.slice(-2).map(({ type }) => type)).toEqual(['command.asked', 'command.refused'])
  })
})

describe('an errand', () => {
  it.each([
    ['new', 'refused'],
    ['asked', 'refused'],
    ['sent', 'unknown'],
  ] as const)('that breaks when it is %s is %s', async (stage, status) => {
    const { command, clock } = startRoad()
    const errand = new Errand(command(), clock)
    errand.stage = stage
    errand.endWith(new TypeError('a bug'))
    errand.answer(clock.elapsed())
    expect(await errand.result).toMatchObject({ status, code: 'internal' })
  })
})

describe('two tags of one device', () => {
  it('do not wait for each other', async () => {
    const { ask, plant, clock } = startRoad()
    plant.takesOver = false
    const slow = ask({ value: 7 }) // waits half a second for its confirmation
    await clock.settle()
    plant.takesOver = true
    expect(await ask({ tag: asTagId('press/speed'), value: 3 })).toMatchObject({ status: 'done' })
    await clock.advance(600)
    expect(await slow).toMatchObject({ status: 'failed' })
  })
})
