import { setTimeout as sleep } from 'node:timers/promises'
import { monotonicMs } from './load-value.ts'
import type { Program } from './process.ts'

export interface UntilOptions {
  readonly what: string
  readonly timeoutMs: number
  /** The wait ends at once, with its last words, when this one dies. */
  readonly program?: Program
}

const lookEveryMs = 5

export async function until(isTrue: () => boolean, { what, timeoutMs, program }: UntilOptions): Promise<void> {
  const endMs = monotonicMs() + timeoutMs
  while (!isTrue()) {
    if (program?.hasEnded) throw new Error(`${what} ended by itself:\n${program.said}`)
    if (monotonicMs() > endMs) throw new Error(`waited ${timeoutMs} ms for ${what}\n${program?.said ?? ''}`)
    await sleep(lookEveryMs)
  }
}
