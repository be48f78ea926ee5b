import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, vi } from 'vitest'
import { DeviceRound } from '../../bench/chaos/south/device-round.ts'
import type { Reading, TagValue } from '../../src/model/tag.ts'
import type { PollResult } from '../../src/south/driver.ts'

/** A round over a driver that answers each poll as it is told to. */
function roundOver(
  poll: () => Promise<PollResult>,
  isTrue: (tag: number, value: TagValue) => boolean = (_, value) => value === 42,
  { failure = () => new Promise<never>(() => {}) }: { readonly failure?: () => Promise<never> } = {},
) {
  const losses: string[] = []
  const round = new DeviceRound({
    driver: {
      name: 'modbus-tcp',
      connect: async () => ({
        failure: failure(),
        source: { kind: 'polled', poll },
        read: async () => [],
        write: async () => [],
        [Symbol.asyncDispose]: async () => {},
      }),
    },
    config: { connection: { host: '127.0.0.1' } },
    scan: { normal: '20ms' },
    tags: [{ path: 'speed', file: { at: 'hr:1', type: 'u16' }, isWritable: false }],
    stateFolder: '',
    epoch: () => 0,
    isTrue,
    written: () => {},
    lose: (what) => void losses.push(what),
  })
  return { losses, round }
}

/** Polls one after the other; of each, the value that the watch sees the driver bring, and the one that the device loop finds there afterwards. */
function seenAndPublished(...polls: readonly (readonly [number, number])[]): () => Promise<PollResult> {
  const left = [...polls]
  return async () => {
    const [seen, published] = left.shift() ?? []
    let looks = 0
    return {
      get readings(): readonly Reading[] {
        looks += 1
        const value = looks === 1 ? seen : published
        return value === undefined ? [] : [{ tag: 0, value, quality: 'good' }]
      },
    }
  }
}

describe('the watch of the fault schedule', () => {
  it('says nothing of right values, and knows that they are there', async () => {
    const { losses, round } = roundOver(async () => ({ readings: [{ tag: 0, value: 42, quality: 'good' }] }))
    await using _round = round
    await vi.waitFor(() => expect(round.missingSince(0)).toEqual([]))
    expect(losses).toEqual([])
  })

  it('sees a value that the device cannot have given', async () => {
    const { losses, round } = roundOver(async () => ({ readings: [{ tag: 0, value: 43, quality: 'good' }] }))
    await using _round = round
    await vi.waitFor(() => expect(losses[0]).toBe('a wrong value was read: speed as 43'))
  })

  it('sees a value that is published and was not read', async () => {
    const { losses, round } = roundOver(seenAndPublished([42, 41]), () => true)
    await using _round = round
    await vi.waitFor(() => expect(losses).toEqual(['a value was published that was not read: speed as 41, read 42']))
  })

  it('sees a value that is published once more after a newer one', async () => {
    const { losses, round } = roundOver(seenAndPublished([1, 1], [2, 2], [3, 3], [4, 1]), () => true)
    await using _round = round
    await vi.waitFor(() => expect(losses).toEqual(['a value was published that was not read: speed as 1, read 4']))
  })

  it('knows how long a device that breaks off may be left alone', async () => {
    const calledMs: number[] = []
    const failure = async (): Promise<never> => {
      calledMs.push(performance.now())
      if (calledMs.length > 4) await new Promise<never>(() => {})
      throw new Error('broken off')
    }
    const { round } = roundOver(async () => ({ readings: [{ tag: 0, value: 42, quality: 'good' }] }), undefined, { failure })
    await using _round = round
    await vi.waitFor(() => expect(calledMs).toHaveLength(5))
    const [, , , fourthMs = 0, fifthMs = 0] = calledMs
    expect(round.leftAloneMs(fourthMs)).toBeGreaterThan(300)
    expect(round.leftAloneMs(fourthMs)).toBeLessThanOrEqual(fifthMs - fourthMs)
    expect(round.leftAloneMs(fifthMs)).toBe(0)
  })

  it('sees what is never answered', async () => {
    const answer = Promise.withResolvers<PollResult>()
    const { round } = roundOver(() => answer.promise)
    await vi.waitFor(() => expect(round.openFor(20)).toEqual(['a poll']))
    expect(round.missingSince(0)).toEqual(['speed'])
    answer.resolve({ readings: [] })
    await sleep(0)
    await round[Symbol.asyncDispose]()
    expect(round.openFor(0)).toEqual([])
  })
})
