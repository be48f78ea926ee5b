import { describe, expect, it } from 'vitest'
import { epochMs } from '../../src/base/clock.ts'
import { Fault } from '../../src/base/fault.ts'
import { asTagId, type TagMeta, type TagValue } from '../../src/model/tag.ts'
import type { WriteRefusal } from '../../src/south/driver.ts'
import { startRoad } from './road.ts'

const setpoint = asTagId('press/setpoint')
const speed = asTagId('press/speed')
const heat = asTagId('oven/heat')
const why = new Fault('fake.range', 'it must lie between 0 and 9999.', { remedy: 'Write less.' })
const tooLarge: WriteRefusal = { of: 'value', fault: why }
const hourMs = 3_600_000

describe('a value that its place cannot hold', () => {
  const tenths = { type: 'f64', unit: 'bar', scale: { raw: [0, 100], to: [0, 10], isRawWhole: true }, rawSpan: [-32_768, 32_767] } as const

  it.each<[string, Partial<TagMeta>, TagValue, string]>([
    ['a scaled i16', tenths, 3_276.8, '3276.8 does not fit press/setpoint: the device can hold -3276.8 to 3276.7 bar there.'],
    ['a falling scale', { ...tenths, scale: { raw: [100, 0], to: [0, 10], isRawWhole: true } }, -4_000, 'can hold -3266.7 to 3286.8 bar'],
    ['bcd16', { type: 'u16', rawSpan: [0, 9_999] }, 10_000, '10000 does not fit press/setpoint: the device can hold 0 to 9999 there.'],
    ['bcd32', { type: 'u32', rawSpan: [0, 99_999_999] }, 100_000_000, 'the device can hold 0 to 99999999 there.'],
    ['one of an array', { type: 'u16', length: 2, rawSpan: [0, 9_999] }, [1, 10_000], 'can hold 0 to 9999'],
    ['a scale that overflows', { type: 'f64', scale: { raw: [0, 1e300], to: [0, 1] } }, 1e10, 'does not fit a number'],
  ])('is refused before anybody waits: %s', async (_, meta, value, text) => {
    const { ask, plant, devices, journal } = startRoad({}, meta)
    plant.state = 'connecting'
    expect(devices.size).toBe(2)
    const result = await ask({ value })
    expect(result).toMatchObject({ status: 'refused', code: 'command.type-range', remedy: expect.stringMatching(/\w+/) })
    expect(result.message).toContain(text)
    expect([plant.written, journal.map(({ type }) => type)]).toEqual([[], ['command.refused']])
  })

  it.each([-3_276.8, 3_276.7])('is none at the end of what the place holds: %d', async (value) => {
    const { ask } = startRoad({ tolerance: 1e-9 }, tenths)
    expect(await ask({ value })).toMatchObject({ status: 'done' })
  })

  it('is refused on the word of the driver, before the journal has it, and all that was to go together with it', async () => {
    const { road, command, plant, oven, journal } = startRoad()
    plant.device.refusals = async (writes) => writes.map(({ tag }) => (tag === 2 ? tooLarge : undefined))
    const commands = [heat, setpoint, speed].map((tag) => command({ tag }))
    expect(await road.writeAll({ commands, isTogether: true })).toMatchObject([
      { code: 'command.together' },
      { code: 'command.together' },
      {
        status: 'refused',
        code: 'command.type-range',
        message: '120 does not fit press/speed: it must lie between 0 and 9999.',
        remedy: 'Write less.',
      },
    ])
    expect([...plant.calls, ...oven.calls]).toEqual([])
    expect(journal.map(({ type }) => type)).toEqual(['command.refused', 'command.refused', 'command.refused'])
  })

  it('does not keep the others from being written where each is for itself', async () => {
    const { road, command, plant } = startRoad()
    plant.device.refusals = async (writes) => writes.map(({ tag }) => (tag === 2 ? tooLarge : undefined))
    const results = await road.writeAll({ commands: [command({ tag: speed }), command({})], isTogether: false })
    expect(results).toMatchObject([{ code: 'command.type-range' }, { status: 'done' }])
    expect(plant.written).toEqual([120])
  })
})

