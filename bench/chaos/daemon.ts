import { request } from 'node:http'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Program, type ProgramOptions, startProgram } from '../line/process.ts'

const main = join(import.meta.dirname, '../../bin/lineside.js')
const crash = fileURLToPath(new URL('./crash-thread-process.ts', import.meta.url))
const answerMs = 2_000

type Command = Pick<ProgramOptions, 'args'> & { readonly program: string }

export interface ChaosDaemonOptions {
  readonly site: string
  readonly stateFolder: string
  readonly inspectorPort: number
  /** How a program is run where the daemon is. */
  readonly command: (command: Command) => ProgramOptions
}

/** The daemon on a site of its own, to be killed, and its threads to be crashed, again and again. */
export class ChaosDaemon implements AsyncDisposable {
  readonly #options: ChaosDaemonOptions
  #daemon: Program | undefined
  #isKilled = false
  #wasReady = false

  constructor(options: ChaosDaemonOptions) {
    this.#options = options
  }

  /** Why the daemon has ended, where nobody killed it. A start that a crash has spoilt is begun again, as systemd does it. */
  get hasDied(): string | undefined {
    if (this.#daemon?.hasEnded !== true || this.#isKilled) return undefined
    if (this.#wasReady) return this.#daemon.said
    this.start()
    return undefined
  }

  get said(): string {
    return this.#daemon?.said ?? ''
  }

  start(): void {
    const { inspectorPort, site, command } = this.#options
    const args = [`--inspect-port=127.0.0.1:${inspectorPort}`, main, 'run', site]
    this.#isKilled = false
    this.#wasReady = false
    this.#daemon = startProgram(command({ program: process.execPath, args }))
  }

  async kill(): Promise<void> {
    this.#isKilled = true
    this.#daemon?.kill('SIGKILL')
    await this.#daemon?.ended
  }

  /** True when it was told; a daemon that has just been killed cannot be. */
  async crashThread(name: string): Promise<boolean> {
    const { inspectorPort, command } = this.#options
    this.#daemon?.kill('SIGUSR1')
    await using program = startProgram(command({ program: process.execPath, args: [crash, String(inspectorPort), name] }))
    await program.ended
    return program.exitCode === 0
  }

  async isReady(): Promise<boolean> {
    const isReady = (await this.#ask('/health/ready')) !== undefined
    this.#wasReady ||= isReady
    return isReady
  }

  /** The sum of a metric's rows whose labels hold this text; undefined where nobody answers. */
  async metric(name: string, label = ''): Promise<number | undefined> {
    const text = await this.#ask('/metrics')
    const rows = text?.split('\n').filter((row) => (row.startsWith(`${name}{`) || row.startsWith(`${name} `)) && row.includes(label))
    return rows?.reduce((sum, row) => sum + Number(row.split(' ').at(-1)), 0)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
  }

  /** By its private socket, which no network is between. */
  #ask(path: string): Promise<string | undefined> {
    const { promise, resolve } = Promise.withResolvers<string | undefined>()
    const socketPath = join(this.#options.stateFolder, 'lineside.sock')
    const asking = request({ socketPath, path, timeout: answerMs }, (answer) => {
      const parts: Buffer[] = []
      answer.on('data', (part: Buffer) => parts.push(part))
      answer.on('end', () => resolve(answer.statusCode === 200 ? Buffer.concat(parts).toString() : undefined))
      answer.on('error', () => resolve(undefined))
    })
    asking.on('timeout', () => asking.destroy())
    asking.on('error', () => resolve(undefined))
    asking.on('close', () => resolve(undefined))
    asking.end()
    return promise
  }
}
