import { Worker } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'

const threads = 6
const collect = new URL('../../src/base/collect.ts', import.meta.url).href

/** Six threads that collect at the same moment, as the rooms of a daemon do. */
async function collectTogether(): Promise<readonly number[]> {
  const source = `import(${JSON.stringify(collect)}).then(({ collectAfterStart }) => { collectAfterStart(); setTimeout(() => {}, 3_500) })`
  const codes = Array.from({ length: threads }, () => {
    const worker = new Worker(source, { eval: true })
    return new Promise<number>((resolve, reject) => {
      worker.once('error', reject)
      worker.once('exit', resolve)
    })
  })
  return await Promise.all(codes)
}

describe('collecting after the start', () => {
  it('may happen in all threads at once', async () => {
    expect(await collectTogether()).toEqual(Array.from({ length: threads }, () => 0))
  })
})
