import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Item, itemsOf } from '../../../src/south/modbus/item.ts'
import type { Answer } from '../../../src/south/modbus/pdu.ts'
import { type Block, planBlocks, type Span } from '../../../src/south/modbus/planner.ts'
import { type Finding, surveyBlock } from '../../../src/south/modbus/survey.ts'
import { config, tagsOf } from './modbus-site.ts'

interface Far {
  readonly holes?: readonly number[]
  readonly countMax?: number
  /** No request may reach from the register before one of these to it. */
  readonly borders?: readonly number[]
  readonly code?: number
}

/** What lies on the far side, as a truthful device would answer. */
function device({ holes = [], countMax = 125, borders = [], code = 2 }: Far) {
  const asked: Span[] = []
  const isRefused = ({ start, count }: Span): boolean =>
    holes.some((hole) => hole >= start && hole < start + count) ||
    count > countMax ||
    borders.some((border) => border > start && border < start + count)
  const read = async (span: Span): Promise<Answer> => {
    asked.push(span)
    return isRefused(span) ? { kind: 'exception', code } : { kind: 'data', data: Buffer.alloc(2 * span.count) }
  }
  return { asked, read, isRefused }
}

function blockOf(...texts: readonly string[]): Block<Item> {
  const [block] = planBlocks(itemsOf(config(1), tagsOf(...texts)), { gapRegistersMax: 125, registersMax: 125, coilsMax: 2_000 })
  if (block === undefined) throw new Error('nothing planned')
  return block
}

const words = (from: number, count: number): readonly string[] => Array.from({ length: count }, (_, place) => `hr:${from + place} u16`)

async function survey(texts: readonly string[], far: Far) {
  const { asked, read } = device(far)
  const { parts, findings } = await surveyBlock(blockOf(...texts), far.code ?? 2, read)
  const bad = parts.flatMap(({ block, answer }) => (answer.kind === 'exception' ? block.items.map(({ tag }) => tag) : []))
  return { bad, findings: findings.map(textOf), requests: asked.length }
}

function textOf(finding: Finding): string {
  if (finding.kind === 'limit') return `limit ${finding.countMax}`
  const { area, start, count } = finding.span
  return `${finding.kind} ${area}:${start}+${count}`
}

