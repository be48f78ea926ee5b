import { EventEmitter } from 'node:events'
import { describe, expect, it, vi } from 'vitest'
import { stopSignal } from '../../src/cli/stop-signal.ts'
import { startManualClock } from '../support/manual-clock.ts'

function listen() {
  const clock = startManualClock()
  const signals = new EventEmitter()
  const end = vi.fn()
  const stop = stopSignal({ end, clock, signals: signals as unknown as NodeJS.Process })
  return { clock, signals, end, stop }
}

describe('what tells a program to stop', () => {
  it.each(['SIGTERM', 'SIGINT'])(
    'is one press of Ctrl-C, also where npm passes it on: %s twice within a second ends nothing at once',
    async (signal) => {
      const { clock, signals, end, stop } = listen()
      signals.emit('SIGINT')
      expect(stop.aborted).toBe(true)
      signals.emit(signal)
      await clock.advance(999)
      signals.emit(signal)
      expect(end).not.toHaveBeenCalled()
    },
  )

  it('ends the process at once where a person asks again', async () => {
    const { clock, signals, end } = listen()
    signals.emit('SIGTERM')
    await clock.advance(1_000)
    signals.emit('SIGINT')
    expect(end).toHaveBeenCalledOnce()
  })

  it('never ends the process at once because its terminal was closed', async () => {
    const { clock, signals, end, stop } = listen()
    signals.emit('SIGHUP')
    expect(stop.aborted).toBe(true)
    await clock.advance(60_000)
    signals.emit('SIGHUP')
    expect(end).not.toHaveBeenCalled()
  })
})
