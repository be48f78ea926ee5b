import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isBitArea } from '../../../src/south/modbus/address.ts'
import { type Block, joinTouching, type PlanLimits, planBlocks, type Span, splitBlock } from '../../../src/south/modbus/planner.ts'

const limits: PlanLimits = { gapRegistersMax: 8, registersMax: 125, coilsMax: 2_000 }

function hr(start: number, count = 1, unit = 1): Span {
  return { unit, area: 'hr', start, count }
}

function spans(blocks: readonly Block<Span>[]): readonly string[] {
  return blocks.map(({ unit, area, start, count }) => `${unit}/${area}:${start}+${count}`)
}

const anySpan = fc.record({
  unit: fc.integer({ min: 1, max: 2 }),
  area: fc.constantFrom('hr' as const, 'co' as const),
  start: fc.integer({ min: 0, max: 300 }),
  count: fc.integer({ min: 1, max: 12 }),
})
const anyLimits = fc.record({
  gapRegistersMax: fc.integer({ min: 0, max: 20 }),
  registersMax: fc.integer({ min: 12, max: 125 }),
  coilsMax: fc.integer({ min: 12, max: 300 }),
})

/** The same by brute force: of one unit and area, the fewest requests for items in order, each of them a legal request. */
function fewest(items: readonly Span[], { gapRegistersMax, registersMax, coilsMax }: PlanLimits): number {
  const isBits = items[0]?.area === 'co'
  const sorted = items.toSorted((one, other) => one.start - other.start || one.count - other.count)
  const isLegal = (part: readonly Span[]): boolean => {
    const covered = new Set(part.flatMap(({ start, count }) => Array.from({ length: count }, (_, place) => start + place)))
    const all = [...covered].sort((one, other) => one - other)
    const widest = Math.max(0, ...all.slice(1).map((register, place) => register - (all[place] ?? 0) - 1))
    return (all.at(-1) ?? 0) - (all[0] ?? 0) + 1 <= (isBits ? coilsMax : registersMax) && widest <= gapRegistersMax * (isBits ? 16 : 1)
  }
  const best = [0]
  for (let end = 1; end <= sorted.length; end += 1) {
    let least = Number.POSITIVE_INFINITY
    for (let from = 0; from < end; from += 1) if (isLegal(sorted.slice(from, end))) least = Math.min(least, (best[from] ?? 0) + 1)
    best.push(least)
  }
  return best.at(-1) ?? 0
}

describe('the planner', () => {
  it.each([
    ['merges what touches', [hr(0), hr(1), hr(2, 2)], ['1/hr:0+4']],
    ['reads a gap along', [hr(0), hr(9)], ['1/hr:0+10']],
    ['makes two requests where the gap is larger', [hr(0), hr(10)], ['1/hr:0+1', '1/hr:10+1']],
    ['fills a request to its limit', [hr(0, 120), hr(120, 5)], ['1/hr:0+125']],
    ['never splits a value over two requests', [hr(0, 124), hr(124, 2)], ['1/hr:0+124', '1/hr:124+2']],
    ['keeps units apart', [hr(0), hr(1, 1, 2)], ['1/hr:0+1', '2/hr:1+1']],
    ['keeps areas apart', [hr(0), { ...hr(1), area: 'ir' as const }], ['1/hr:0+1', '1/ir:1+1']],
    ['needs no order', [hr(4), hr(0), hr(2)], ['1/hr:0+5']],
    ['reads a value within another one once', [hr(0, 8), hr(2)], ['1/hr:0+8']],
    [
      'counts 16 bits of a bit area as one register of gap',
      [
        { ...hr(0), area: 'co' as const },
        { ...hr(129), area: 'co' as const },
      ],
      ['1/co:0+130'],
    ],
    ['gives what is too large a request of its own', [hr(0, 200), hr(10)], ['1/hr:0+200']],
    ['plans nothing for nothing', [], []],
  ])('%s', (_, items, expected) => {
    expect(spans(planBlocks(items, { ...limits, ...(items[0]?.count === 200 ? { registersMax: 200 } : {}) }))).toEqual(expected)
  })

  it('puts every item whole into exactly one request, and no request is illegal', () => {
    fc.assert(
      fc.property(fc.array(anySpan, { maxLength: 40 }), anyLimits, (items, within) => {
        const blocks = planBlocks(items, within)
        expect(new Set(blocks.flatMap(({ items: planned }) => planned))).toEqual(new Set(items))
        expect(blocks.flatMap(({ items: planned }) => planned)).toHaveLength(items.length)
        for (const block of blocks) {
          expect(block.count).toBeLessThanOrEqual(isBitArea(block.area) ? within.coilsMax : within.registersMax)
          for (const item of block.items) {
            expect([item.unit, item.area]).toEqual([block.unit, block.area])
            expect(item.start).toBeGreaterThanOrEqual(block.start)
            expect(item.start + item.count).toBeLessThanOrEqual(block.start + block.count)
          }
        }
      }),
    )
  })

  it('needs no more requests than brute force does', () => {
    fc.assert(
      fc.property(fc.array(anySpan, { maxLength: 14 }), anyLimits, (items, within) => {
        const lines = Object.values(Object.groupBy(items, ({ unit, area }) => `${unit}/${area}`))
        const least = lines.reduce((sum, line) => sum + fewest(line ?? [], within), 0)
        expect(planBlocks(items, within)).toHaveLength(least)
      }),
    )
  })
})

describe('a refused request', () => {
  const blockOf = (...items: readonly Span[]): Block<Span> => {
    const [block] = planBlocks(items, { ...limits, gapRegistersMax: 125 })
    if (block === undefined) throw new Error('nothing planned')
    return block
  }

  it('falls into halves that hold all of its items', () => {
    expect(spans(splitBlock(blockOf(hr(0), hr(1), hr(2), hr(3))) ?? [])).toEqual(['1/hr:0+2', '1/hr:2+2'])
  })

  it('is not split where all items lie at the same place', () => {
    expect(splitBlock(blockOf(hr(5), hr(5), hr(5)))).toBeUndefined()
    expect(spans(splitBlock(blockOf(hr(5), hr(5), hr(5), hr(6))) ?? [])).toEqual(['1/hr:5+1', '1/hr:6+1'])
  })

  it('ends in single places after fewer splits than it has items', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 30 }), (starts) => {
        const leaves = (block: Block<Span>): readonly Block<Span>[] => splitBlock(block)?.flatMap(leaves) ?? [block]
        const ends = leaves(blockOf(...starts.map((start) => hr(start))))
        expect(ends.flatMap(({ items }) => items)).toHaveLength(starts.length)
        expect(ends).toHaveLength(new Set(starts).size)
      }),
    )
  })
})

describe('parts that were read', () => {
  const blocks = (...items: readonly Span[]): readonly Block<Span>[] => items.map((item) => ({ ...item, items: [item] }))

  it('are joined where they touch, up to the largest request that was answered', () => {
    expect(spans(joinTouching(blocks(hr(0, 4), hr(4, 4), hr(8, 4)), 8))).toEqual(['1/hr:0+8', '1/hr:8+4'])
  })

  it('are not joined over registers that nobody has read', () => {
    expect(spans(joinTouching(blocks(hr(0, 4), hr(5, 4)), 100))).toEqual(['1/hr:0+4', '1/hr:5+4'])
  })

  it('are not joined over units', () => {
    expect(spans(joinTouching(blocks(hr(0, 4), hr(4, 4, 2)), 100))).toEqual(['1/hr:0+4', '2/hr:4+4'])
  })
})
