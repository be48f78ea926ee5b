import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, vi } from 'vitest'
import { DeviceRound } from '../../bench/chaos/south/device-round.ts'
import type { PollResult } from '../../src/south/driver.ts'

/** A round over a driver that answers each poll as it is told to. */
function roundOver(poll: () => Promise<PollResult>) {
  const losses: string[] = []
  const round = new DeviceRound({
    driver: {
      name: 'modbus-tcp',
      connect: async () => ({
        failure: new Promise<never>(() => {}),
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
    isTrue: (_, value) => value === 42,
    written: () => {},
    lose: (what) => void losses.push(what),
  })
  return { losses, round }
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