describe('a device that cannot be asked', () => {
  it('has none of a batch written that was to be written together, and is failed, not unknown', async () => {
    const { road, command, plant, oven } = startRoad()
    const fault = new Fault('device.absent', 'It is not there.', { remedy: 'Look.' })
    oven.device.refusals = async (writes) => writes.map(() => ({ of: 'place', fault }))
    const commands = [setpoint, heat].map((tag) => command({ tag }))
    expect(await road.writeAll({ commands, isTogether: true })).toMatchObject([
      { code: 'command.together' },
      { status: 'failed', code: 'device.absent' },
    ])
    expect([...plant.calls, ...oven.calls]).toEqual([])
  })

  it('is given up where it does not say what it can hold', async () => {
    const { ask, plant, clock } = startRoad()
    plant.device.refusals = () => new Promise(() => {})
    const answer = ask()
    await clock.advance(2_300)
    expect(await answer).toMatchObject({ status: 'failed', code: 'command.not-asked', remedy: expect.stringMatching(/\w+/) })
    plant.device.refusals = () => Promise.reject(new TypeError('a bug'))
    expect(await ask()).toMatchObject({ status: 'failed', code: 'internal' })
    plant.device.refusals = async () => []
    expect(await ask()).toMatchObject({ status: 'done' }) // and its turn is over
    expect(plant.calls).toHaveLength(1)
  })

  it('leaves the others their room on the road when hundreds of commands wait for it', async () => {
    const { road, command, plant, clock, ask } = startRoad({ ratePerSecondMax: 1e6 }, {}, { ratePerSecondMax: 1e6 })
    plant.hold = () => new Promise(() => {})
    const answers: ReturnType<typeof road.write>[] = []
    const flood = Array.from({ length: 10_000 }, (_, place) => command({ tag: place % 2 === 0 ? setpoint : speed, value: place % 100 }))
    for (const wish of flood) answers.push(road.write(wish))
    const devices = new Map<string | undefined, number>()
    expect(await ask({ tag: heat, value: 5 })).toMatchObject({ status: 'done' })
    for (let turns = 0; turns < 60; turns += 1) await clock.advance(15_000)
    for (const { code } of await Promise.all(answers)) devices.set(code, (devices.get(code) ?? 0) + 1)
    expect(plant.calls.length).toBeLessThanOrEqual(100)
    expect((devices.get('command.busy') ?? 0) + (devices.get('command.device-busy') ?? 0) + (devices.get('command.road-full') ?? 0)).toBe(
      9_900,
    )
  })

  it('has at most half of the road, whatever the number of its tags', async () => {
    const { road, command, plant, ask, devices } = startRoad()
    const press = devices.get('press')
    plant.hold = () => new Promise(() => {})
    expect(press).toBeDefined()
    const many = startMany(300)
    many.plant.hold = () => new Promise(() => {})
    const codes: (string | undefined)[] = []
    for (const wish of many.wishes) void many.road.write(wish).then(({ code }) => codes.push(code))
    await many.clock.settle()
    expect(codes).toEqual(Array.from({ length: 50 }, () => 'command.device-busy'))
    expect(await ask({ tag: heat })).toMatchObject({ status: 'done' })
    void road.write(command())
  })
})

/** A press with this many tags, and a wish for each. */
function startMany(count: number) {
  const started = startRoad()
  const { table, command } = started
  const metas = table.metas as TagMeta[]
  const first = metas.length
  const template = metas[0]
  if (template === undefined) throw new Error('there is a tag')
  const ids = Array.from({ length: count }, (_, place) => asTagId(`press/many-${place}`))
  const place = started.devices.get('press')
  const find = table.find.bind(table)
  for (const [position, id] of ids.entries()) metas.push({ ...template, id, path: `many-${position}` })
  table.find = (id) => (ids.includes(id) ? ((first + ids.indexOf(id)) as never) : find(id))
  expect(place).toBeDefined()
  return { ...started, wishes: ids.map((tag) => command({ tag })) }
}

