import { describe, expect, it } from 'vitest'
import { epochMs } from '../../src/base/clock.ts'
import type { Quality } from '../../src/model/quality.ts'
import type { ChangeBatch } from '../../src/model/sample.ts'
import { asTagId, asTagIndex, type TagMeta } from '../../src/model/tag.ts'
import { FirstValues } from '../../src/north/first-values.ts'
import { LiveTagsCopy } from '../../src/north/live-tags.ts'

const metas = ['press/a', 'press/b', 'oven/a'].map((id): TagMeta => {
  const [device = '', path = ''] = id.split('/')
  return { id: asTagId(id), device, path, scan: 'normal' }
})

function change(tag: number, quality: Quality = 'good'): ChangeBatch {
  return [{ tag: asTagIndex(tag), sample: { value: 1, quality, sourceMs: epochMs(1), receivedMs: epochMs(1) } }]
}

async function isOver(first: FirstValues): Promise<boolean> {
  return await Promise.race([first.heard.then(() => true), new Promise<boolean>((resolve) => setImmediate(resolve, false))])
}

describe('the first round of values', () => {
  it('is over with the first good value of the last device', async () => {
    const tags = new LiveTagsCopy(metas)
    using first = new FirstValues(tags)
    tags.take(change(0))
    tags.take(change(1))
    tags.take(change(2, 'bad'))
    expect(await isOver(first)).toBe(false)
    tags.take(change(2))
    expect(await isOver(first)).toBe(true)
  })

  it('does not wait for a device that was tried in vain', async () => {
    const tags = new LiveTagsCopy(metas)
    using first = new FirstValues(tags)
    tags.take(change(0))
    first.devices([{ device: 'oven', state: 'connecting', sinceMs: epochMs(1) }])
    expect(await isOver(first)).toBe(false)
    const lastFault = { code: 'net.refused', message: 'Nobody listens.', remedy: 'Start it.', isRetryable: true }
    first.devices([{ device: 'oven', state: 'connecting', sinceMs: epochMs(1), lastFault }])
    expect(await isOver(first)).toBe(true)
  })

  it('is over at once without devices', async () => {
    using first = new FirstValues(new LiveTagsCopy([]))
    expect(await isOver(first)).toBe(true)
  })
})
