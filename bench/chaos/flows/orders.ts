import { setTimeout as sleep } from 'node:timers/promises'
import { connectAsync, type MqttClient } from 'mqtt'

export const lanes = 12
const everyMs = 30
/** Without an acknowledgement; past it the next one waits. */
const openMax = 40
const connectMs = 2_000

/** Gives orders, each once: one that was not acknowledged before the connection was lost may have been taken or not. */
export class Orders implements AsyncDisposable {
  readonly acknowledged = new Set<number>()
  readonly #port: number
  readonly #stop = new AbortController()
  readonly #giving: Promise<void>
  #given = 0
  #open = 0

  constructor(port: number) {
    this.#port = port
    this.#giving = this.#giveForever()
  }

  get given(): number {
    return this.#given
  }

  /** Resolves when no more are given. */
  async end(): Promise<void> {
    this.#stop.abort()
    await this.#giving
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end()
  }

  async #giveForever(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const client = await connectAsync(`mqtt://127.0.0.1:${this.#port}`, { reconnectPeriod: 0, connectTimeout: connectMs }).catch(
        () => undefined,
      )
      if (client === undefined) {
        await sleep(50)
        continue
      }
      client.on('error', () => {})
      this.#open = 0
      while (client.connected && !this.#stop.signal.aborted) {
        if (this.#open < openMax) this.#give(client)
        await sleep(everyMs)
      }
      // What is under way may still be acknowledged.
      for (let waited = 0; client.connected && this.#open > 0 && waited < 5_000; waited += everyMs) await sleep(everyMs)
      client.end(true)
    }
  }

  #give(client: MqttClient): void {
    this.#given += 1
    const number = this.#given
    const lane = `lane-${number % lanes}`
    this.#open += 1
    client.publish(`chaos/line/orders/${lane}`, JSON.stringify({ number, lane, isBad: number % 7 === 0 }), { qos: 1 }, (error) => {
      this.#open -= 1
      if (!error) this.acknowledged.add(number)
    })
  }
}