describe('a wall clock that jumps', () => {
  it('lengthens no life: a command that waits expires when its time is over', async () => {
    const { ask, plant, clock } = startRoad()
    plant.takesOver = false
    const first = ask({ value: 1 }) // has its turn for half a second
    const second = ask({ value: 2, expiresMs: epochMs(clock.now() + 100) })
    await clock.advance(50)
    clock.setWall(epochMs(clock.now() - hourMs))
    await clock.advance(600)
    expect(await second).toMatchObject({ status: 'refused', code: 'command.expired' })
    expect(await first).toMatchObject({ status: 'failed' })
    expect(plant.written).toEqual([1])
  })

  it('takes a command back from the queue of the driver in time, and calls it expired', async () => {
    const { ask, plant, clock } = startRoad()
    const abandoned = new Fault('fake.abandoned', 'It was given up before it was sent.', { remedy: 'Ask again.' })
    plant.device.write = (writes, signal) =>
      new Promise((resolve) => signal.addEventListener('abort', () => resolve(writes.map(() => ({ outcome: 'failed', fault: abandoned })))))
    const answer = ask({ expiresMs: epochMs(clock.now() + 100) })
    await clock.advance(50)
    clock.setWall(epochMs(clock.now() - hourMs))
    await clock.advance(100)
    expect(await answer).toMatchObject({ status: 'refused', code: 'command.expired' })
  })

  it('does not make a repetition a new wish', async () => {
    const { ask, plant, clock } = startRoad()
    await ask({ id: 'job-7' })
    clock.setWall(epochMs(clock.now() + hourMs))
    expect(await ask({ id: 'job-7' })).toMatchObject({ status: 'done' })
    clock.setWall(epochMs(clock.now() - 2 * hourMs))
    await clock.advance(600_001)
    await ask({ id: 'job-7' })
    expect(plant.written).toEqual([120, 120])
  })
})

describe('a value that is read back', () => {
  it.each<[string, Omit<Partial<TagMeta>, 'type'> & { readonly type?: TagMeta['type'] | undefined }, number, number, string]>([
    ['a count whose type only the device knows', { type: undefined }, 100_000_000, 100_000_005, 'failed'],
    ['a double', { type: 'f64' }, 1e9, 1e9 + 60, 'failed'],
    ['a double that is kept as a float', { type: 'f64' }, 0.1, Math.fround(0.1), 'done'],
    ['a count that is kept as a float', { type: undefined }, 16_777_217, 16_777_216, 'done'],
    ['a float', { type: 'f32' }, 0.1, Math.fround(0.1), 'done'],
    ['a scaled count', { type: 'f64', scale: { raw: [0, 1_000], to: [0, 1], isRawWhole: true } }, 2_000_000, 2_000_000_100, 'failed'],
  ])('is compared as exactly as its kind can be: %s', async (_, meta, value, holds, status) => {
    const { ask, plant, clock, table } = startRoad({ tolerance: 0 }, { ...meta, type: meta.type ?? 'f32' })
    if (meta.type === undefined) Object.assign(table.metas[0] ?? {}, { type: undefined })
    plant.takesOver = false
    plant.holds[0] = holds
    const answer = ask({ value })
    await clock.advance(600)
    expect(await answer).toMatchObject({ status })
  })
})

describe('a journal that fails', () => {
  it('has nothing sent that it was not told of, and an answer for everybody', async () => {
    const { ask, store, plant } = startRoad()
    store.keep = () => Promise.reject(new Error('no journal'))
    expect(await ask()).toMatchObject({ status: 'refused', code: 'internal' })
    expect(plant.written).toEqual([])
    let kept = 0
    store.keep = async () => {
      kept += 1
      if (kept === 2) throw new Error('no journal')
    }
    expect(await ask()).toMatchObject({ status: 'done' })
    expect(await ask()).toMatchObject({ status: 'done' })
  })
})
