import { join } from 'node:path'
import { monotonicMs } from './load-value.ts'
import { type Program, startProgram } from './process.ts'
import { until } from './until.ts'

export interface Load extends AsyncDisposable {
  readonly ports: readonly number[]
  readonly originMs: number
  /** When it listened, CLOCK_MONOTONIC. */
  readonly readyMs: number
  kill(): Promise<void>
}

export interface LoadOptions {
  readonly devices: number
  /** Those of an earlier life, to be found again. */
  readonly ports?: readonly number[]
  readonly originMs?: number
}

/** Begins some counts ago, so that every value is a small number that never wraps in a run. */
const headStartMs = 1_000_000

export async function startLoad({ devices, ports, originMs = monotonicMs() - headStartMs }: LoadOptions): Promise<Load> {
  const wanted = ports ?? Array.from({ length: devices }, () => 0)
  const program: Program = startProgram({ args: [join(import.meta.dirname, 'load-server.ts'), String(originMs), ...wanted.map(String)] })
  let taken: readonly number[] | undefined
  program.onLine((line) => {
    if (line.startsWith('[')) taken = JSON.parse(line) as number[]
  })
  await until(() => taken !== undefined, { what: 'the load server', timeoutMs: 10_000, program })
  return {
    ports: taken ?? [],
    originMs,
    readyMs: monotonicMs(),
    kill: () => {
      program.kill('SIGKILL')
      return program.ended
    },
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  }
}
