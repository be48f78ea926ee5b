import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Measure, quantile } from '../report.ts'

/** As SQLite writes its log: a page and its header, again and again over the same file. */
const frameBytes = 4_096 + 24
const frames = 1_000

/** What the disk of the state folder gives: nothing that is kept before it is done can be faster. */
export function benchDisk({ isSmoke }: { readonly isSmoke: boolean }): readonly Measure[] {
  const folder = mkdtempSync(join(tmpdir(), 'lineside-bench-disk-'))
  const file = openSync(join(folder, 'log'), 'w')
  const frame = Buffer.alloc(frameBytes, 7)
  const tookMs: number[] = []
  try {
    for (let place = 0; place < frames; place += 1) writeSync(file, frame, 0, frameBytes, place * frameBytes)
    fdatasyncSync(file)
    for (let round = 0; round < (isSmoke ? 100 : 3_000); round += 1) {
      writeSync(file, frame, 0, frameBytes, (round % frames) * frameBytes)
      const begun = performance.now()
      fdatasyncSync(file)
      tookMs.push(performance.now() - begun)
    }
  } finally {
    closeSync(file)
    rmSync(folder, { recursive: true })
  }
  return [
    { name: 'the disk: fdatasync p50', value: quantile(tookMs, 0.5), unit: 'ms' },
    { name: 'the disk: fdatasync p99', value: quantile(tookMs, 0.99), unit: 'ms' },
  ]
}
