import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { NodeFace, NodeUpdate } from './node-store.ts'

/** What the thread of an OPC UA server is started with. */
export interface PlcSettings {
  readonly name: string
  readonly namespace: string
  readonly nodes: readonly NodeFace[]
  /** Keeps the certificate, so that a restarted server is known again. */
  readonly pkiFolder: string
}

export interface PlcStart extends PlcSettings {
  /** The port that clients see. */
  readonly publicPort: number
  /** Another namespace comes before ours, as after a firmware update. */
  readonly isShifted: boolean
  readonly update: NodeUpdate
}

/** What the thread says. */
export type PlcMessage =
  | 'settled'
  | { readonly port: number }
  | { readonly failed: string }
  | { readonly name: string; readonly value: number | string }

export interface PlcOptions extends PlcSettings {
  readonly everything: () => NodeUpdate
  readonly onWrite: (name: string, value: number | string) => void
}

const stopMsMax = 1_000

/** An OPC UA server that can be switched off and on. It has a thread of its own: loading the library would hold up everything else for a second. */
export class Plc implements AsyncDisposable {
  readonly #options: PlcOptions
  #worker: Worker | undefined
  #port: Promise<number> = Promise.reject(new Error('it was never started'))
  #isShifted = false

  constructor(options: PlcOptions) {
    this.#options = options
    this.#port.catch(() => {})
  }

  get isRunning(): boolean {
    return this.#worker !== undefined
  }

  get isShifted(): boolean {
    return this.#isShifted
  }

  start({ publicPort, isShifted }: { readonly publicPort: number; readonly isShifted: boolean }): void {
    const { name, namespace, nodes, pkiFolder, everything } = this.#options
    const workerData: PlcStart = { name, namespace, nodes, pkiFolder, publicPort, isShifted, update: everything() }
    const worker = new Worker(new URL('./plc-thread.ts', import.meta.url), { workerData })
    this.#isShifted = isShifted
    this.#worker = worker
    this.#port = this.#listenTo(worker)
    this.#port.catch(() => {}) // whoever wants the port sees it
  }

  /** Rejects where the server is off. */
  serverPort(): Promise<number> {
    return this.#port
  }

  tell(update: NodeUpdate): void {
    this.#worker?.postMessage(update)
  }

  /** Resolves when the server shows all it was told. */
  async settled(): Promise<void> {
    const worker = this.#worker
    if (worker === undefined) return
    const answered = new Promise<void>((resolve) => {
      const look = (message: PlcMessage): void => {
        if (message !== 'settled') return
        worker.off('message', look)
        resolve()
      }
      worker.on('message', look)
      worker.once('exit', () => resolve())
    })
    worker.postMessage('settle')
    await answered
  }

  async stop(): Promise<void> {
    const worker = this.#worker
    if (worker === undefined) return
    this.#worker = undefined
    const ended = once(worker, 'exit')
    worker.postMessage('stop')
    const timer = setTimeout(() => worker.terminate(), stopMsMax)
    await ended
    clearTimeout(timer)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const worker = this.#worker
    this.#worker = undefined
    await worker?.terminate()
  }

  #listenTo(worker: Worker): Promise<number> {
    return new Promise((resolve, reject) => {
      const fail = (why: string): void => reject(new Error(`${this.#options.name} has no OPC UA server: ${why}`))
      const complain = (why: string): void => {
        console.error(`${this.#options.name} has no OPC UA server: ${why}`)
        fail(why)
      }
      worker.on('message', (message: PlcMessage) => {
        if (message === 'settled') return
        if ('port' in message) resolve(message.port)
        else if ('failed' in message) complain(message.failed)
        else this.#options.onWrite(message.name, message.value)
      })
      worker.once('error', (error) => complain(String(error)))
      worker.once('exit', () => {
        fail('it is switched off')
        if (this.#worker === worker) this.#worker = undefined
        if (this.#worker === undefined) this.#port = Promise.reject(new Error(`${this.#options.name} is switched off`))
        this.#port.catch(() => {})
      })
    })
  }
}
