import { mixed } from '../chance.ts'

export type Area = 'hr' | 'ir' | 'co' | 'di'

export interface Place {
  readonly unit: number
  readonly area: Area
  readonly start: number
}

/** Below, a value never changes; from here on it is another one for each request that the server takes in. */
export const changingFrom = 500
/** From here on holding registers and coils hold what was written to them. */
export const writtenFrom = 900
const writtenKept = 256

/**
 * What the plant's registers hold. Each value follows from its unit, area, address and the number of the request that asked for it, so that any
 * mix-up of places or of answers shows: a wrong value passes for a right one once in 65,536 times.
 */
export class Truth {
  /** Requests taken in so far: the plant's clock. */
  epoch = 0
  readonly #written = new Map<string, { readonly value: number; readonly epoch: number }[]>()

  word(place: Place, epoch: number): number {
    const { unit, area, start } = place
    if (start >= writtenFrom && (area === 'hr' || area === 'co')) return this.#writtenAt(place, epoch)
    const key = ((unit & 0xff) << 20) | (['hr', 'ir', 'co', 'di'].indexOf(area) << 16) | start
    const word = mixed(mixed(key) + (start >= changingFrom ? epoch : 0)) & 0xffff
    return area === 'co' || area === 'di' ? word & 1 : word
  }

  /** At this request. */
  write(place: Place, value: number): void {
    const key = keyOf(place)
    const history = this.#written.get(key) ?? []
    history.push({ value, epoch: this.epoch })
    if (history.length > writtenKept) history.shift()
    this.#written.set(key, history)
  }

  /** How often the plant was told to hold this value there. */
  timesWritten(place: Place, value: number): number {
    return (this.#written.get(keyOf(place)) ?? []).filter((one) => one.value === value).length
  }

  #writtenAt(place: Place, epoch: number): number {
    return (this.#written.get(keyOf(place)) ?? []).findLast((one) => one.epoch <= epoch)?.value ?? 0
  }
}

function keyOf({ unit, area, start }: Place): string {
  return `${unit}/${area}:${start}`
}
