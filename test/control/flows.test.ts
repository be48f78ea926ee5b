import { describe, expect, it } from 'vitest'
import { epochMs } from '../../src/base/clock.ts'
import type { FlowConfig, FlowStep } from '../../src/control/flows/config.ts'
import { executeRun, type Run, type RunPorts } from '../../src/control/flows/run.ts'
import { Trigger } from '../../src/control/flows/trigger.ts'
import { TagTable } from '../../src/control/tag-table.ts'
import type { CommandResult } from '../../src/model/command.ts'
import type { Quality } from '../../src/model/quality.ts'
import { asTagId, type TagMeta, type TagValue } from '../../src/model/tag.ts'
import type { RunRecord } from '../../src/store/contract.ts'
import { startManualClock } from '../support/manual-clock.ts'

const weight = asTagId('filler/weight')
const gate = asTagId('filler/gate')

function startTags() {
  const clock = startManualClock()
  const metas = [weight, gate].map((id): TagMeta => ({ id, device: 'filler', path: id.slice(7), scan: 'normal' }))
  const table = new TagTable(metas, clock)
  const set = (tag: number, value: TagValue | null, quality: Quality = 'good'): void =>
    table.take(0, [{ tag, value, quality }], clock.now())
  return { clock, table, set }
}

function startTrigger(when: string, forMs?: number) {
  const { clock, table, set } = startTags()
  let fired = 0
  const trigger = new Trigger({
    trigger: { tag: weight, when, ...(forMs === undefined ? {} : { forMs }) },
    tags: table,
    clock,
    fire: () => (fired += 1),
  })
  const see = (value: TagValue | null, quality: Quality = 'good'): void => {
    set(0, value, quality)
    trigger.look()
  }
  return { clock, see, set, trigger, fired: () => fired }
}

describe('a trigger', () => {
  it('fires when its condition becomes true, and not again while it stays so', () => {
    const { see, fired } = startTrigger('value < 495.0')
    for (const value of [500, 490, 489, 500, 488]) see(value)
    expect(fired()).toBe(2)
  })

  it('does not fire for a condition that is already true when it is first known', () => {
    const { see, fired } = startTrigger('value < 495.0')
    see(490)
    expect(fired()).toBe(0)
  })

  it('waits while the value is unknown, and does not fire again when it is back as it was', () => {
    const { see, fired } = startTrigger('value < 495.0')
    see(500)
    see(490)
    see(490, 'stale')
    see(490)
    expect(fired()).toBe(1)
  })

  it('never takes an unknown operand for true, not even behind a not', () => {
    const { see, set, fired } = startTrigger("value < 495.0 && !tags['filler/gate']")
    set(1, false)
    see(500)
    set(1, null, 'bad')
    see(490)
    expect(fired()).toBe(0)
  })

  it('waits until the condition has stayed true for as long as it says', async () => {
    const { see, clock, fired } = startTrigger('value < 495.0', 50)
    see(500)
    see(490)
    await clock.advance(40)
    see(500)
    await clock.advance(100)
    expect(fired()).toBe(0)
    see(490)
    await clock.advance(60)
    expect(fired()).toBe(1)
  })

  it('watches every tag that its condition names', () => {
    expect(startTrigger("value < 1 && tags['filler/gate']").trigger.watched).toEqual([weight, gate])
  })
})

const steps: FlowStep[] = [
  { kind: 'write', id: 'open', writes: [{ tag: gate, value: true }], isConfirmed: true },
  { kind: 'publish', id: 'report', topic: 'rejects', payload: { weight: '${trigger.value}' }, isRetained: false },
]
const flow: FlowConfig = { flow: 'reject', version: 1, on: [{ tag: weight, when: 'value < 495.0' }], steps }

