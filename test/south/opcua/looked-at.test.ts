import { describe, expect, it } from 'vitest'
import type { Reading } from '../../../src/model/tag.ts'
import { Changes } from '../../../src/south/opcua/changes.ts'
import { LookedAt } from '../../../src/south/opcua/looked-at.ts'
import type { NumberedItem } from '../../../src/south/opcua/subscription.ts'
import { startManualClock } from '../../support/manual-clock.ts'

const item = (handle: number, samplingMs = 100): NumberedItem => ({ handle, tags: [handle], samplingMs, queue: 1, node: {} as never })
const reading = (tag: number, value: number): Reading => ({ tag, value, quality: 'good' })
const readAll = async (tags: readonly number[]) => tags.map((tag) => reading(tag, 1))

function startLooking(samplingMs = 100) {
  const clock = startManualClock()
  return { clock, looking: new LookedAt({ clock, publishingMs: 50, samplingMsOf: () => samplingMs }) }
}

describe('a monitored node that was read besides', () => {
  it('is read again until the server has sampled it a few times, ever more rarely', async () => {
    const { clock, looking } = startLooking(10_000)
    looking.add(item(1), [1])
    const pauses: number[] = []
    while (looking.size > 0) {
      pauses.push(looking.nextPauseMs())
      await clock.advance(pauses.at(-1) ?? 0)
      expect(await looking.again(readAll)).toHaveLength(1)
    }
    expect(pauses).toEqual([150, 300, 600, 1_200, 2_400, 4_800, 9_600, 19_200, 38_400])
  })

  it('is not read again when the server has reported it, and what was read before that is not told', async () => {
    const { looking } = startLooking()
    const reported = item(1)
    looking.add(reported, [1])
    looking.add(item(2), [2])
    const readings = await looking.again(async (tags) => {
      looking.reported(reported)
      return await readAll(tags)
    })
    expect(readings).toEqual([reading(2, 1)])
    expect(looking.size).toBe(1)
  })
})

describe('a polled node that was read besides', () => {
  it('is told at the next poll though it is as it was at the last one', async () => {
    const changes = new Changes()
    const poll = () => changes.among(readAll([1, 2]))
    expect(await poll()).toHaveLength(2)
    expect(await poll()).toEqual([])
    changes.readBesides([1])
    expect(await poll()).toEqual([reading(1, 1)])
  })

  it('is not told of by the poll under way, which may be older', async () => {
    const changes = new Changes()
    const underWay = Promise.withResolvers<readonly Reading[]>()
    const told = changes.among(underWay.promise)
    changes.readBesides([1])
    underWay.resolve([reading(1, 0), reading(2, 0)])
    expect(await told).toEqual([reading(2, 0)])
    expect(await changes.among(readAll([1]))).toEqual([reading(1, 1)])
  })
})