describe('the survey of a refused request', () => {
  it('finds the one value that does not exist', async () => {
    const found = await survey(words(0, 64), { holes: [20] })
    expect(found).toMatchObject({ bad: [20], findings: ['hole hr:20+1', 'gap hr:20+1'] })
    expect(found.requests).toBeLessThanOrEqual(2 * Math.log2(64) + 4)
  })

  it('takes no value for bad that shares a register with one that is', async () => {
    const found = await survey(['hr:19 u16', 'hr:19 f32', 'hr:21 u16'], { holes: [20] })
    expect(found).toMatchObject({ bad: [1], findings: expect.arrayContaining(['hole hr:19+2', 'gap hr:20+1']) })
  })

  it('finds a hole that no tag touches', async () => {
    expect(await survey(['hr:0 u16', 'hr:10 u16'], { holes: [5] })).toMatchObject({ bad: [], findings: ['gap hr:1+9'] })
  })

  it('finds how much the device reads at once, and never asks for half a value to find out', async () => {
    expect(await survey(words(0, 125), { countMax: 100, code: 3 })).toMatchObject({ bad: [], findings: ['limit 100'] })
    expect(await survey(words(0, 125), { countMax: 1 })).toMatchObject({ bad: [], findings: ['limit 1'] })
    const floats = Array.from({ length: 60 }, (_, place) => `hr:${2 * place} f32`)
    expect(await survey(floats, { countMax: 99 })).toMatchObject({ findings: ['limit 98'] })
  })

  it('tells a border that no request may cross from a limit', async () => {
    expect(await survey(words(0, 120), { borders: [60] })).toMatchObject({ bad: [], findings: ['gap hr:60+0'] })
    expect(await survey(words(0, 120), { borders: [37] })).toMatchObject({ bad: [], findings: ['gap hr:37+0'] })
  })

  it('takes no place for a border that a request may reach over, though larger ones are read elsewhere', async () => {
    const texts = ['hr:80 u16', ...words(90, 6), 'hr:100 u16', 'hr:110[30] u16']
    expect(await survey(texts, { countMax: 50 })).toMatchObject({ bad: [], findings: ['limit 47'] })
  })

  it('says of a gap what the device said of the value in it, and not of the whole request', async () => {
    const { read } = device({ holes: [5], code: 2 })
    const { findings } = await surveyBlock(blockOf('hr:0 u16', 'hr:5 u16', 'hr:9 u16'), 3, read)
    expect(findings).toMatchObject([{ kind: 'hole' }, { kind: 'gap', span: { start: 1, count: 8 }, code: 2 }])
  })

  it('reads over a gap that can be read before it blames the size', async () => {
    const texts = [...words(0, 50), ...words(70, 50)]
    expect(await survey(texts, { countMax: 100 })).toMatchObject({ findings: ['limit 100'] })
    expect(await survey(texts, { countMax: 100, holes: [60] })).toMatchObject({ findings: ['gap hr:50+20'] })
  })

  it.each([4])('remembers no value that a failing device (exception %i) may give any moment', async (code) => {
    expect(await survey(words(0, 8), { holes: [3], code })).toMatchObject({ bad: [3], findings: ['gap hr:3+1'] })
  })

  it('learns nothing from a device that refuses everything at the moment', async () => {
    const holes = Array.from({ length: 8 }, (_, place) => place)
    expect(await survey(words(0, 8), { holes })).toMatchObject({ bad: holes, findings: [] })
  })

  it('learns nothing from a refusal that was only for a moment', async () => {
    const { read } = device({})
    expect(await surveyBlock(blockOf(...words(0, 8)), 2, read)).toMatchObject({ findings: [] })
  })

  it.each([1, 2, 3, 4, 5, 6])('learns no limit from a device that refuses every %i. request, whatever it is', async (every) => {
    const { read } = device({})
    let times = 0
    const moody = async (span: Span): Promise<Answer> => {
      times += 1
      return every > 1 && times % every === 0 ? { kind: 'exception', code: 3 } : await read(span)
    }
    const { findings } = await surveyBlock(blockOf(...words(0, 100)), 3, moody)
    expect(findings.filter(({ kind }) => kind === 'limit')).toEqual([])
  })

  it('knows a value that stands alone for a hole', async () => {
    expect(await survey(['hr:5 u16'], { holes: [5] })).toEqual({ bad: [0], findings: ['hole hr:5+1'], requests: 0 })
    expect(await survey(['hr:5 u16'], { holes: [5], code: 4 })).toEqual({ bad: [0], findings: [], requests: 0 })
  })

  it('asks no more than it must', async () => {
    // 0-1, 0, 1 and 2-3: what was refused by itself needs no look at the gap that it leaves.
    expect(await survey(words(0, 4), { holes: [1] })).toMatchObject({ requests: 4 })
    // Two values, and twice over the gap.
    expect(await survey(['hr:0 u16', 'hr:10 u16'], { holes: [5] })).toMatchObject({ requests: 4 })
    // Two halves, the whole again, six of a binary search from 63 to 125, and the first that is too large once more.
    expect((await survey(words(0, 125), { countMax: 100 })).requests).toBeLessThanOrEqual(2 + 1 + 6 + 1 + 1)
  })

  it('finds the same wherever the block begins', async () => {
    expect(await survey(words(1_000, 125), { countMax: 100 })).toMatchObject({ findings: ['limit 100'] })
    expect(await survey(words(1_000, 120), { borders: [1_037] })).toMatchObject({ findings: ['gap hr:1037+0'] })
    expect(await survey(words(1_000, 120), { borders: [1_100] })).toMatchObject({ findings: ['gap hr:1100+0'] })
    expect(await survey(['hr:1000 u16', 'hr:1010 u16'], { holes: [1_005] })).toMatchObject({ findings: ['gap hr:1001+9'] })
  })

  it('takes two large values that do not go together for the limit that they show', async () => {
    expect(await survey(['hr:0 string(100)', 'hr:50 string(100)'], { countMax: 60 })).toMatchObject({ findings: ['limit 50'] })
  })

  it('finds a limit though values overlap', async () => {
    expect(await survey(['hr:0 u32', 'hr:1 u32', 'hr:2 u32', 'hr:4 u16', 'hr:5 u16'], { countMax: 4 })).toMatchObject({
      findings: ['limit 4'],
    })
  })

  it('keeps the hole that it has found where the device then has no time for the gap', async () => {
    const { asked, read } = device({ holes: [3, 15] })
    const isOver = ({ start, count }: Span): boolean => start === 9 && count === 12
    const busyLater = async (span: Span): Promise<Answer> =>
      isOver(span) && asked.some(isOver) ? { kind: 'exception', code: 6 } : await read(span)
    const { findings } = await surveyBlock(blockOf('hr:1 u16', 'hr:3 u16', 'hr:9 u16', 'hr:20 u16'), 2, busyLater)
    expect(findings.map(textOf)).toEqual(['hole hr:3+1'])
  })

  it('learns no limit while the device is busy when it is asked again', async () => {
    const { read } = device({ countMax: 50 })
    const busyForAll = async (span: Span): Promise<Answer> => (span.count === 100 ? { kind: 'exception', code: 6 } : await read(span))
    expect((await surveyBlock(blockOf(...words(0, 100)), 2, busyForAll)).findings).toEqual([])
  })

  it('learns nothing while the device is busy with something else', async () => {
    const { read } = device({ holes: [3] })
    let times = 0
    const busyAtTimes = async (span: Span): Promise<Answer> => {
      times += 1
      return times % 3 === 0 ? { kind: 'exception', code: 6 } : await read(span)
    }
    expect((await surveyBlock(blockOf(...words(0, 8)), 2, busyAtTimes)).findings).toEqual([])
  })

  it('leads, round after round, to requests that are all answered, with every readable value in one of them', async () => {
    const anyFar = fc.record({
      holes: fc.array(fc.nat(120), { maxLength: 6 }),
      countMax: fc.integer({ min: 4, max: 125 }),
      borders: fc.array(fc.nat(120), { maxLength: 2 }),
    })
    const anyItems = fc.uniqueArray(fc.nat(115), { minLength: 1, maxLength: 40 })
    await fc.assert(
      fc.asyncProperty(anyFar, anyItems, async (far, starts) => {
        const { read, isRefused } = device(far)
        const texts = starts.map((start) => `hr:${start} ${start % 3 === 0 ? 'u32' : 'u16'}`)
        const items = itemsOf(config(1), tagsOf(...texts))
        const unreadable = items.filter((item) => isRefused(item))
        const readable = new Set(items.filter((item) => !isRefused(item)))
        const learnt = { holes: [] as Span[], registersMax: 125, refused: new Set<string>() }
        const plan = (): readonly Block<Item>[] =>
          planBlocks(
            items.filter(({ start, count }) => !learnt.refused.has(`${start}+${count}`)),
            { gapRegistersMax: 125, coilsMax: 2_000, ...learnt },
          )
        for (let round = 0; round < 150; round += 1) {
          const refused = plan().find((block) => isRefused(block))
          if (refused === undefined) break
          const { findings } = await surveyBlock(refused, 2, read)
          for (const finding of findings) {
            if (finding.kind === 'limit') learnt.registersMax = Math.min(learnt.registersMax, finding.countMax)
            else if (finding.kind === 'gap') learnt.holes.push(finding.span)
            else learnt.refused.add(`${finding.span.start}+${finding.span.count}`)
          }
          if (findings.length === 0) for (const { start, count } of refused.items) learnt.refused.add(`${start}+${count}`)
        }
        const blocks = plan()
        expect(blocks.filter((block) => isRefused(block))).toEqual([])
        const given = new Set(blocks.flatMap((block) => block.items))
        // Where nothing of a request can be read, nothing is learnt: such values may be left.
        expect(unreadable.filter((item) => given.has(item))).toEqual([])
        expect([...readable].filter((item) => !given.has(item))).toEqual([])
      }),
      { numRuns: 300 },
    )
  })
})
