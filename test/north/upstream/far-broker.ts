import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { vi } from 'vitest'
import { type Program, startProgram } from '../support/program.ts'

/** mosquitto as the broker above us: whatever becomes of it, what reached it stands in `received`. */
export class FarBroker implements AsyncDisposable {
  readonly port: number
  readonly #received: string[] = []
  readonly #extra: string
  #folder: string | undefined
  #program: Program | undefined

  constructor(port: number, extra = '') {
    this.port = port
    this.#extra = extra
  }

  get url(): string {
    return `mqtt://127.0.0.1:${this.port}`
  }

  async start(): Promise<void> {
    this.#folder ??= await mkdtemp(join(tmpdir(), 'lineside-mosquitto-'))
    const config = join(this.#folder, 'mosquitto.conf')
    const base = `listener ${this.port} 127.0.0.1\nallow_anonymous true\npersistence false\nlog_type all\nlog_dest stderr\n`
    await writeFile(config, base + this.#extra)
    const program = startProgram('/usr/sbin/mosquitto', ['-c', config])
    this.#program = program
    await vi.waitFor(() => {
      if (!program.lines.some((line) => line.includes('running'))) throw new Error(`mosquitto does not run: ${program.lines.join('\n')}`)
    })
  }

  signal(signal: NodeJS.Signals): void {
    this.#program?.kill(signal)
  }

  /** Ends it, and remembers what had reached it. */
  async stop(signal: NodeJS.Signals): Promise<void> {
    this.signal(signal)
    await this.#program?.exit
    this.#received.push(...topicsIn(this.#program?.lines ?? []))
    this.#program = undefined
  }

  /** What it has said in its present life. */
  lines(): readonly string[] {
    return this.#program?.lines ?? []
  }

  /** Topics of every PUBLISH that reached it in any of its lives, in order. */
  received(): readonly string[] {
    return [...this.#received, ...topicsIn(this.#program?.lines ?? [])]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop('SIGKILL')
    if (this.#folder !== undefined) await rm(this.#folder, { recursive: true })
  }
}

function topicsIn(lines: readonly string[]): readonly string[] {
  return lines.flatMap((line) => {
    const [, topic] = /Received PUBLISH from \S+ \(d\d, q\d, r\d, m\d+, '([^']*)'/.exec(line) ?? []
    return topic === undefined || topic.startsWith('lineside/') ? [] : [topic]
  })
}
