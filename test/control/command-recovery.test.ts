import { describe, expect, it } from 'vitest'
import { Fault } from '../../src/base/fault.ts'
import { recoverCommands } from '../../src/control/command-recovery.ts'
import type { SiteEvent } from '../../src/model/event.ts'
import type { WriteRules } from '../../src/model/tag.ts'
import { keptLog } from '../support/quiet-log.ts'
import { ann, type Plant, startRoad } from './road.ts'

type Row = SiteEvent & { readonly id: number }

interface Again {
  readonly write?: Partial<WriteRules>
  readonly state?: Plant['state']
}

/** A road whose journal holds what an earlier life wrote, oldest first. */
async function startAgain(
  past: readonly (readonly [type: string, data: Readonly<Record<string, unknown>>, tag?: string])[],
  { write = {}, state = 'online' }: Again = {},
) {
  const started = startRoad(write)
  started.plant.state = state
  const { clock, road, table, devices } = started
  const rows = past.map(
    ([type, data, subject = 'press/setpoint'], place): Row => ({
      id: place + 1,
      type: `command.${type}`,
      subject,
      timeMs: clock.now(),
      data: { id: 'old', value: 120, by: ann, ...data },
    }),
  )
  const events = async ({ type, rowsMax }: { readonly type: string; readonly rowsMax: number }): Promise<readonly Row[]> =>
    rows
      .filter((row) => row.type === type)
      .toReversed()
      .slice(0, rowsMax)
  const settling = await recoverCommands({ road, table, devices, events, clock, log: keptLog() })
  return { ...started, settling }
}

describe('a command that was under way when the gateway ended', () => {
  it('is done where its value is there, and is not written again', async () => {
    const { plant, journal, clock } = await startAgain([['asked', {}]])
    plant.holds[0] = 120
    await clock.advance(200)
    expect(journal).toMatchObject([
      { type: 'command.done', subject: 'press/setpoint', data: { id: 'old', readBack: 120, afterRestart: true } },
    ])
    expect(plant.written).toEqual([])
  })

  it('is unknown where another value is there', async () => {
    const { plant, journal, clock } = await startAgain([['asked', {}]])
    await clock.advance(3_000)
    expect(journal).toMatchObject([{ type: 'command.unknown', data: { code: 'command.in-doubt', readBack: 0, afterRestart: true } }])
    expect(plant.written).toEqual([])
  })

  it('waits for its device, but not for ever', async () => {
    const { journal, clock } = await startAgain(
      [
        ['asked', {}],
        ['asked', { id: 'other', value: 3 }, 'oven/heat'],
      ],
      { state: 'connecting' },
    )
    await clock.advance(30_000)
    expect(journal).toHaveLength(1) // the oven is there
    await clock.advance(31_000)
    expect(journal[1]).toMatchObject({ type: 'command.unknown', subject: 'press/setpoint' })
  })

  it.each([
    ['is not confirmed at all', { confirmMs: 0 }, undefined],
    ['is gone', {}, 'press/gone'],
  ])('is unknown where the tag %s', async (_, write, tag) => {
    const { journal, clock } = await startAgain([['asked', {}, tag ?? 'press/setpoint']], { write })
    await clock.advance(100)
    expect(journal).toMatchObject([{ type: 'command.unknown', data: { code: 'command.in-doubt' } }])
  })

  it('gives its answer to whoever asks the same again meanwhile', async () => {
    const { ask, plant, clock } = await startAgain([['asked', {}]], { state: 'connecting' })
    const again = ask({ id: 'old' })
    await clock.advance(1_000)
    plant.holds[0] = 120
    plant.state = 'online'
    await clock.advance(1_000)
    expect(await again).toMatchObject({ id: 'old', status: 'done', value: 120 })
    expect(plant.written).toEqual([])
  })

  it('is left for the next life where this one ends before', async () => {
    const { settling, journal, clock } = await startAgain([['asked', {}]], { state: 'connecting' })
    await clock.advance(1_000)
    await settling[Symbol.asyncDispose]()
    await clock.advance(100_000)
    expect(journal).toEqual([])
  })
})

describe('a command that ended before the gateway did', () => {
  it.each(['done', 'failed', 'unknown'])('as %s is not settled again, and not carried out again', async (status) => {
    const { ask, journal, clock, plant } = await startAgain([
      ['asked', {}],
      [status, { code: 'x', message: 'm', remedy: 'r', readBack: 5 }],
    ])
    await clock.advance(5_000)
    expect(journal).toEqual([])
    expect(await ask({ id: 'old' })).toMatchObject({ id: 'old', status, code: 'x', value: 5 })
    expect(await ask({ id: 'old', value: 1 })).toMatchObject({ code: 'command.id-reused' })
    expect(plant.written).toEqual([])
  })

  it('as refused may be asked again', async () => {
    const { ask, plant } = await startAgain([
      ['asked', {}],
      ['refused', { code: 'command.interlock' }],
    ])
    expect(await ask({ id: 'old' })).toMatchObject({ status: 'done' })
    expect(plant.written).toEqual([120])
  })

  it('as failed before it was sent may be asked again', async () => {
    const { ask, plant } = await startAgain([
      ['asked', {}],
      ['failed', { code: 'device.absent', sent: false }],
    ])
    expect(await ask({ id: 'old' })).toMatchObject({ status: 'done' })
    expect(plant.written).toEqual([120])
  })

  it('is not forgotten where its id was refused for another wish since', async () => {
    const { ask, plant } = await startAgain([
      ['asked', {}],
      ['done', {}],
      ['refused', { value: 7, code: 'command.id-reused', asked: false }],
    ])
    expect(await ask({ id: 'old' })).toMatchObject({ status: 'done' })
    expect(plant.written).toEqual([])
  })

  it('does not hide that the same id was asked for once more', async () => {
    const { journal, clock } = await startAgain([
      ['asked', {}],
      ['done', {}],
      ['asked', {}],
    ])
    await clock.advance(3_000)
    expect(journal).toMatchObject([{ type: 'command.unknown' }])
  })
})

describe('the past of the commands', () => {
  it('keeps nobody from starting where the journal cannot tell it', async () => {
    const { road, table, devices, clock, ask } = startRoad()
    const events = () => Promise.reject(new Fault('door.closed', 'Nobody.', { remedy: 'Wait.' }))
    await recoverCommands({ road, table, devices, events, clock, log: keptLog() })
    expect(await ask()).toMatchObject({ status: 'done' })
  })

  it('passes over rows that this program did not write', async () => {
    const { journal, clock } = await startAgain([
      ['asked', { by: 'somebody' }],
      ['asked', { id: 7 }],
      ['asked', { value: null }],
    ])
    await clock.advance(5_000)
    expect(journal).toEqual([])
  })

  it('does not guess at what is older than the endings that can be seen', async () => {
    const refused = Array.from({ length: 2_000 }, (_, place) => ['refused', { id: `r${place}`, code: 'command.role' }] as const)
    const { journal, clock } = await startAgain([['asked', {}], ...refused])
    await clock.advance(5_000)
    expect(journal).toEqual([])
  })
})
