import { type Order, orders, registersOfElement } from './address.ts'
import { type NumberValue, numberAt, type Reading } from './probe-views.ts'

/** What some registers most likely hold. */
export interface Guess {
  /** From the beginning of the data. */
  readonly place: number
  readonly count: number
  /** As a device file says it; `zero` is nothing to be seen yet. */
  readonly type: Reading['type'] | `string(${number})` | 'zero'
  /** 0 to 1: for each register, so that one value of two and two values of one can be compared. */
  readonly score: number
  readonly why: string
}

export interface Guesses {
  readonly order: Order
  readonly guesses: readonly Guess[]
}

/**
 * Divides registers into the values they most likely hold. A device has one byte order, so each is tried on the whole, and the one in which most makes
 * sense is taken; the standard's where all are as good. `samples` are the same registers at several moments: counters show only over time.
 */
export function guessValues(samples: readonly Buffer[], among: readonly Order[] = orders): Guesses {
  const tried = among.map((order) => ({ order, ...bestDivision(samples, order) }))
  const best = tried.reduce((one, other) => (other.total > one.total + 1e-9 ? other : one))
  return { order: best.order, guesses: best.guesses }
}

interface Division {
  readonly total: number
  readonly guesses: readonly Guess[]
}

/** From the end to the beginning: what is best from a register on depends only on what is best behind it. */
function bestDivision(samples: readonly Buffer[], order: Order): Division {
  const count = Math.floor((samples[0]?.length ?? 0) / 2)
  const best: { total: number; guess?: Guess }[] = Array.from({ length: count + 1 }, () => ({ total: 0 }))
  for (let place = count - 1; place >= 0; place -= 1) {
    for (const guess of candidatesAt(samples, { place, count, order })) {
      const total = guess.score * guess.count + (best[place + guess.count]?.total ?? 0)
      const here = best[place]
      if (here !== undefined && (here.guess === undefined || total > here.total)) best[place] = { total, guess }
    }
  }
  const guesses: Guess[] = []
  for (let place = 0; place < count; ) {
    const guess = best[place]?.guess
    if (guess === undefined) break
    guesses.push(guess)
    place += guess.count
  }
  return { total: best[0]?.total ?? 0, guesses }
}

interface Candidate {
  readonly score: number
  readonly why: string
}

interface At {
  readonly place: number
  readonly count: number
  readonly order: Order
}

const numberKinds: readonly {
  readonly type: Reading['type']
  readonly judge: (values: readonly NumberValue[]) => Candidate | undefined
}[] = [
  { type: 'u16', judge: (values) => judgeWord(values.map(Number)) },
  { type: 'i16', judge: (values) => judgeSignedWord(values.map(Number)) },
  { type: 'f32', judge: (values) => judgeFloat(values.map(Number)) },
  { type: 'u32', judge: (values) => judgeLong(values.map(Number)) },
  { type: 'i32', judge: (values) => judgeSignedLong(values.map(Number)) },
  { type: 'f64', judge: (values) => judgeDouble(values.map(Number)) },
  { type: 'u64', judge: (values) => judgeHuge(values.map(BigInt)) },
]

function candidatesAt(samples: readonly Buffer[], at: At): readonly Guess[] {
  const found: Guess[] = []
  const { place, order } = at
  if (samples.every((data) => data.readUInt16BE(place * 2) === 0)) {
    found.push({ place, count: 1, type: 'zero', score: 0.3, why: 'nothing yet' })
  }
  for (const { type, judge } of numberKinds) {
    const count = registersOfElement(type)
    if (place + count > at.count) continue
    const values = samples.map((data) => numberAt(data, place, { type, order }))
    if (!values.every((value) => value !== null) || values.every((value) => Number(value) === 0)) continue
    const verdict = judge(values)
    if (verdict !== undefined) found.push({ place, count, type, ...verdict })
  }
  const text = textAt(samples, at)
  return text === undefined ? found : [...found, text]
}

function judgeWord(values: readonly number[]): Candidate {
  const largest = Math.max(...values)
  const base = largest <= 1_000 ? 0.7 : largest <= 10_000 ? 0.6 : largest <= 32_767 ? 0.45 : 0.35
  return isCounting(values) ? { score: base + 0.1, why: 'counts upwards' } : { score: base, why: 'a whole number' }
}

function judgeSignedWord(values: readonly number[]): Candidate | undefined {
  const least = Math.min(...values)
  return least < 0 && least >= -2_000 ? { score: 0.55, why: 'a small number below zero' } : undefined
}

/** A measured value lies between a thousandth and a million; random bits do so in one of ten cases. */
function judgeFloat(values: readonly number[]): Candidate | undefined {
  if (!values.every((value) => isMeasured(value, 1e-3, 1e6))) return undefined
  if (values.every(hasFewDigits)) return { score: 0.98, why: 'a number with few digits' }
  // Two whole numbers of which the first looks like the beginning of a float: then the second fills only the last bits.
  if (values.every((value) => Math.abs(value - Number(value.toPrecision(5))) < Math.abs(value) * 2e-5 && hasSmallTail(value)))
    return undefined
  return { score: values.every((value) => isMeasured(value, 1e-2, 1e5)) ? 0.85 : 0.7, why: 'a usual size for a measured value' }
}

