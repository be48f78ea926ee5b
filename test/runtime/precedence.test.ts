import { getPriority } from 'node:os'
import { Worker } from 'node:worker_threads'
import { describe, expect, it, vi } from 'vitest'
import { Precedence } from '../../src/runtime/precedence.ts'
import { keptLog } from '../support/quiet-log.ts'
import { mayRaise, niceByName } from '../support/threads.ts'

/** A thread that only waits. */
async function idle(name: string): Promise<AsyncDisposable> {
  const worker = new Worker('setInterval(() => {}, 60_000)', { eval: true, name })
  await vi.waitFor(() => expect(niceByName().has(name)).toBe(true))
  return { [Symbol.asyncDispose]: async () => void (await worker.terminate()) }
}

describe('the precedence of threads', () => {
  it('is that of control and store before all others, where the system allows it, and of those that come later too', async () => {
    const log = keptLog()
    const precedence = new Precedence(log)
    const own = getPriority(process.pid)
    const before = mayRaise ? own - 10 : own
    await using _control = await idle('control')
    await using _north = await idle('north')
    precedence.give()
    expect(niceByName().get('control')).toBe(before)
    expect(niceByName().get('north')).toBe(own)
    await using _store = await idle('store')
    expect(niceByName().get('store')).toBe(own)
    precedence.give()
    expect(niceByName().get('store')).toBe(before)
    expect(niceByName().get('control')).toBe(before)
    expect(niceByName().get('V8Worker')).toBe(before)
    const refusals = log.lines.filter(({ message }) => message.includes('precedence'))
    expect(refusals).toHaveLength(mayRaise ? 0 : 1)
  })
})
