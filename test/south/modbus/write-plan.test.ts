import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { itemsOf } from '../../../src/south/modbus/item.ts'
import { masksOfGroup, type PlannedWrite, planWrites, rawOfGroup, spanOfGroup } from '../../../src/south/modbus/write-plan.ts'
import { config, tagsOf } from './modbus-site.ts'

function writesOf(...texts: readonly string[]): readonly PlannedWrite[] {
  return itemsOf(config(1), tagsOf(...texts)).map((item, place) => {
    if (item.place.bit !== undefined) return { place, item, value: place % 2 === 0 }
    const raw = item.area === 'co' ? Buffer.alloc(Math.ceil(item.count / 8), 0xff) : Buffer.alloc(2 * item.count, place + 1)
    return { place, item, value: 0, raw }
  })
}

function plan(...texts: readonly string[]): readonly (readonly number[])[] {
  return planWrites(writesOf(...texts)).map((group) => group.map(({ place }) => place))
}

describe('a batch of writes', () => {
  it.each([
    ['adjacent registers', ['hr:1 u16', 'hr:2 u16', 'hr:3 f32'], [[0, 1, 2]]],
    ['adjacent registers in any order', ['hr:3 f32', 'hr:1 u16', 'hr:2 u16'], [[0, 1, 2]]],
    ['adjacent coils', ['co:1', 'co:2', 'co:0'], [[0, 1, 2]]],
    ['bits of one register', ['hr:1.0', 'hr:1.3', 'hr:1.15'], [[0, 1, 2]]],
    ['values with a register between that the batch does not name', ['hr:1 u16', 'hr:3 u16'], [[0], [1]]],
    ['values of several units', ['hr:1 u16', '7/hr:2 u16'], [[0], [1]]],
    ['bits of two registers', ['hr:1.0', 'hr:2.0'], [[0], [1]]],
    ['a register and a bit of the next', ['hr:1 u16', 'hr:2.0'], [[0], [1]]],
    ['coils and registers', ['co:1', 'hr:2 u16'], [[0], [1]]],
    ['the same register twice', ['hr:1 u16', 'hr:1 u16'], [[0], [1]]],
    ['the same bit twice', ['hr:1.0', 'hr:1.0'], [[0], [1]]],
    ['values that overlap', ['hr:1 f32', 'hr:2 u16'], [[0], [1]]],
    ['nothing', [], []],
  ])('sends %s as it should', (_, texts, expected) => {
    expect(plan(...texts)).toEqual(expected)
  })

  it('never sends a start before the setpoints that stand before it, nor a setpoint before the start it stands behind', () => {
    expect(plan('hr:1 u16', 'co:0', 'hr:2 u16')).toEqual([[0], [1], [2]])
    expect(plan('hr:1 u16', 'hr:2 u16', 'co:0', 'hr:3 u16')).toEqual([[0, 1], [2], [3]])
  })

  it('makes no request larger than the standard has room for', () => {
    const registers = Array.from({ length: 130 }, (_, place) => `hr:${place} u16`)
    expect(planWrites(writesOf(...registers)).map(({ length }) => length)).toEqual([123, 7])
    const coils = Array.from({ length: 20 }, (_, place) => `co:${place * 100}[100]`)
    expect(planWrites(writesOf(...coils)).map(({ length }) => length)).toEqual([19, 1])
  })

  it('puts every value where it belongs', () => {
    const [group = []] = planWrites(writesOf('hr:3 f32', 'hr:1 u16', 'hr:2 u16'))
    expect(spanOfGroup(group)).toMatchObject({ unit: 1, start: 1, count: 4 })
    expect(rawOfGroup(group).toString('hex')).toBe('0202030301010101')
  })

  it('packs coils from the lowest on', () => {
    const writes = writesOf('co:2', 'co:0', 'co:1[1]').map((write, place) => ({ ...write, raw: Buffer.of(place === 1 ? 0 : 1) }))
    const [group = []] = planWrites(writes)
    expect([...rawOfGroup(group)]).toEqual([0b110])
  })

  it('packs arrays of coils beside others, wherever they begin', () => {
    const bits: Readonly<Record<number, Buffer>> = { 0: Buffer.of(0b101), 1: Buffer.of(1), 2: Buffer.of(0xff, 0b10) }
    const writes = writesOf('co:1000[3]', 'co:1003', 'co:1004[10]').map((write, place) => ({ ...write, raw: bits[place] ?? Buffer.of(0) }))
    const [group = []] = planWrites(writes)
    expect(spanOfGroup(group)).toEqual({ unit: 1, start: 1_000, count: 14 })
    // 101, then 1, then 11111111 01 with the lowest first.
    expect([...rawOfGroup(group)]).toEqual([0b1111_1101, 0b0010_1111])
  })

  it('leaves all other bits of a register alone', () => {
    const [group = []] = planWrites(writesOf('hr:1.0', 'hr:1.3', 'hr:1.15'))
    expect(masksOfGroup(group)).toEqual({ andMask: 0xffff & ~0x8009, orMask: 0x8001 })
  })

  it('ends as it would one value after the other, whatever it holds', () => {
    const text = fc.oneof(
      fc.nat(12).map((at) => `hr:${at} u16`),
      fc.nat(12).map((at) => `hr:${at} f32`),
      fc.tuple(fc.nat(4), fc.nat(3)).map(([at, bit]) => `hr:${at}.${bit}`),
    )
    fc.assert(
      fc.property(fc.array(text, { maxLength: 20 }), (texts) => {
        const writes = writesOf(...texts)
        const together = new Uint16Array(20)
        const apart = new Uint16Array(20)
        for (const group of planWrites(writes)) apply(together, group)
        for (const write of writes) apply(apart, [write])
        expect([...together]).toEqual([...apart])
        expect(planWrites(writes).flat()).toEqual(writes)
      }),
    )
  })
})

/** What a device does with one request. */
function apply(registers: Uint16Array, group: readonly PlannedWrite[]): void {
  const [first] = group
  if (first === undefined) return
  if (first.raw === undefined) {
    const { andMask, orMask } = masksOfGroup(group)
    registers[first.item.start] = ((registers[first.item.start] ?? 0) & andMask) | (orMask & ~andMask)
    return
  }
  const raw = rawOfGroup(group)
  const { start, count } = spanOfGroup(group)
  for (let place = 0; place < count; place += 1) registers[start + place] = raw.readUInt16BE(2 * place)
}
