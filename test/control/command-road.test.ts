import { describe, expect, it } from 'vitest'
import { epochMs } from '../../src/base/clock.ts'
import { Fault } from '../../src/base/fault.ts'
import { CommandRoad } from '../../src/control/command-road.ts'
import { compileInterlocks } from '../../src/control/interlocks.ts'
import { TagTable } from '../../src/control/tag-table.ts'
import type { Command } from '../../src/model/command.ts'
import type { SiteEvent } from '../../src/model/event.ts'
import { asTagId, type TagMeta, type TagValue, type WriteRules } from '../../src/model/tag.ts'
import type { Device } from '../../src/south/device.ts'
import type { WriteOutcome } from '../../src/south/driver.ts'
import { startManualClock } from '../support/manual-clock.ts'
import { keptLog } from '../support/quiet-log.ts'

const rules: WriteRules = { confirmMs: 500, tolerance: 0.1, role: 'operator', ratePerSecondMax: 5 }
const lost: WriteOutcome = { outcome: 'unknown', fault: new Fault('fake.lost', 'The reply was lost.', { remedy: 'Look.' }) }

/** A device with two tags, `setpoint` (written) and `running`; `holds` is what its registers hold. */
function startRoad(write: Partial<WriteRules> = {}, meta: Partial<TagMeta> = {}) {
  const clock = startManualClock()
  const metas: TagMeta[] = [
    {
      id: asTagId('press/setpoint'),
      device: 'press',
      path: 'setpoint',
      type: 'f32',
      scan: 'normal',
      write: { ...rules, ...write },
      ...meta,
    },
    { id: asTagId('press/running'), device: 'press', path: 'running', type: 'bool', scan: 'normal' },
  ]
  const table = new TagTable(metas, clock)
  const plant = {
    holds: [0, false] as TagValue[],
    written: [] as TagValue[],
    outcome: undefined as WriteOutcome | undefined,
    takesOver: true,
  }
  const device: Device = {
    failure: new Promise(() => {}),
    status: () => ({ device: 'press', state: 'online', sinceMs: clock.now() }),
    call: () => Promise.reject(new Error('no methods here')),
    metrics: () => [],
    read: async (tags) => tags.map((tag) => ({ tag, value: plant.holds[tag] ?? null, quality: 'good' })),
    write: async (writes) => {
      for (const { tag, value } of writes) {
        plant.written.push(value)
        if (plant.takesOver) plant.holds[tag] = value
      }
      return [plant.outcome ?? { outcome: 'done' }]
    },
    [Symbol.asyncDispose]: async () => {},
  }
  const journal: SiteEvent[] = []
  const road = new CommandRoad({
    table,
    devices: new Map([['press', { device, first: 0 }]]),
    journal: async (event) => void journal.push(event),
    interlock: compileInterlocks(table),
    clock,
    log: keptLog(),
  })
  const ask = (command: Partial<Command> = {}) =>
    road.write({ id: '1', tag: asTagId('press/setpoint'), value: 120, by: { road: 'api', name: 'ann', role: 'operator' }, ...command })
  return { clock, table, plant, journal, ask }
}

describe('the command road', () => {
  it('writes, reads back, journals before and after, and answers done', async () => {
    const { ask, plant, journal } = startRoad()
    expect(await ask()).toMatchObject({ id: '1', status: 'done', value: 120 })
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
    await clock.advance(600)
    expect(await answer).toMatchObject({ status: 'unknown', code: 'fake.lost' })
    expect(plant.written).toHaveLength(1)
  })

  it('refuses more writes a second than the tag takes', async () => {
    const { ask, clock } = startRoad({ ratePerSecondMax: 2 })
    const answers = [await ask(), await ask(), await ask()]
    expect(answers.map(({ code }) => code)).toEqual([undefined, undefined, 'command.rate'])
    await clock.advance(1_000)
    expect(await ask()).toMatchObject({ status: 'done' })
  })

  it('serves two askers of one tag in the order of asking', async () => {
    const { ask, plant } = startRoad()
    await Promise.all([ask({ value: 1 }), ask({ value: 2 }), ask({ value: 3 })])
    expect(plant.written).toEqual([1, 2, 3])
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
})
