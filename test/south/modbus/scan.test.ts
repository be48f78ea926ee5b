import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { TagValue } from '../../../src/model/tag.ts'
import { LineFault } from '../../../src/south/modbus/faults.ts'
import { type Item, itemsOf } from '../../../src/south/modbus/item.ts'
import { Learnt } from '../../../src/south/modbus/learnt.ts'
import type { Line } from '../../../src/south/modbus/line.ts'
import type { Answer, Ask } from '../../../src/south/modbus/pdu.ts'
import { RefusalNews } from '../../../src/south/modbus/refusal-news.ts'
import { Scan } from '../../../src/south/modbus/scan.ts'
import { UnitBreaker } from '../../../src/south/modbus/unit-breaker.ts'
import { type ManualClock, startManualClock } from '../../support/manual-clock.ts'
import { keptLog } from '../../support/quiet-log.ts'
import { config, tagsOf } from './modbus-site.ts'

type Trouble = number | 'silence' | undefined

/** A line with one device on it, in memory: registers hold their own address plus `shift`. */
class FarDevice implements Line {
  readonly peer = 'far'
  readonly isOpen = true
  readonly failure = new Promise<never>(() => {})
  readonly inflightMax: number
  holes = new Set<number>()
  borders: readonly number[] = []
  countMax = 125
  shift = 0
  /** Asked before each answer. */
  trouble: () => Trouble = () => undefined
  requests = 0

  constructor(inflightMax = 1) {
    this.inflightMax = inflightMax
  }

  async ask({ pdu }: Ask): Promise<Answer> {
    this.requests += 1
    await Promise.resolve()
    const trouble = this.trouble()
    if (trouble === 'silence') throw new LineFault('modbus.no-answer', 'silent', { remedy: 'Wait.', wasSent: true })
    if (trouble !== undefined) return { kind: 'exception', code: trouble }
    return this.#read(pdu.readUInt16BE(1), pdu.readUInt16BE(3))
  }

