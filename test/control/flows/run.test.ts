import { describe, expect, it } from 'vitest'
import { epochMs } from '../../../src/base/clock.ts'
import type { RunRecord } from '../../../src/store/contract.ts'
import { chain, flowOf, Life, type LifeOptions, publish, undoable, World, write } from './life.ts'
import { provesDurable, provesRepeatable, provesUnwinding } from './prove.ts'

const gate = 'filler/gate'
const reject = flowOf(chain({ ...write(gate, true), id: 'open' }, { ...publish('rejects', { weight: '${trigger.value}' }), id: 'report' }))

function startRun(options: Partial<LifeOptions> = {}) {
  const world = options.world ?? new World({ [gate]: false })
  return { world, life: new Life({ flow: reject, trigger: { value: 489.5 }, ...options, world }) }
}

const intent = (step: string, data: string): RunRecord => ({ kind: 'intent', run: 'r1', step, timeMs: epochMs(1), data })
const named = (kept: readonly RunRecord[]): readonly string[] =>
  kept.map((record) => ('step' in record ? `${record.kind} ${record.step}` : record.kind))

describe('a run', () => {
  it('keeps the intent of each step before its effect, and the outcome after', async () => {
    const { world, life } = startRun()
    expect(await life.end()).toEqual({ state: 'completed' })
    expect(named(life.kept)).toEqual(['intent open/0', 'outcome open/0', 'intent report', 'outcome report', 'ended'])
    expect(world.effects).toEqual(['write filler/gate true', 'publish rejects {"weight":489.5}'])
  })

  it('keeps an outcome together with the next intent: one flush of the disk a step', async () => {
    const { life } = startRun()
    await life.end()
    expect(life.calls).toBe(3)
  })

  it('ends the same when each step is done twice', () => provesRepeatable({ flow: reject, tags: { [gate]: false }, trigger: { value: 1 } }))

  it('loses and repeats nothing, wherever the power fails', () =>
    provesDurable({ flow: reject, tags: { [gate]: false }, trigger: { value: 1 } }))

  it('ends unsettled, and writes nothing, when a write is in doubt and the tag does not hold the value', async () => {
    const { world, life } = startRun({ past: [intent('open/0', 'true')] })
    expect(await life.end()).toMatchObject({ state: 'unsettled', step: 'open', fault: { code: 'flow.in-doubt' } })
    expect(world.effects).toEqual([])
  })

  it('uses the values of its intent when it is resumed, not those of now', async () => {
    const past: RunRecord[] = [
      { kind: 'outcome', run: 'r1', step: 'open/0', timeMs: epochMs(1), status: 'done', data: '{}' },
      intent('report', '"{\\"weight\\":480}"'),
    ]
    const { world, life } = startRun({ past })
    await life.end()
    expect(world.effects).toEqual(['publish rejects {"weight":480}'])
  })

  it.each([
    ['failed', 'failed'],
    ['unknown', 'unsettled'],
  ] as const)('whose write is %s ends %s, and does not go on', async (status, state) => {
    const { world, life } = startRun({ fail: () => status })
    expect(await life.end()).toMatchObject({ state, step: 'open' })
    expect(world.effects).toEqual([])
  })

  it('that was cut after a failed step ends failed, and repeats nothing', async () => {
    const fault = { code: 'x', message: 'no', remedy: 'look', isRetryable: false }
    const outcome: RunRecord = {
      kind: 'outcome',
      run: 'r1',
      step: 'open/0',
      timeMs: epochMs(2),
      status: 'failed',
      data: JSON.stringify(fault),
    }
    const { world, life } = startRun({ past: [intent('open/0', 'true'), outcome] })
    expect(await life.end()).toEqual({ state: 'failed', step: 'open', fault })
    expect(world.effects).toEqual([])
  })
})

describe('a run that unwinds', () => {
  const flow = flowOf(
    chain(
      undoable('line/infeed', 0, 100),
      undoable('line/valve', true, false),
      publish('told', { by: '${run.id}' }),
      undoable('line/pump', 1, 0),
    ),
  )
  const tags = { 'line/infeed': 100, 'line/valve': false, 'line/pump': 0 }
  const undoes = (effect: string): string | undefined =>
    ({
      'write line/infeed 0': 'write line/infeed 100',
      'write line/valve true': 'write line/valve false',
      'write line/pump 1': 'write line/pump 0',
    })[effect]

  it('undoes what was done, last first, whichever step fails, and though each undo fails once', () =>
    provesUnwinding({ flow, tags }, undoes))

  it('ends the same when each step is done twice', () => provesRepeatable({ flow, tags }))

  it('loses and repeats nothing, wherever the power fails', () => provesDurable({ flow, tags }))

  it('goes on backwards after a power cut, and leaves the plant as it was', async () => {
    const fail = (effect: string): 'failed' | undefined => (effect === 'write line/pump 1' ? 'failed' : undefined)
    const straight = new Life({ flow, world: new World(tags), fail })
    await straight.end()
    for (let place = 0; place < straight.calls; place += 1) {
      for (const when of ['before', 'after'] as const) {
        const world = new World(tags)
        const first = new Life({ flow, world, fail, cut: { at: 'journal', place, when } })
        await first.end()
        const second = new Life({ flow, world, fail, past: first.kept, startMs: first.clock.now() })
        const end = await second.end()
        expect(end).toMatchObject({ state: expect.stringMatching(/failed|unsettled/) })
        const isLeft = typeof end === 'object' && (end.left?.length ?? 0) > 0
        if (!isLeft)
          expect({ place, when, tags: Object.fromEntries(world.tags) }).toMatchObject({
            tags: { 'line/infeed': { value: 100 }, 'line/valve': { value: false } },
          })
      }
    }
  })

  it('ends unsettled, and undoes the rest, when one undo does not succeed', async () => {
    const world = new World(tags)
    const fail = (effect: string): 'failed' | undefined =>
      effect === 'write line/pump 1' || effect === 'write line/valve false' ? 'failed' : undefined
    const life = new Life({ flow, world, fail })
    expect(await life.end()).toMatchObject({ state: 'unsettled', step: 'write-line-pump', left: ['write-line-valve'] })
    expect(world.value('line/infeed')).toBe(100)
    expect(world.events.map(({ type }) => type)).toContain('step.undo-failed')
  })
})