function hasFewDigits(value: number): boolean {
  return Math.fround(Number(value.toPrecision(5))) === value
}

const view = new DataView(new ArrayBuffer(8))

function hasSmallTail(value: number): boolean {
  view.setFloat32(0, value)
  const tail = view.getUint16(2)
  return tail > 0 && tail < 1_000
}

function judgeDouble(values: readonly number[]): Candidate | undefined {
  if (!values.every((value) => isMeasured(value, 1e-3, 1e9))) return undefined
  const isHalfEnough = values.every((value) => {
    view.setFloat64(0, value)
    return view.getUint32(4) === 0 || hasFewDigits(view.getFloat32(0))
  })
  if (isHalfEnough) return { score: 0.45, why: 'a usual size, but its upper half makes sense alone' }
  const isShort = values.every((value) => Number(value.toPrecision(8)) === value)
  return isShort ? { score: 0.97, why: 'a number with few digits' } : { score: 0.88, why: 'a usual size for a measured value' }
}

function judgeLong(values: readonly number[]): Candidate {
  const counts = isCounting(values)
  const isHighOnly = counts && values.every((value, place) => (value - (values[place - 1] ?? value)) % 65_536 === 0)
  if (isHighOnly) return { score: 0.05, why: 'counts in its upper half only' }
  // With its highest bit set the lower half may as well be a number below zero, beside a register that is empty.
  if (!counts && Math.max(...values) <= 65_535 && Math.min(...values) > 32_767) return { score: 0.4, why: 'its upper half is empty' }
  if (Math.max(...values) <= 65_535) return counts ? { score: 0.6, why: 'counts upwards' } : { score: 0.45, why: 'its upper half is empty' }
  if (counts) return { score: 0.93, why: 'counts upwards' }
  return { score: Math.max(...values) < 2 ** 24 ? 0.5 : 0.2, why: 'a whole number' }
}

function judgeSignedLong(values: readonly number[]): Candidate | undefined {
  const least = Math.min(...values)
  return least < 0 && least >= -32_768 ? { score: 0.85, why: 'a small number below zero' } : undefined
}

function judgeHuge(values: readonly bigint[]): Candidate | undefined {
  const numbers = values.map(Number)
  if (!isCounting(numbers)) return undefined
  const steps = values.slice(1).map((value, place) => value - (values[place] ?? value))
  if (steps.every((step) => step % 65_536n === 0n)) return undefined
  return { score: Math.max(...numbers) > 2 ** 32 ? 0.95 : 0.65, why: 'counts upwards' }
}

function isMeasured(value: number, least: number, most: number): boolean {
  const size = Math.abs(value)
  return value === 0 || (size >= least && size <= most)
}

/** Never down, sometimes up, and by little against what it is. */
function isCounting(values: readonly number[]): boolean {
  const steps = values.slice(1).map((value, place) => value - (values[place] ?? value))
  const largest = Math.max(0, ...steps)
  return steps.length > 0 && largest > 0 && steps.every((step) => step >= 0) && largest <= Math.max(1_000, (values[0] ?? 0) * 0.05)
}

const textRegistersMax = 64

/** At least three registers of letters and digits, filled up with NULs; the same in every sample. */
function textAt(samples: readonly Buffer[], { place, count }: At): Guess | undefined {
  const [first] = samples
  if (first === undefined) return undefined
  let end = place
  while (end < count && end - place < textRegistersMax && isTextPair(first, end)) end += 1
  const letters = end
  // Filling; how much of what follows belongs to the text cannot be seen, so no more than there is text.
  const fillEnd = Math.min(count, letters + (letters - place))
  while (end < fillEnd && letters - place >= 2 && first.readUInt16BE(end * 2) === 0) end += 1
  const isLong = letters - place >= 3 || (letters - place === 2 && end > letters)
  const bytes = first.subarray(place * 2, letters * 2)
  const isSame = samples.every((data) => data.subarray(place * 2, end * 2).equals(first.subarray(place * 2, end * 2)))
  if (!isLong || !isSame || wordsIn(bytes) < 0.7) return undefined
  const size = (end - place) * 2
  return { place, count: end - place, type: `string(${size})`, score: 0.99, why: 'letters and digits' }
}

function isTextPair(data: Buffer, place: number): boolean {
  const one = data[place * 2] ?? 0
  const other = data[place * 2 + 1] ?? 0
  return isPrintable(one) && (isPrintable(other) || other === 0)
}

function isPrintable(byte: number): boolean {
  return byte >= 0x20 && byte < 0x7f
}

function wordsIn(bytes: Buffer): number {
  return (bytes.toString('latin1').match(/[A-Za-z0-9 _.-]/g) ?? []).length / Math.max(1, bytes.length)
}
