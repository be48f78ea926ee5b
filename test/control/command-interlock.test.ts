import { describe, expect, it } from 'vitest'
import { asTagId, type TagValue, type WriteRules } from '../../src/model/tag.ts'
import { lost, rejected, startRoad } from './road.ts'

const setpoint = asTagId('press/setpoint')
const speed = asTagId('press/speed')
const heat = asTagId('oven/heat')

/** press/setpoint may be written while press/speed, which may be written as well, is below 10; it was polled as 0. */
function startPress(ofSpeed: Partial<WriteRules> = {}, interlock = "tags['speed'] < 10.0") {
  const started = startRoad({ interlock }, {}, ofSpeed)
  const { table, clock, plant, road, command } = started
  const poll = (value: TagValue): void => table.take(0, [{ tag: 2, value, quality: 'good' }], clock.now())
  poll(0)
  const batch = (values: readonly (readonly [ReturnType<typeof asTagId>, number])[], isTogether: boolean) =>
    road.writeAll({ commands: values.map(([tag, value]) => command({ tag, value })), isTogether })
  const calls = () => plant.calls.flat().map(({ tag, value }) => `${tag === 2 ? 'speed' : 'setpoint'} ${value}`)
  return { ...started, poll, batch, calls }
}

const inDoubt = {
  status: 'refused',
  code: 'command.interlock',
  message: expect.stringContaining('a write of press/speed may still arrive'),
}
const notTrue = { status: 'refused', code: 'command.interlock', message: expect.stringContaining('is not true') }
const sameBatch = {
  status: 'refused',
  code: 'command.interlock',
  message: expect.stringContaining('the same batch writes press/speed'),
  remedy: expect.stringContaining('press/speed first'),
}

describe('an interlock whose operand the same batch writes', () => {
  it.each([
    ['before', true],
    ['behind', true],
    ['before', false],
    ['behind', false],
  ] as const)('refuses with the operand %s it, together: %s', async (where, isTogether) => {
    const { batch, calls } = startPress()
    const operand = [speed, 50] as const
    const results = await batch(where === 'before' ? [operand, [setpoint, 1]] : [[setpoint, 1], operand], isTogether)
    const [ofOperand, ofSetpoint] = where === 'before' ? results : results.toReversed()
    expect(ofSetpoint).toMatchObject(sameBatch)
    expect(ofOperand).toMatchObject(isTogether ? { code: 'command.together' } : { status: 'done' })
    expect(calls()).toEqual(isTogether ? [] : ['speed 50'])
  })

  it('refuses also what the operand would allow only afterwards', async () => {
    const { batch, poll, calls } = startPress()
    poll(50)
    expect(
      await batch(
        [
          [speed, 0],
          [setpoint, 1],
        ],
        true,
      ),
    ).toMatchObject([{ code: 'command.together' }, sameBatch]) // prettier-ignore
    expect(calls()).toEqual([])
  })

  it('may look at the very tag that is written', async () => {
    const { ask } = startRoad({ interlock: "tags['setpoint'] < 200.0" })
    expect(await ask({ value: 120 })).toMatchObject({ code: 'command.interlock' }) // never read
    const { ask: again, table, clock } = startRoad({ interlock: "tags['setpoint'] < 200.0" })
    table.take(0, [{ tag: 0, value: 0, quality: 'good' }], clock.now())
    expect(await again({ value: 120 })).toMatchObject({ status: 'done' })
  })

  it('cannot look at a tag of another device, whatever that one is written', async () => {
    const { batch, table, clock, calls } = startPress({}, "tags['oven/heat'] < 10.0")
    table.take(3, [{ tag: 0, value: 0, quality: 'good' }], clock.now())
    expect(
      await batch(
        [
          [heat, 5],
          [setpoint, 1],
        ],
        false,
      ),
    ).toMatchObject([{ status: 'done' }, { code: 'command.interlock' }]) // prettier-ignore
    expect(calls()).toEqual([])
  })
})

describe('an interlock whose operand another asker writes at the same moment', () => {
  it('waits for that write, and sees what came of it', async () => {
    const { ask, plant, clock, calls } = startPress()
    plant.hold = () => clock.sleep(300)
    const answers = Promise.all([ask({ tag: speed, value: 50 }), ask({ value: 1 })])
    await clock.advance(1_000)
    expect(await answers).toMatchObject([{ status: 'done' }, notTrue])
    expect(calls()).toEqual(['speed 50'])
  })

  it('keeps that write back until its own is sent, and no longer', async () => {
    const { ask, plant, clock, calls } = startPress()
    plant.takesOver = false // setpoint looks for its value for half a second
    plant.hold = () => clock.sleep(100)
    const first = ask({ value: 1 })
    const second = ask({ tag: speed, value: 50 })
    await clock.advance(50)
    expect(calls()).toEqual(['setpoint 1'])
    await clock.advance(100)
    expect(calls()).toEqual(['setpoint 1', 'speed 50'])
    await clock.advance(1_500)
    expect(await Promise.all([first, second])).toMatchObject([{ status: 'failed' }, { status: 'failed' }])
  })

  it('lets two who only look at the same operand go at once', async () => {
    const { road, command, plant, clock } = startPress()
    plant.hold = () => clock.sleep(1_000)
    const answers = [1, 2].map((value) => road.write(command({ value, tag: value === 1 ? setpoint : heat })))
    await clock.advance(1_000)
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual(['done', 'done'])
  })
})

