import type { SeededChance } from '../chance.ts'
import { type Area, changingFrom, type Place, type Truth, writtenFrom } from './modbus-truth.ts'

export type Wire = 'modbus-tcp' | 'modbus-rtu-tcp' | 'modbus-rtu'

/** One tag of the round, and how its value follows from what the plant holds. */
export interface PlannedTag {
  readonly path: string
  readonly file: Readonly<Record<string, unknown>>
  readonly place: Place
  readonly isWritable: boolean
  expected(truth: Truth, epoch: number): unknown
}

export interface Plan {
  readonly wire: Wire
  readonly timeoutMs: number
  readonly units: readonly number[]
  readonly modbus: Readonly<Record<string, unknown>>
  readonly scan: Readonly<Record<string, string>>
  readonly tags: readonly PlannedTag[]
}

type Kind = 'u16' | 'i16' | 'u32' | 'u32 CDAB' | 'bit' | 'array' | 'coil'
const wordsOf: Readonly<Record<Kind, number>> = { u16: 1, i16: 1, u32: 2, 'u32 CDAB': 2, bit: 1, array: 4, coil: 1 }

export function planOf(chance: SeededChance, wires: readonly [Wire, ...Wire[]]): Plan {
  const wire = chance.pick(wires)
  const units = chance.isLikely(0.5) ? [chance.between(1, 247)] : [1, 2, 3].slice(0, chance.between(2, 3))
  const isUniform = chance.isLikely(0.6)
  const tags = units.flatMap((unit) => (isUniform ? alikeOfUnit(chance, unit) : tagsOfUnit(chance, unit)))
  const inflight = chance.pick([1, 1, 2, 4, 8])
  return {
    wire,
    timeoutMs: chance.pick([60, 100, 150]),
    units,
    modbus: {
      gap: isUniform ? 0 : chance.pick([0, 8, 100]),
      quirks: { registersMax: chance.pick([125, 60, 16]), pause: chance.isLikely(0.2) ? '2ms' : '0ms' },
      ...(wire === 'modbus-tcp' ? { inflight } : {}),
    },
    scan: { fast: '40ms', normal: '120ms' },
    tags,
  }
}

/** Many requests of one shape: where answers are mixed up, nothing but the value tells. */
function alikeOfUnit(chance: SeededChance, unit: number): readonly PlannedTag[] {
  const kind = chance.pick(['u16', 'u32'] as const)
  const places = Array.from({ length: chance.between(4, 12) }, (_, place) => 3 * place + (place % 2 === 0 ? 0 : changingFrom))
  const alike = places.map((start) => tagAt({ unit, area: 'hr', start }, { kind, bit: 0, scan: 'fast' }))
  return [...alike, writableAt({ unit, area: 'hr', start: writtenFrom })]
}

function tagsOfUnit(chance: SeededChance, unit: number): readonly PlannedTag[] {
  const tags: PlannedTag[] = []
  const kinds = ['u16', 'u16', 'i16', 'u32', 'u32 CDAB', 'bit', 'array', 'coil'] as const
  for (const first of [0, changingFrom]) {
    let start = first + chance.between(0, 20)
    for (let count = chance.between(3, 14); count > 0; count -= 1) {
      const kind = chance.pick(kinds)
      const area = kind === 'coil' ? chance.pick(['co', 'di'] as const) : chance.pick(['hr', 'hr', 'ir'] as const)
      tags.push(tagAt({ unit, area, start }, { kind, bit: chance.between(0, 15), scan: chance.pick(['fast', 'normal'] as const) }))
      start += wordsOf[kind] + (chance.isLikely(0.3) ? chance.between(1, 25) : 0)
    }
  }
  for (let count = 0; count < 2; count += 1) tags.push(writableAt({ unit, area: 'hr', start: writtenFrom + 3 * count }))
  return tags
}

interface TagShape {
  readonly kind: Kind
  readonly bit: number
  readonly scan: string
}

function tagAt(place: Place, { kind, bit, scan }: TagShape): PlannedTag {
  const { unit, area, start } = place
  const [type, order] = kind.split(' ')
  const at = `${unit}/${area}:${start}${kind === 'bit' ? `.${bit}` : kind === 'array' ? '[4]' : ''}`
  const typed = kind === 'coil' || kind === 'bit' ? { type: 'bool' } : kind === 'array' ? { type: 'u16' } : { type }
  return {
    path: pathOf(place, kind),
    file: { at, ...typed, ...(order === undefined ? {} : { order }), scan },
    place,
    isWritable: false,
    expected: (truth, epoch) => valueFrom(kind, bit, (offset) => truth.word({ unit, area, start: start + offset }, epoch)),
  }
}

function writableAt(place: Place): PlannedTag {
  const { unit, area, start } = place
  return {
    path: pathOf(place, 'u32'),
    file: { at: `${unit}/${area}:${start}`, type: 'u32', scan: 'fast', write: { confirm: '0ms' } },
    place,
    isWritable: true,
    expected: (truth, epoch) => valueFrom('u32', 0, (offset) => truth.word({ unit, area, start: start + offset }, epoch)),
  }
}

function pathOf({ unit, area, start }: Place, kind: Kind): string {
  return `u${unit}/${area as Area}-${start}-${kind.replace(' ', '-').toLowerCase()}`
}

function valueFrom(kind: Kind, bit: number, word: (offset: number) => number): unknown {
  switch (kind) {
    case 'u16':
      return word(0)
    case 'i16':
      return (word(0) << 16) >> 16
    case 'u32':
      return word(0) * 65_536 + word(1)
    case 'u32 CDAB':
      return word(1) * 65_536 + word(0)
    case 'bit':
      return ((word(0) >> bit) & 1) === 1
    case 'array':
      return [word(0), word(1), word(2), word(3)]
    case 'coil':
      return word(0) === 1
    default:
      return kind satisfies never
  }
}
