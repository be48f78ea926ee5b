import { describe, expect, it } from 'vitest'
import { epochMs } from '../../src/base/clock.ts'
import type { ChangeBatch } from '../../src/model/sample.ts'
import { asTagId, asTagIndex } from '../../src/model/tag.ts'
import { LiveTagsCopy } from '../../src/north/live-tags.ts'

const batch: ChangeBatch = [{ tag: asTagIndex(0), sample: { value: 1, quality: 'good', sourceMs: epochMs(1), receivedMs: epochMs(1) } }]

describe("north's copy of the tags", () => {
  it('serves every listener although one of them throws, and lets that bug end the room', async () => {
    const tags = new LiveTagsCopy([{ id: asTagId('press/a'), device: 'press', path: 'a', scan: 'normal' }])
    const heard: ChangeBatch[] = []
    tags.onChanges(() => {
      throw new Error('a listener with a bug')
    })
    tags.onChanges((told) => heard.push(told))
    const uncaught = new Promise((resolve) => withoutOthers('uncaughtException', resolve))
    tags.take(batch)
    expect(heard).toEqual([batch])
    expect(await uncaught).toMatchObject({ message: 'a listener with a bug' })
  })
})

/** Listens once in place of whoever listens now: the test runner would take the error for a failure. */
function withoutOthers(event: 'uncaughtException', listener: (error: Error) => void): void {
  const others = process.listeners(event)
  process.removeAllListeners(event)
  process.once(event, (error) => {
    for (const other of others) process.on(event, other)
    listener(error)
  })
}
