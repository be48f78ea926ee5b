import { describe, expect, it } from 'vitest'
import { Trigger } from '../../../src/control/flows/triggers/tag.ts'
import { TagTable } from '../../../src/control/tag-table.ts'
import type { Quality } from '../../../src/model/quality.ts'
import { asTagId, type TagMeta, type TagValue } from '../../../src/model/tag.ts'
import { startManualClock } from '../../support/manual-clock.ts'

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

function startTrigger(when: string, more: { readonly forMs?: number; readonly deadband?: number } = {}) {
  const { clock, table, set } = startTags()
  let fired = 0
  const trigger = new Trigger({
    trigger: { kind: 'tag', tag: weight, when, ...more },
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
    const { see, clock, fired } = startTrigger('value < 495.0', { forMs: 50 })
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

  it('counts anew, where nobody could see at the end of that time whether it had stayed true', async () => {
    const { see, clock, fired } = startTrigger('value < 495.0', { forMs: 50 })
    see(500)
    see(490)
    await clock.advance(40)
    see(490, 'stale')
    await clock.advance(20)
    expect(fired()).toBe(0)
    see(490)
    await clock.advance(40)
    expect(fired()).toBe(0)
    await clock.advance(20)
    expect(fired()).toBe(1)
    see(490, 'stale')
    see(490)
    await clock.advance(100)
    expect(fired()).toBe(1)
  })

  it('is armed again only when the value has moved by the deadband', () => {
    const { see, fired } = startTrigger('value < 495.0', { deadband: 3 })
    for (const value of [500, 494, 495.5, 494, 496, 494, 497.5, 494]) see(value)
    expect(fired()).toBe(2)
  })

  it('watches every tag that its condition names', () => {
    expect(startTrigger("value < 1 && tags['filler/gate']").trigger.watched).toEqual([weight, gate])
  })
})