describe('an interlock whose operand was written, and not seen since', () => {
  it('reads it first where its write is not read back', async () => {
    const { ask, plant } = startPress({ confirmMs: 0 })
    expect(await ask({ tag: speed, value: 50 })).toMatchObject({ status: 'done' })
    expect(await ask({ value: 1 })).toMatchObject(notTrue) // the last poll still says 0
    plant.holds[2] = 5 // the machine has slowed down
    expect(await ask({ tag: speed, value: 50 })).toMatchObject({ status: 'done' })
    plant.holds[2] = 5
    expect(await ask({ value: 1 })).toMatchObject({ status: 'done' })
  })

  it('is unknown where it cannot be read', async () => {
    const { ask, plant, clock } = startPress({ confirmMs: 0 })
    await ask({ tag: speed, value: 5 })
    plant.quality = 'bad'
    expect(await ask({ value: 1 })).toMatchObject(inDoubt)
    plant.state = 'connecting'
    expect(await ask({ value: 1 })).toMatchObject(inDoubt)
    await clock.advance(60_000)
    expect(await ask({ value: 1 })).toMatchObject(inDoubt)
    Object.assign(plant, { state: 'online', quality: 'good' })
    expect(await ask({ value: 1 })).toMatchObject({ status: 'done' })
  })

  it('is unknown for ten seconds after a write that ended unknown, for it may still arrive', async () => {
    const { ask, plant, clock } = startPress()
    Object.assign(plant, { outcome: lost, takesOver: false })
    const lostWrite = ask({ tag: speed, value: 50 })
    await clock.advance(3_000)
    expect(await lostWrite).toMatchObject({ status: 'unknown' })
    Object.assign(plant, { outcome: undefined, takesOver: true })
    expect(await ask({ value: 1 })).toMatchObject(inDoubt)
    plant.holds[2] = 50 // there it is
    expect(await ask({ value: 1 })).toMatchObject(notTrue)
  })

  it('is what it reads after these ten seconds', async () => {
    const { ask, plant, clock } = startPress()
    Object.assign(plant, { outcome: lost, takesOver: false })
    const lostWrite = ask({ tag: speed, value: 50 })
    await clock.advance(3_000)
    await lostWrite
    Object.assign(plant, { outcome: undefined, takesOver: true })
    await clock.advance(8_000)
    expect(await ask({ value: 1 })).toMatchObject(inDoubt)
    await clock.advance(2_000)
    expect(await ask({ value: 1 })).toMatchObject({ status: 'done' })
  })

  it('is unknown after a write that the device shows another value for: it may be slow', async () => {
    const { ask, plant, clock } = startPress()
    plant.takesOver = false
    const slow = ask({ tag: speed, value: 50 })
    await clock.advance(1_000)
    expect(await slow).toMatchObject({ code: 'command.not-confirmed' })
    plant.takesOver = true
    expect(await ask({ value: 1 })).toMatchObject(inDoubt)
  })

  it('is what it reads after a write that the device has refused', async () => {
    const { ask, plant } = startPress()
    Object.assign(plant, { outcome: rejected, takesOver: false })
    expect(await ask({ tag: speed, value: 50 })).toMatchObject({ status: 'failed' })
    Object.assign(plant, { outcome: undefined, takesOver: true })
    expect(await ask({ value: 1 })).toMatchObject({ status: 'done' })
  })
})

describe('an interlock whose operand another device file writes', () => {
  /** oven/heat is the same register as press/speed. */
  function startBoth() {
    const started = startRoad({ interlock: "tags['speed'] < 10.0" }, {}, {}, [['oven/heat', 'press/speed']])
    const { table, clock, plant, oven } = started
    table.take(0, [{ tag: 2, value: 0, quality: 'good' }], clock.now())
    const { write } = oven.device
    oven.device.write = async (writes, signal) => {
      if (oven.takesOver) plant.holds[2] = writes[0]?.value ?? 0
      return await write(writes, signal)
    }
    return started
  }

  it('waits for that write, and is looked at in its own device before it counts', async () => {
    const { ask, plant } = startBoth()
    expect(await Promise.all([ask({ tag: heat, value: 50 }), ask()])).toMatchObject([{ status: 'done' }, notTrue])
    expect({ calls: plant.calls, reads: plant.reads }).toEqual({ calls: [], reads: [[2]] })
  })

  it('is unknown while that write may still arrive', async () => {
    const { ask, oven, clock } = startBoth()
    Object.assign(oven, { outcome: lost, takesOver: false })
    const lostWrite = ask({ tag: heat, value: 50 })
    await clock.advance(3_000)
    expect(await lostWrite).toMatchObject({ status: 'unknown' })
    expect(await ask()).toMatchObject(inDoubt)
    await clock.advance(10_000)
    expect(await ask()).toMatchObject({ status: 'done' })
  })

  it('has its turn after that write where both ask for the one place', async () => {
    const { ask, oven, plant } = startBoth()
    const held = Promise.withResolvers<void>()
    oven.hold = () => held.promise
    const asked = [ask({ tag: heat, value: 5 }), ask({ tag: speed, value: 7 })]
    await expect.poll(() => oven.calls.length).toBe(1)
    expect(plant.calls).toEqual([])
    held.resolve()
    expect(await Promise.all(asked)).toMatchObject([{ status: 'done' }, { status: 'done' }])
    expect(plant.calls).toHaveLength(1)
  })
})
