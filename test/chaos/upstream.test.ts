import { describe, expect, it } from 'vitest'
import { Judge } from '../../bench/chaos/upstream/judge.ts'
import { upstreamRound } from '../../bench/chaos/upstream/round.ts'

describe('the way upstream among faults', () => {
  it('loses nothing that was accepted, keeps the order of each topic, and numbers what it says twice', { timeout: 240_000 }, async () => {
    const result = await upstreamRound({ seed: 4, steps: 5, say: () => {} })
    expect(result.losses).toEqual([])
    expect(result.faults).toBeGreaterThanOrEqual(5)
    expect(result.messages).toBeGreaterThan(500)
  })
})

/** A PUBLISH of MQTT 5 at QoS 1 with its number in the ledger. */
function publish(packetId: number, topic: string, seq: number): Buffer {
  const text = (value: string): Buffer => Buffer.concat([Buffer.from([0, value.length]), Buffer.from(value)])
  const property = Buffer.concat([
    Buffer.from([0x02, 0, 0, 0, 9, 0x26]),
    text('other'),
    text('x'),
    Buffer.from([0x26]),
    text('lineside'),
    text(`n/u/7/events/${seq}`),
  ])
  const body = Buffer.concat([text(topic), Buffer.from([0, packetId, property.length]), property, Buffer.from('{}')])
  return Buffer.concat([Buffer.from([0x32, body.length]), body])
}

describe('the judge of the fault schedule', () => {
  it('sees what was never acknowledged, what came twice and what came out of order', () => {
    const judge = new Judge()
    const first = judge.watch()
    const all = Buffer.concat([publish(1, 'a', 1), publish(2, 'a', 2), publish(3, 'b', 3), publish(4, 'a', 5), publish(5, 'a', 4)])
    for (const byte of all) first.up(Buffer.from([byte]))
    first.down(Buffer.from([0x40, 2, 0, 1, 0x40, 3, 0, 3, 0, 0x40, 2, 0, 5]))
    const second = judge.watch()
    second.up(publish(1, 'a', 2))
    second.down(Buffer.from([0x40, 2, 0, 2])) // of nobody's
    expect(judge.streams).toEqual(['n/u/7/events'])
    expect(judge.missing('n/u/7/events', 6)).toEqual([2, 5, 6])
    expect(judge.highest('n/u/7/events')).toBe(4)
    expect(judge.resent).toBe(1)
    expect(judge.losses).toEqual(['a: n/u/7/events/4 came after 5'])
    second.up(publish(9, 'a', 6))
    second.down(Buffer.from([0x40, 3, 0, 9, 0x97]))
    expect(judge.losses.at(-1)).toContain('refused')
  })
})
