import type { Outbox } from '../../../src/north/upstream/sending.ts'
import type { OutboxRow } from '../../../src/store/contract.ts'

/** Stands for the store: what is in `rows` is on disk. */
export class MemoryOutbox implements Outbox {
  readonly rows: OutboxRow[] = []
  /** Taken out without having been sent. */
  readonly refused: number[] = []
  readonly #listeners = new Set<() => void>()
  #lastId = 0
  isBroken = false

  accept(...messages: readonly (Pick<OutboxRow, 'kind' | 'subject' | 'body'> & Partial<OutboxRow>)[]): void {
    for (const message of messages) {
      this.#lastId += 1
      this.rows.push({ id: this.#lastId, upstream: 'plant', timeMs: 0 as OutboxRow['timeMs'], ...message })
    }
    for (const listener of this.#listeners) listener()
  }

  async next(afterId: number, rowsMax: number): Promise<readonly OutboxRow[]> {
    await this.#work()
    return this.rows.filter(({ id }) => id > afterId).slice(0, rowsMax)
  }

  async remove(ids: readonly number[], outcome: 'sent' | 'refused' = 'sent'): Promise<void> {
    await this.#work()
    if (outcome === 'refused') this.refused.push(...ids)
    const gone = new Set(ids)
    this.rows.splice(0, this.rows.length, ...this.rows.filter(({ id }) => !gone.has(id)))
  }

  onAccepted(listener: () => void): Disposable {
    this.#listeners.add(listener)
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) }
  }

  async #work(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve))
    if (this.isBroken) throw new Error('the store is away')
  }
}
