import { describe, expect, it } from 'vitest'
import { epochMs } from '../../src/base/clock.ts'
import { asTagId, type TagId } from '../../src/model/tag.ts'
import { startRoad } from './road.ts'

const setpoint = asTagId('press/setpoint')
const speed = asTagId('press/speed')
const heat = asTagId('oven/heat')
const running = asTagId('press/running')

function startBatch(...options: Parameters<typeof startRoad>) {
  const started = startRoad(...options)
  const all = (values: Readonly<Record<TagId, number>>, isTogether = false) =>
    started.road.writeAll({
      commands: Object.entries(values).map(([tag, value]) => started.command({ tag: asTagId(tag), value })),
      isTogether,
    })
  return { ...started, all }
}

describe('a batch of commands', () => {
  it('goes to each device in one call, is read back in one read, and answers in order', async () => {
    const { all, plant, oven, journal } = startBatch()
    const results = await all({ [setpoint]: 1, [heat]: 2, [speed]: 3 })
    expect(results).toMatchObject([
      { id: 'c1', status: 'done', value: 1 },
      { id: 'c2', status: 'done', value: 2 },
      { id: 'c3', status: 'done', value: 3 },
    ])
    expect(plant.calls).toMatchObject([
      [
        { tag: 0, value: 1 },
        { tag: 2, value: 3 },
      ],
    ])
    expect(plant.reads).toEqual([[0, 2]])
    expect(oven.calls).toMatchObject([[{ tag: 0, value: 2 }]])
    expect(journal.filter(({ type }) => type === 'command.done')).toHaveLength(3)
  })

  it('writes what it may where one of them is refused', async () => {
    const { all, plant } = startBatch({ max: 10 })
    expect(await all({ [setpoint]: 11, [speed]: 3, [running]: 1 })).toMatchObject([
      { code: 'command.range' },
      { status: 'done' },
      { code: 'command.read-only' },
    ])
    expect(plant.written).toEqual([3])
  })

  it('writes none where it is asked to write all together and one is refused', async () => {
    const { all, plant, oven } = startBatch({ max: 10 })
    expect(await all({ [heat]: 1, [setpoint]: 11, [speed]: 3 }, true)).toMatchObject([
      { status: 'refused', code: 'command.together', message: expect.stringContaining('press/setpoint') },
      { status: 'refused', code: 'command.range' },
      { status: 'refused', code: 'command.together' },
    ])
    expect([...plant.written, ...oven.written]).toEqual([])
  })

  it('writes none together where an interlock of one device says no, whichever device it is', async () => {
    const { all, plant, oven, table, clock, journal } = startBatch({ interlock: "!tags['running']" })
    expect(await all({ [heat]: 1, [setpoint]: 2 }, true)).toMatchObject([{ code: 'command.together' }, { code: 'command.interlock' }])
    expect([...plant.written, ...oven.written]).toEqual([])
    expect(journal.map(({ type }) => type)).toEqual(['command.refused', 'command.refused'])
    table.take(0, [{ tag: 1, value: false, quality: 'good' }], clock.now())
    expect(await all({ [heat]: 1, [setpoint]: 2 }, true)).toMatchObject([{ status: 'done' }, { status: 'done' }])
  })

  it('writes none together where a machine starts while the journal keeps the wishes', async () => {
    const { all, plant, oven, table, clock, store } = startBatch({ interlock: "!tags['running']" })
    table.take(0, [{ tag: 1, value: false, quality: 'good' }], clock.now())
    store.keep = async () => table.take(0, [{ tag: 1, value: true, quality: 'good' }], clock.now())
    expect(await all({ [heat]: 1, [setpoint]: 2 }, true)).toMatchObject([{ code: 'command.together' }, { code: 'command.interlock' }])
    expect([...plant.written, ...oven.written]).toEqual([])
  })

  it('refuses a tag that stands in it twice', async () => {
    const { road, command } = startBatch()
    const commands = [command({ value: 1 }), command({ value: 2 })]
    expect(await road.writeAll({ commands, isTogether: false })).toMatchObject([{ status: 'done' }, { code: 'command.twice' }])
  })

  it('does not lock up with another one that wants the same tags the other way round', async () => {
    const { all, clock } = startBatch()
    const answers = Promise.all([all({ [setpoint]: 1, [heat]: 1 }, true), all({ [heat]: 2, [setpoint]: 2 }, true)])
    await clock.advance(2_000)
    expect((await answers).flat().map(({ status }) => status)).toEqual(['done', 'done', 'done', 'done'])
  })

  it('ends each command for itself where a device takes only some', async () => {
    const { all, plant, oven, clock } = startBatch()
    oven.takesOver = false
    const answers = all({ [setpoint]: 1, [heat]: 2 })
    await clock.advance(1_000)
    expect(await answers).toMatchObject([{ status: 'done' }, { status: 'failed', code: 'command.not-confirmed' }])
    expect(plant.written).toEqual([1])
  })

  it('gives up what has expired, and not what is still valid', async () => {
    const { road, command, plant, clock } = startBatch()
    plant.hold = (signal) =>
      Promise.race([clock.sleep(300), new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))])
    const write = plant.device.write
    plant.device.write = (writes, signal) => write(writes, signal).catch((fault) => writes.map(() => ({ outcome: 'failed', fault })))
    const commands = [command({ value: 1, expiresMs: epochMs(clock.now() + 100) }), command({ tag: speed, value: 3 })]
    const answers = road.writeAll({ commands, isTogether: false })
    await clock.advance(1_000)
    expect(await answers).toMatchObject([{ status: 'refused', code: 'command.expired' }, { status: 'done' }])
    expect(plant.written).toEqual([3])
  })

  it('does not take a driver that answers too few outcomes for done', async () => {
    const { all, plant, clock } = startBatch()
    const write = plant.device.write
    plant.device.write = async (writes, signal) => (await write(writes, signal)).slice(0, 1)
    plant.takesOver = false
    plant.holds = [1, false, 0]
    const answers = all({ [setpoint]: 1, [speed]: 3 })
    await clock.advance(3_000)
    expect(await answers).toMatchObject([{ status: 'done' }, { status: 'unknown' }])
  })

  it('may be empty', async () => {
    const { all } = startBatch()
    expect(await all({}, true)).toEqual([])
  })
})
