import type { EpochMs } from '../base/clock.ts'
import type { Quality } from './quality.ts'
import type { ChangeBatch, Sample } from './sample.ts'
import type { TagIndex, TagValue } from './tag.ts'

/** A batch of changes as it crosses from thread to thread: in columns, which cost a sixth of what as many objects do. */
export interface PackedChanges {
  /** For each change: tag, place of the quality in `qualities`, source time, receive time, status (NaN: none). */
  readonly numbers: Float64Array<ArrayBuffer>
  readonly values: readonly (TagValue | null)[]
}

const numbersPerChange = 5
const qualities = ['good', 'uncertain', 'bad', 'stale'] as const satisfies readonly Quality[]

export function packChanges(changes: ChangeBatch): PackedChanges {
  const numbers = new Float64Array(changes.length * numbersPerChange)
  let at = 0
  const values = changes.map(({ tag, sample: { value, quality, status, sourceMs, receivedMs } }) => {
    numbers[at] = tag
    numbers[at + 1] = qualities.indexOf(quality)
    numbers[at + 2] = sourceMs
    numbers[at + 3] = receivedMs
    numbers[at + 4] = status ?? Number.NaN
    at += numbersPerChange
    return value
  })
  return { numbers, values }
}

export function unpackChanges({ numbers, values }: PackedChanges): ChangeBatch {
  return values.map((value, place) => {
    const at = place * numbersPerChange
    const quality = qualities[numbers[at + 1] ?? 0] ?? 'bad'
    const sourceMs = numbers[at + 2] as EpochMs
    const receivedMs = numbers[at + 3] as EpochMs
    const status = numbers[at + 4] ?? Number.NaN
    const sample: Sample = Number.isNaN(status)
      ? { value, quality, sourceMs, receivedMs }
      : { value, quality, status, sourceMs, receivedMs }
    return { tag: numbers[at] as TagIndex, sample }
  })
}
