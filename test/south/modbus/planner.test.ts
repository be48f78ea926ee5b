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
/** Places that no request may read along; of no length: borders. */
const anyHole = fc.record({
  unit: fc.integer({ min: 1, max: 2 }),
  area: fc.constantFrom('hr' as const, 'co' as const),
  start: fc.integer({ min: 0, max: 300 }),
  count: fc.integer({ min: 0, max: 5 }),
})
const anyLimits = fc.record({
  gapRegistersMax: fc.integer({ min: 0, max: 20 }),
  registersMax: fc.integer({ min: 12, max: 125 }),
  coilsMax: fc.integer({ min: 12, max: 300 }),
  holes: fc.array(anyHole, { maxLength: 10 }),
})

/** The same by brute force: of one unit and area, the fewest requests for items in order, each of them a legal request. */
function fewest(items: readonly Span[], { gapRegistersMax, registersMax, coilsMax, holes = [] }: PlanLimits): number {
  const isBits = items[0]?.area === 'co'
  const sorted = items.toSorted((one, other) => one.start - other.start || one.count - other.count)
  const isLegal = (part: readonly Span[]): boolean => {
    const covered = new Set(part.flatMap(({ start, count }) => Array.from({ length: count }, (_, place) => start + place)))
    const all = [...covered].sort((one, other) => one - other)
    const widest = Math.max(0, ...all.slice(1).map((register, place) => register - (all[place] ?? 0) - 1))
    return (
      (all.at(-1) ?? 0) - (all[0] ?? 0) + 1 <= (isBits ? coilsMax : registersMax) &&
      widest <= gapRegistersMax * (isBits ? 16 : 1) &&
      !readsHole(part, holes)
    )
  }
  const best = [0]
  for (let end = 1; end <= sorted.length; end += 1) {
    let least = Number.POSITIVE_INFINITY
    for (let from = 0; from < end; from += 1) if (isLegal(sorted.slice(from, end))) least = Math.min(least, (best[from] ?? 0) + 1)
    best.push(least)
  }
  return best.at(-1) ?? 0
}

/** By the letter: some place between two neighbours that nobody wants lies in a hole, or a border lies between them. */
function readsHole(part: readonly Span[], holes: readonly Span[]): boolean {
  const wanted = new Set(part.flatMap(({ start, count }) => Array.from({ length: count }, (_, place) => start + place)))
  const first = Math.min(...wanted)
  const last = Math.max(...wanted)
  const isInside = (border: number): boolean => part.some(({ start, count }) => start < border && border < start + count)
  return holes
    .filter(({ unit, area }) => unit === part[0]?.unit && area === part[0]?.area)
    .some(({ start, count }) => {
      if (count === 0) return start > first && start <= last && !isInside(start)
      return Array.from({ length: count }, (_, place) => start + place).some((at) => at > first && at < last && !wanted.has(at))
    })
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

  it.each([
    ['a hole in a gap', { ...hr(5), count: 1 }, ['1/hr:0+5', '1/hr:6+4']],
    ['a border between two values', hr(4, 0), ['1/hr:0+4', '1/hr:4+6']],
    ['a border at the end of a value', hr(5, 0), ['1/hr:0+5', '1/hr:6+4']],
    ['a border where the next value begins', hr(6, 0), ['1/hr:0+5', '1/hr:6+4']],
    ['a hole of another unit', hr(5, 1, 2), ['1/hr:0+10']],
    ['a hole of another area', { ...hr(5), area: 'ir' as const }, ['1/hr:0+10']],
    ['a hole that a value covers', hr(2, 2), ['1/hr:0+10']],
    ['a hole that the next value begins with', hr(6), ['1/hr:0+10']],
    ['a hole that the last value ends with', hr(3), ['1/hr:0+10']],
    ['a hole behind all', hr(10, 3), ['1/hr:0+10']],
  ])('sees %s', (_, hole, expected) => {
    const items = [hr(0, 4), hr(4), hr(6, 4)]
    expect(spans(planBlocks(items, { ...limits, holes: [hole] }))).toEqual(expected)
  })

  it('keeps values together that overlap in a hole', () => {
    expect(spans(planBlocks([hr(0, 4), hr(2, 4)], { ...limits, holes: [hr(1, 4)] }))).toEqual(['1/hr:0+6'])
  })

  it('asks for each value on its own where the device answers nothing else, and once for what lies at the same place', () => {
    const items = [hr(0), hr(0), hr(1), hr(1, 2)]
    expect(spans(planBlocks(items, { ...limits, isOneItemEach: true }))).toEqual(['1/hr:0+1', '1/hr:1+1', '1/hr:1+2'])
  })

  it('plans the same whatever the order of the items', () => {
    fc.assert(
      fc.property(fc.array(anySpan, { maxLength: 20 }), anyLimits, fc.infiniteStream(fc.nat()), (items, within, keys) => {
        const shuffled = items
          .map((item) => ({ item, key: keys.next().value ?? 0 }))
          .toSorted((one, other) => one.key - other.key)
          .map(({ item }) => item)
        expect(spans(planBlocks(shuffled, within))).toEqual(spans(planBlocks(items, within)))
      }),
    )
  })

  it('puts every item whole into exactly one request, and no request is illegal', () => {
    fc.assert(
      fc.property(fc.array(anySpan, { maxLength: 40 }), anyLimits, (items, within) => {
        const blocks = planBlocks(items, within)
        expect(new Set(blocks.flatMap(({ items: planned }) => planned))).toEqual(new Set(items))
        expect(blocks.flatMap(({ items: planned }) => planned)).toHaveLength(items.length)
        for (const block of blocks) {
          expect(block.count).toBeLessThanOrEqual(isBitArea(block.area) ? within.coilsMax : within.registersMax)
          expect(block.start).toBe(Math.min(...block.items.map(({ start }) => start)))
          expect(block.start + block.count).toBe(Math.max(...block.items.map(({ start, count }) => start + count)))
          expect(readsHole(block.items, within.holes)).toBe(false)
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

  it('are joined wherever they begin, their items in order', () => {
    const [block] = joinTouching(
      [
        { ...hr(10, 8), items: [hr(10, 2), hr(16, 2)] },
        { ...hr(14, 5), items: [hr(14), hr(18)] },
      ],
      9,
    )
    expect(block).toEqual({ ...hr(10, 9), items: [hr(10, 2), hr(14), hr(16, 2), hr(18)] })
  })

  it('are joined up to the last register that the limit allows, and no further', () => {
    expect(spans(joinTouching(blocks(hr(100, 4), hr(104, 4)), 8))).toEqual(['1/hr:100+8'])
    expect(spans(joinTouching(blocks(hr(100, 4), hr(104, 5)), 8))).toEqual(['1/hr:100+4', '1/hr:104+5'])
    expect(spans(joinTouching(blocks(hr(100, 9), hr(104, 2)), 8))).toEqual(['1/hr:100+9', '1/hr:104+2'])
  })

  it('are not joined over registers that nobody has read', () => {
    expect(spans(joinTouching(blocks(hr(0, 4), hr(5, 4)), 100))).toEqual(['1/hr:0+4', '1/hr:5+4'])
  })

  it('are not joined over units', () => {
    expect(spans(joinTouching(blocks(hr(0, 4), hr(4, 4, 2)), 100))).toEqual(['1/hr:0+4', '2/hr:4+4'])
  })
})
