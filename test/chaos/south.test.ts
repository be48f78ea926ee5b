import { describe, expect, it } from 'vitest'
import { seededChance } from '../../bench/chaos/chance.ts'
import type { RoundResult } from '../../bench/chaos/south/chaos.ts'
import { modbusRound } from '../../bench/chaos/south/modbus-round.ts'
import { Truth } from '../../bench/chaos/south/modbus-truth.ts'
import { rtuWire, tcpWire } from '../../bench/chaos/south/modbus-wire.ts'
import { opcuaRound } from '../../bench/chaos/south/opcua-round.ts'

/** Rounds mostly wait; more of them at once would make this machine late. */
const lanes = 4
const modbusSeeds = [1, 2, 3, 5, 6, 7]
const roundsTimeoutMs = 120_000

/** The short form of `npm run chaos south`: the same seeds each time. */
async function run(seeds: readonly number[]): Promise<readonly RoundResult[]> {
  const left = [...seeds]
  const results: RoundResult[] = []
  const lane = async (): Promise<void> => {
    for (let seed = left.shift(); seed !== undefined; seed = left.shift()) results.push(await modbusRound({ seed }))
  }
  await Promise.all([...Array.from({ length: lanes }, lane), opcuaRound({ seed: 8 }).then((result) => results.push(result))])
  return results
}

describe('the south side among peers that misbehave', () => {
  it('publishes no wrong value, answers everything it is asked, and is back when the fault is over', {
    timeout: roundsTimeoutMs,
  }, async () => {
    const results = await run(modbusSeeds)
    expect(results.flatMap(({ losses }) => losses)).toEqual([])
    expect(results.every(({ faults, values }) => faults > 0 && values > 0)).toBe(true)
  })
})

describe('the fault schedule itself', () => {
  it('makes the same plan of the same seed', () => {
    const numbers = (seed: number): readonly number[] => {
      const chance = seededChance(seed)
      return Array.from({ length: 5 }, () => chance.between(0, 1_000))
    }
    expect(numbers(7)).toEqual(numbers(7))
    expect(numbers(7)).not.toEqual(numbers(8))
  })

  it('knows the values of its plant apart by place and by age', () => {
    const truth = new Truth()
    const at = (unit: number, start: number, epoch: number): number => truth.word({ unit, area: 'hr', start }, epoch)
    expect(new Set([at(1, 5, 0), at(1, 6, 0), at(2, 5, 0), at(1, 600, 0), at(1, 600, 1)]).size).toBe(5)
    expect(at(1, 5, 9)).toBe(at(1, 5, 0))
    truth.epoch = 4
    truth.write({ unit: 1, area: 'hr', start: 900 }, 77)
    expect([at(1, 900, 3), at(1, 900, 4), truth.timesWritten({ unit: 1, area: 'hr', start: 900 }, 77)]).toEqual([0, 77, 1])
  })

  it('speaks as the standards print it', () => {
    const read = Buffer.from('010300000002c40b', 'hex') // Modbus over Serial Line: unit 1, FC 3, two registers from 0
    const { requests, rest } = rtuWire.take(Buffer.concat([read, read.subarray(0, 3)]))
    expect(requests).toEqual([{ transaction: 0, unit: 1, pdu: Buffer.from('0300000002', 'hex') }])
    expect(rest.length).toBe(3)
    const frame = tcpWire.frame({ transaction: 0x1501, unit: 255, pdu: Buffer.alloc(0) }, Buffer.from('03020102', 'hex'))
    expect(frame.toString('hex')).toBe('150100000005ff03020102')
  })
})
