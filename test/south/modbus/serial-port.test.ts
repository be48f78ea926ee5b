import { describe, expect, it } from 'vitest'
import { overTty } from '../../../src/south/modbus/serial-port.ts'
import type { SerialSettings } from '../../../src/south/modbus/settings.ts'
import type { TtyPort } from '../../../src/south/modbus/tty.ts'
import { startManualClock } from '../../support/manual-clock.ts'

/** A port that only writes down what it was told: a pty has no RTS. */
function fakeTty() {
  const told: string[] = []
  const on = { bytes: (_: Buffer): void => {}, ended: (_?: unknown): void => {} }
  const port: TtyPort = {
    listen: (listener) => void Object.assign(on, listener),
    write: async (frame) => void told.push(`write ${frame.toString('hex')}`),
    drain: async () => void told.push('drain'),
    flush: () => void told.push('flush'),
    setRts: (level) => void told.push(`rts ${level}`),
    close: async () => void told.push('close'),
  }
  return { port, told, on }
}

function settings(more: Partial<SerialSettings> = {}): SerialSettings {
  const frame = { baud: 9_600, parity: 'none', stopBits: 1, characterBits: 10, broadcastPauseMs: 100 } as const
  return { kind: 'serial', path: '/dev/tty', ...frame, rts: 'unused', rtsDelayMs: 0, hasEcho: false, ...more }
}

function open(more: Partial<SerialSettings> = {}) {
  const tty = fakeTty()
  const clock = startManualClock()
  const channel = overTty(tty.port, settings(more), clock)
  const heard: string[] = []
  const losses: string[] = []
  channel.listen({ bytes: (chunk) => void heard.push(chunk.toString('hex')), ended: ({ code }) => void losses.push(code) })
  return { ...tty, clock, channel, heard, losses }
}

describe('a serial port', () => {
  it('leaves RTS alone where nobody asks for it', async () => {
    const { channel, told } = open()
    await channel.flush()
    await channel.write(Buffer.of(1, 2))
    expect(told).toEqual(['flush', 'write 0102'])
  })

  it.each([
    ['send', ['rts high', 'write 0102', 'drain', 'rts low']],
    ['receive', ['rts low', 'write 0102', 'drain', 'rts high']],
  ] as const)('turns a transceiver round by RTS, which is high to %s, and gives it time', async (rts, expected) => {
    const { channel, told, clock } = open({ rts, rtsDelayMs: 5 })
    const written = channel.write(Buffer.of(1, 2))
    await clock.advance(4)
    expect(told).toEqual(expected.slice(0, 1))
    await clock.advance(5)
    expect(told).toEqual(expected.slice(0, 3))
    await clock.advance(5)
    await written
    expect(told).toEqual(expected)
  })

  it('does not tell what an adapter hears of its own sending, however it is cut', async () => {
    const { channel, on, heard } = open({ hasEcho: true })
    await channel.write(Buffer.of(1, 2, 3, 4))
    on.bytes(Buffer.of(1, 2))
    on.bytes(Buffer.of(3, 4, 9))
    on.bytes(Buffer.of(1, 2))
    expect(heard).toEqual(['09', '0102'])
  })

  it('tells what is no echo of its own: somebody talked at the same time', async () => {
    const { channel, on, heard } = open({ hasEcho: true })
    await channel.write(Buffer.of(1, 2, 3, 4))
    on.bytes(Buffer.of(1, 0xff))
    expect(heard).toEqual(['01ff'])
  })

  it('tells its end, be it before anybody listens', () => {
    const tty = fakeTty()
    const channel = overTty(tty.port, settings(), startManualClock())
    tty.on.ended(new Error('gone'))
    const losses: string[] = []
    channel.listen({ bytes: () => {}, ended: ({ code }) => void losses.push(code) })
    expect(losses).toEqual(['modbus.port-lost'])
  })
})
