import { describe, expect, it } from 'vitest'
import { guessValues } from '../../../src/south/modbus/probe-guess.ts'

/** Each value at its place. */
function put(values: readonly number[], set: (value: number, place: number) => void): void {
  for (const [place, value] of values.entries()) set(value, place)
}

/** Registers as a device would hold them; shares no code with the codec. */
function registers(write: (view: DataView) => void, count: number): Buffer {
  const bytes = new ArrayBuffer(count * 2)
  write(new DataView(bytes))
  return Buffer.from(bytes)
}

function wordsSwapped(data: Buffer): Buffer {
  const swapped = Buffer.alloc(data.length)
  for (let at = 0; at + 3 < data.length; at += 4) {
    data.copy(swapped, at, at + 2, at + 4)
    data.copy(swapped, at + 2, at, at + 2)
  }
  return swapped
}

function bytesSwapped(data: Buffer): Buffer {
  return Buffer.from(data).swap16()
}

function typesOf(...samples: readonly Buffer[]): { readonly order: string; readonly types: readonly string[] } {
  const { order, guesses } = guessValues(samples)
  return { order, types: guesses.map(({ place, type }) => `${place} ${type}`) }
}

/** A meter: voltages, currents, a frequency, in the usual sizes. */
const measured = registers(
  (view) => put([230.1, 229.84, 231.02, 4.271, 0.83, 49.98], (value, place) => view.setFloat32(place * 4, value)),
  12,
)
const places = [0, 2, 4, 6, 8, 10]

describe('the guess at what registers hold', () => {
  it.each([
    ['ABCD', measured],
    ['CDAB', wordsSwapped(measured)],
    ['BADC', bytesSwapped(measured)],
    ['DCBA', bytesSwapped(wordsSwapped(measured))],
  ])('finds floats, and that their order is %s', (order, data) => {
    expect(typesOf(data)).toEqual({ order, types: places.map((place) => `${place} f32`) })
  })

  it('takes small whole numbers for what they are, below zero too', () => {
    const data = registers((view) => put([42, -17, 1_500, 27_648], (value, place) => view.setInt16(place * 2, value)), 4)
    expect(typesOf(data)).toEqual({ order: 'ABCD', types: ['0 u16', '1 i16', '2 u16', '3 u16'] })
  })

  it.each([[[0, -5]], [[-5, 0]], [[0, -300, 0, 0]]])(
    'takes a small number below zero for one, though the register beside it is empty: %j',
    (values) => {
      const data = registers((view) => put(values, (value, place) => view.setInt16(place * 2, value)), values.length)
      expect(typesOf(data).types).toContain(`${values.findIndex((value) => value < 0)} i16`)
    },
  )

  it('sees a raw value before a small one as two values, though they could be a float', () => {
    const data = registers((view) => put([17_000, 5, 16_900, 12], (value, place) => view.setUint16(place * 2, value)), 4)
    expect(typesOf(data).types).toEqual(['0 u16', '1 u16', '2 u16', '3 u16'])
  })

  it('sees a text with its filling', () => {
    const data = Buffer.alloc(20)
    data.writeUInt16BE(7, 0)
    data.write('PRESS-07', 2)
    expect(typesOf(data).types.slice(0, 2)).toEqual(['0 u16', '1 string(16)'])
  })

  it('sees a counter of 32 bits only over time, and which half is which', () => {
    const at = (value: number): Buffer => registers((view) => view.setUint32(0, value), 2)
    expect(typesOf(at(1_234_567), at(1_234_571), at(1_234_580))).toEqual({ order: 'ABCD', types: ['0 u32'] })
    expect(typesOf(wordsSwapped(at(1_234_567)), wordsSwapped(at(1_234_571)))).toEqual({ order: 'CDAB', types: ['0 u32'] })
  })

  it('sees a counter of 64 bits', () => {
    const at = (value: bigint): Buffer => registers((view) => view.setBigUint64(0, value), 4)
    expect(typesOf(at(78_123_456_789n), at(78_123_456_800n)).types).toEqual(['0 u64'])
  })

  it('sees doubles, and does not take two floats for one', () => {
    const doubles = registers((view) => put([21.537, 1_013.257], (value, place) => view.setFloat64(place * 8, value)), 8)
    expect(typesOf(doubles).types).toEqual(['0 f64', '4 f64'])
    const floats = registers((view) => put([2.5, 0, 20, 0], (value, place) => view.setFloat32(place * 4, value)), 8)
    expect(typesOf(floats).types.filter((type) => !type.endsWith('zero'))).toEqual(['0 f32', '4 f32'])
  })

  it('says of what is 0 all the time that nothing is to be seen', () => {
    expect(typesOf(Buffer.alloc(4)).types).toEqual(['0 zero', '1 zero'])
    expect(guessValues([Buffer.alloc(0)]).guesses).toEqual([])
  })

  it('covers every register once, whatever they hold', () => {
    for (let seed = 1; seed <= 200; seed += 1) {
      const data = Buffer.alloc(50)
      for (let at = 0, state = seed; at < data.length; at += 1) {
        state = (state * 1_103_515_245 + 12_345) & 0x7fff_ffff
        data[at] = state >> 16
      }
      const covered = guessValues([data]).guesses.flatMap(({ place, count }) => Array.from({ length: count }, (_, at) => place + at))
      expect(covered).toEqual(Array.from({ length: 25 }, (_, place) => place))
    }
  })
})
