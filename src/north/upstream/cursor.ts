import type { OutboxRow } from '../../store/contract.ts'

/** Rows read from the outbox at once. */
const windowRows = 256

/** A place in the outbox, and the rows that were read on from there. */
export class Cursor {
  readonly #read: (afterId: number, rowsMax: number) => Promise<readonly OutboxRow[]>
  #rows: readonly OutboxRow[] = []
  #place = 0
  #fetchedId: number
  #takenId: number
  mayHaveMore = true

  constructor(read: (afterId: number, rowsMax: number) => Promise<readonly OutboxRow[]>, afterId: number) {
    this.#read = read
    this.#fetchedId = afterId
    this.#takenId = afterId
  }

  /** The highest id that was read. */
  get fetchedId(): number {
    return this.#fetchedId
  }

  /** The highest id that was taken, or where it began. */
  get takenId(): number {
    return this.#takenId
  }

  get isEmpty(): boolean {
    return this.#place >= this.#rows.length
  }

  get last(): OutboxRow | undefined {
    return this.#rows.at(-1)
  }

  peek(): OutboxRow | undefined {
    return this.#rows[this.#place]
  }

  take(): OutboxRow | undefined {
    const row = this.#rows[this.#place]
    if (row === undefined) return undefined
    this.#place += 1
    this.#takenId = row.id
    return row
  }

  /** Reads on; to be called where all was taken. */
  async fetch(): Promise<void> {
    this.mayHaveMore = false
    try {
      const rows = await this.#read(this.#fetchedId, windowRows)
      this.#rows = rows
      this.#place = 0
      this.#fetchedId = rows.at(-1)?.id ?? this.#fetchedId
      this.mayHaveMore ||= rows.length > 0 // an answer may be short because its rows are long
    } catch (error) {
      this.mayHaveMore = true
      throw error
    }
  }

  get isFull(): boolean {
    return this.#rows.length >= windowRows
  }
}
