import type { LocalMessage } from './contract.ts'

/** In one call. */
const batchMax = 200

interface Waiting {
  readonly message: LocalMessage
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** Messages of many askers on their way to the broker: in order, those of one turn of the loop in one call. They stand or fall together. */
export class MessageBatch {
  readonly #publish: (messages: readonly LocalMessage[]) => Promise<unknown>
  #waiting: Waiting[] = []
  #isPlanned = false

  constructor(publish: (messages: readonly LocalMessage[]) => Promise<unknown>) {
    this.#publish = publish
  }

  /** Resolves when the broker has it. */
  publish(message: LocalMessage): Promise<void> {
    if (!this.#isPlanned) {
      this.#isPlanned = true
      setImmediate(() => this.#send())
    }
    return new Promise((resolve, reject) => this.#waiting.push({ message, resolve, reject }))
  }

  #send(): void {
    this.#isPlanned = false
    while (this.#waiting.length > 0) void this.#deliver(this.#waiting.splice(0, batchMax))
  }

  async #deliver(batch: readonly Waiting[]): Promise<void> {
    try {
      await this.#publish(batch.map(({ message }) => message))
      for (const { resolve } of batch) resolve()
    } catch (error) {
      for (const { reject } of batch) reject(error)
    }
  }
}
