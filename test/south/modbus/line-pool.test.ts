import { setImmediate as turn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, it } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import type { Line } from '../../../src/south/modbus/line.ts'
import { LinePool } from '../../../src/south/modbus/line-pool.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

function line(): Line {
  return {
    peer: 'x',
    inflightMax: 1,
    isOpen: true,
    failure: new Promise<never>(() => {}),
    ask: () => new Promise(() => {}),
    [Symbol.asyncDispose]: async () => {},
  } as Line
}

/** Who opened the line, when it has been left again. */
async function leased(pool: LinePool): Promise<WeakRef<object>> {
  const device = { line: line() }
  const { signal } = new AbortController()
  const lease = await pool.lease({ key: 'x', terms: '', clock: systemClock, signal, open: async () => device.line })
  await lease[Symbol.asyncDispose]()
  return new WeakRef(device)
}

it('a line that was left is remembered without the device that had opened it', async () => {
  const pool = new LinePool()
  const device = await leased(pool)
  await expect
    .poll(async () => {
      await turn()
      collect()
      return device.deref() === undefined
    })
    .toBe(true)
})

it('a line that was lost is not opened again before it is closed, whoever asks for it', async () => {
  const pool = new LinePool()
  const lost = Promise.withResolvers<never>()
  const closed = Promise.withResolvers<void>()
  const opened: string[] = []
  const ask = (name: string, opens: Line) => {
    const open = async (): Promise<Line> => {
      opened.push(name)
      return opens
    }
    return pool.lease({ key: 'x', terms: '', clock: systemClock, signal: new AbortController().signal, open })
  }
  const first = await ask('first', { ...line(), failure: lost.promise, [Symbol.asyncDispose]: () => closed.promise })
  lost.reject(new Error('pulled out'))
  await expect(first.failure).rejects.toThrow('pulled out')
  const second = ask('second', line())
  await turn()
  expect(opened).toEqual(['first'])
  closed.resolve()
  await second
  expect(opened).toEqual(['first', 'second'])
})