  #read(start: number, count: number): Answer {
    if (this.refuses(start, count)) return { kind: 'exception', code: 2 }
    const data = Buffer.alloc(2 * count)
    for (let place = 0; place < count; place += 1) data.writeUInt16BE((start + place + this.shift) & 0xffff, 2 * place)
    return { kind: 'data', data }
  }

  refuses(start: number, count: number): boolean {
    const crosses = this.borders.some((border) => border > start && border < start + count)
    return count > this.countMax || crosses || Array.from({ length: count }, (_, place) => start + place).some((at) => this.holes.has(at))
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

interface Plant {
  readonly far: FarDevice
  readonly items: readonly Item[]
  readonly clock: ManualClock
  /** What somebody who has heard every reading knows; null where it is bad. */
  readonly known: ReadonlyMap<number, TagValue | null>
  poll(): Promise<void>
}

async function plant(texts: readonly string[], far = new FarDevice()): Promise<Plant> {
  const clock = startManualClock()
  const items = itemsOf(config(1), tagsOf(...texts))
  const log = keptLog()
  const learnt = await Learnt.load({
    folder: '',
    peer: far.peer,
    items,
    pinned: { limits: { registersMax: 125, coilsMax: 2_000, gapRegistersMax: 125 }, holes: [], without: [], isWriteOnly: () => false },
    words: { unit: 1, addressing: 'zero' },
    clock,
    log,
    tell: () => {},
  })
  const scan = new Scan({ items, learnt, line: far, units: new UnitBreaker({ clock }), clock, news: new RefusalNews({ clock, log }) })
  const known = new Map<number, TagValue | null>()
  const poll = async (): Promise<void> => {
    const { readings } = await scan.poll(new AbortController().signal)
    for (const { tag, value, quality } of readings) known.set(tag, quality === 'good' ? value : null)
  }
  return { far, items, clock, known, poll }
}

function truth(item: Item, shift: number): TagValue {
  const high = (item.start + shift) & 0xffff
  return item.count === 1 ? high : high * 65_536 + ((item.start + 1 + shift) & 0xffff)
}

const texts = fc
  .uniqueArray(fc.nat(118), { minLength: 1, maxLength: 30 })
  .map((starts) => starts.map((at) => `hr:${at} ${at % 3 === 0 ? 'u32' : 'u16'}`))
const anyTrouble = fc.constantFrom<Trouble>(undefined, undefined, undefined, 'silence', 2, 3, 4, 5, 6, 11)

describe('a scan class', () => {
  it('has all that can be read, true to the last register, whatever the device refuses and however it behaved before', async () => {
    const anyFar = fc.record({
      holes: fc.array(fc.nat(120), { maxLength: 5 }),
      borders: fc.array(fc.nat(120), { maxLength: 2 }),
      countMax: fc.integer({ min: 2, max: 125 }),
      troubles: fc.array(anyTrouble, { maxLength: 120 }),
      inflightMax: fc.constantFrom(1, 4),
    })
    await fc.assert(
      fc.asyncProperty(anyFar, texts, async ({ holes, borders, countMax, troubles, inflightMax }, tags) => {
        const far = Object.assign(new FarDevice(inflightMax), { holes: new Set(holes), borders, countMax })
        const { items, clock, known, poll } = await plant(tags, far)
        const left = [...troubles]
        far.trouble = () => left.shift()
        for (let round = 0; left.length > 0 && round < 200; round += 1) {
          await poll()
          far.shift += 1
          await clock.advance(1_000)
        }
        for (let round = 0; round < 60; round += 1) {
          await clock.advance(20 * 60_000)
          await poll()
        }
        far.shift += 7
        const before = far.requests
        await poll()
        const requests = far.requests - before
        for (const item of items)
          expect([item.start, known.get(item.tag)]).toEqual([
            item.start,
            far.refuses(item.start, item.count) ? null : truth(item, far.shift),
          ])
        expect(requests).toBeLessThanOrEqual(new Set(items.map(({ start, count }) => `${start}+${count}`)).size)
      }),
      { numRuns: 60 },
    )
  }, 60_000)

  it('never says a wrong value, while the device behaves in any way', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyTrouble, { maxLength: 80 }), texts, async (troubles, tags) => {
        const { far, items, clock, known, poll } = await plant(tags)
        const left = [...troubles]
        far.trouble = () => left.shift()
        for (let round = 0; round < 15; round += 1) {
          const shifts = new Set([far.shift])
          await poll()
          for (const item of items) {
            const value = known.get(item.tag) ?? null
            const everTrue = Array.from({ length: far.shift + 1 }, (_, shift) => truth(item, shift))
            expect(value === null || everTrue.includes(value)).toBe(true)
          }
          far.shift += shifts.size
          await clock.advance(7_000)
        }
      }),
      { numRuns: 60 },
    )
  })

  it('is soon back where a device refuses everything while it starts', async () => {
    const { far, clock, known, poll } = await plant(['hr:1 u16', 'hr:2 u16', 'hr:3 u16'])
    far.trouble = () => 2
    await poll()
    expect([...known.values()]).toEqual([null, null, null])
    far.trouble = () => undefined
    await clock.advance(5_001)
    await poll()
    expect([...known.values()]).toEqual([1, 2, 3])
    expect(far.requests).toBeLessThanOrEqual(8)
  })

  it('asks ever more rarely for what is never given', async () => {
    const { far, clock, poll } = await plant(['hr:1 u16', 'hr:2 u16', 'hr:3 u16'])
    far.holes.add(2)
    await poll()
    const probes: number[] = []
    for (let minute = 0; minute < 64; minute += 1) {
      const before = far.requests
      await clock.advance(60_000)
      await poll()
      probes.push(far.requests - before - 2)
    }
    expect(probes.filter((count) => count > 0).length).toBeLessThanOrEqual(9)
    expect(Math.max(...probes)).toBe(1)
  })

  it('reads everything in one request again once the hole is gone', async () => {
    const { far, clock, known, poll } = await plant(['hr:1 u16', 'hr:2 u16', 'hr:3 u16'])
    far.holes.add(2)
    await poll()
    far.holes.clear()
    await clock.advance(60_001)
    await poll()
    expect([...known.values()].toSorted()).toEqual([1, 2, 3])
    const before = far.requests
    await poll()
    expect(far.requests - before).toBe(1)
  })
})
