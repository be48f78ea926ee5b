import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import type { FirstUser } from '../../src/north/access/first-user.ts'
import { startFirstUser } from '../../src/runtime/first-user.ts'
import { memoryLog } from '../north/broker/gateway.ts'
import { startManualClock } from '../support/manual-clock.ts'
import { makeStateFolder } from '../support/state-folder.ts'

describe('the first user of a gateway', () => {
  it('is tried for ever more rarely while he cannot be written down, which is told once, and made as soon as he can', async () => {
    using folder = makeStateFolder()
    const stateFolder = join(folder.path, 'state')
    const clock = startManualClock()
    const waits: number[] = []
    const sleep = vi.fn((ms: number, signal?: AbortSignal) => {
      waits.push(ms)
      return clock.sleep(ms, signal)
    })
    const log = memoryLog()
    const told: FirstUser[] = []
    const tell = (first: FirstUser) => void told.push(first)
    await using _first = startFirstUser({ stateFolder, clock: { ...clock, sleep }, chance: () => 1, log, tell })
    for (let attempt = 1; attempt <= 7; attempt += 1) {
      await vi.waitFor(() => expect(waits).toHaveLength(attempt))
      if (attempt === 7) await mkdir(stateFolder)
      await clock.advance(30_000)
    }
    await vi.waitFor(() => expect(told).toMatchObject([{ name: 'admin' }]))
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000])
    await vi.waitFor(() => expect(log.lines.map(({ level }) => level)).toEqual(['error', 'info']))
    expect(log.lines[0]?.fields).not.toHaveProperty('stack')
  })

  it('is given up when the gateway stops', async () => {
    using folder = makeStateFolder()
    const clock = startManualClock()
    const log = memoryLog()
    const first = startFirstUser({ stateFolder: join(folder.path, 'none'), clock, chance: () => 1, log, tell: () => {} })
    await vi.waitFor(() => expect(log.lines).toHaveLength(1))
    await first[Symbol.asyncDispose]()
    await clock.advance(60_000)
    expect(log.lines).toHaveLength(1)
  })
})
