import { join } from 'node:path'
import { startProgram } from '../line/process.ts'
import { until } from '../line/until.ts'
import { buildProgram } from '../south/native.ts'

/** What mqtt-load.c is asked for; its own words there. */
export interface LoadPlan {
  readonly port: number
  readonly publishers?: number
  readonly subscribers?: number
  readonly qos?: 0 | 1
  readonly window?: number
  readonly inflight?: number
  readonly rate?: number
  readonly warm?: number
  readonly run?: number
  readonly count?: number
  readonly keep?: 0 | 1
  readonly away?: 0 | 1
  readonly stalled?: number
  readonly routed?: 0 | 1
}

export interface LoadResult {
  readonly sent: number
  readonly received: number
  readonly acknowledged: number
  readonly disordered: number
  readonly twice: number
  readonly seconds: number
  readonly p50Us: number
  readonly p99Us: number
}

export interface Guesses {
  readonly tries: number
  /** With a CONNACK that says so. */
  readonly refused: number
  readonly closed: number
  readonly admitted: number
}

export class Load {
  readonly #program: string

  constructor(folder: string) {
    this.#program = buildProgram(join(import.meta.dirname, 'mqtt-load.c'), folder)
  }

  async run(plan: LoadPlan): Promise<LoadResult> {
    return (await this.#said(plan)) as LoadResult
  }

  /** So many wrong passwords a second, each over a connection of its own. */
  async guess(plan: { readonly port: number; readonly wrong: number; readonly run: number }): Promise<Guesses> {
    return (await this.#said(plan)) as Guesses
  }

  async #said(plan: object): Promise<unknown> {
    const args = Object.entries(plan).map(([name, value]) => `${name}=${value}`)
    await using program = startProgram({ program: this.#program, args })
    await program.ended
    if (program.exitCode !== 0) throw new Error(`mqtt-load ${args.join(' ')} failed: ${program.said}`)
    return JSON.parse(program.said) as unknown
  }

  /** So many clients that are connected, have subscribed, and do nothing. */
  async stayConnected(port: number, clients: number): Promise<AsyncDisposable> {
    const program = startProgram({ program: this.#program, args: [`port=${port}`, `idle=${clients}`], hasInput: true })
    let isReady = false
    program.onLine((line) => {
      isReady ||= line === 'ready'
    })
    await until(() => isReady, { what: `${clients} clients to be connected`, timeoutMs: 60_000, program })
    return program
  }
}