/** A run whose power may be cut: once `cutAfter` records are kept, nothing is kept or done any more. */
function startRun(
  options: {
    readonly past?: Run['past']
    readonly cutAfter?: number
    readonly gateReads?: boolean
    readonly status?: CommandResult['status']
  } = {},
) {
  const { clock, table } = startTags()
  const kept: RunRecord[] = []
  const effects: string[] = []
  const cut = new Error('power cut')
  const ports: RunPorts = {
    tags: table,
    clock,
    keep: async (records) => {
      if (kept.length >= (options.cutAfter ?? Number.POSITIVE_INFINITY)) throw cut
      kept.push(...records)
    },
    write: async ({ id, tag, value }) => {
      effects.push(`write ${tag} ${String(value)}`)
      return { id, status: options.status ?? 'done', tookMs: 1 }
    },
    publish: async ({ topic, payload }) => void effects.push(`publish ${topic} ${payload}`),
    readsNow: async () => options.gateReads,
  }
  const run: Run = { id: 'r1', flow, trigger: { value: 489.5 }, isResumed: options.past !== undefined, past: options.past ?? [] }
  return { kept, effects, cut, end: executeRun(run, ports) }
}

const records = (kept: readonly RunRecord[]): Run['past'] => kept.filter((record) => record.kind === 'intent' || record.kind === 'outcome')

describe('a run', () => {
  it('keeps the intent of each step before its effect, and the outcome after', async () => {
    const { kept, effects, end } = startRun()
    expect(await end).toEqual({ state: 'completed' })
    expect(
      kept.map((record) => (record.kind === 'intent' || record.kind === 'outcome' ? `${record.kind} ${record.step}` : record.kind)),
    ).toEqual(['intent open/0', 'outcome open/0', 'intent report', 'outcome report', 'ended'])
    expect(effects).toEqual(['write filler/gate true', 'publish rejects {"weight":489.5}'])
  })

  it.each([0, 1, 2, 3, 4])('that lost its power after %i records ends with each effect done, and the write done once', async (cutAfter) => {
    const first = startRun({ cutAfter })
    await first.end.catch(() => {})
    const second = startRun({ past: records(first.kept), gateReads: first.effects.length > 0 })
    expect(await second.end).toEqual({ state: 'completed' })
    const effects = [...first.effects, ...second.effects]
    expect(effects.filter((effect) => effect.startsWith('write'))).toHaveLength(1)
    expect(effects.filter((effect) => effect.startsWith('publish')).length).toBeGreaterThanOrEqual(1)
  })

  it('ends unsettled, and writes nothing, when a write is in doubt and the tag does not hold the value', async () => {
    const past: Run['past'] = [{ kind: 'intent', run: 'r1', step: 'open/0', timeMs: epochMs(1), data: 'true' }]
    const { effects, end } = startRun({ past, gateReads: false })
    expect(await end).toMatchObject({ state: 'unsettled', step: 'open', fault: { code: 'flow.in-doubt' } })
    expect(effects).toEqual([])
  })

  it('uses the values of its intent when it is resumed, not those of now', async () => {
    const past: Run['past'] = [
      { kind: 'outcome', run: 'r1', step: 'open/0', timeMs: epochMs(1), status: 'done', data: '{}' },
      { kind: 'intent', run: 'r1', step: 'report', timeMs: epochMs(2), data: '"{\\"weight\\":480}"' },
    ]
    const { effects, end } = startRun({ past })
    await end
    expect(effects).toEqual(['publish rejects {"weight":480}'])
  })

  it.each([
    ['refused', 'failed'],
    ['failed', 'failed'],
    ['unknown', 'unsettled'],
  ] as const)('whose write is %s ends %s, and does not go on', async (status, state) => {
    const { effects, end } = startRun({ status })
    expect(await end).toMatchObject({ state, step: 'open' })
    expect(effects).toHaveLength(1)
  })
})

describe('a run that was cut after a failed step', () => {
  it('ends failed, and repeats nothing', async () => {
    const fault = { code: 'x', message: 'no', remedy: 'look', isRetryable: false }
    const past: Run['past'] = [
      { kind: 'intent', run: 'r1', step: 'open/0', timeMs: epochMs(1), data: 'true' },
      { kind: 'outcome', run: 'r1', step: 'open/0', timeMs: epochMs(2), status: 'failed', data: JSON.stringify(fault) },
    ]
    const { effects, end } = startRun({ past, gateReads: true })
    expect(await end).toEqual({ state: 'failed', step: 'open', fault })
    expect(effects).toEqual([])
  })
})
