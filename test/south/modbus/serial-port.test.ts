import { describe, expect, it } from 'vitest'
import { overTty, type TtyPort } from '../../../src/south/modbus/serial-port.ts'
import type { SerialSettings } from '../../../src/south/modbus/settings.ts'
import { startManualClock } from '../../support/manual-clock.ts'

type Done = (error?: Error | null) => void

/** A port of `serialport` that only writes down what it was told: a pty has no RTS. */
function fakeTty() {
  const told: string[] = []
  const listeners = new Map<string, (value?: unknown) => void>()
  const later = (text: string) => (done?: Done) => {
    told.push(text)
    done?.(null)
  }
  const port = {
    isOpen: true,
    on: (event: string, listener: (value?: unknown) => void) => void listeners.set(event, listener),
    write: (frame: Buffer, done: Done) => later(`write ${frame.toString('hex')}`)(done),
    drain: later('drain'),
    flush: later('flush'),
    set: (pins: { readonly rts: boolean }, done: Done) => later(`rts ${pins.rts ? 'high' : 'low'}`)(done),
    close: later('close'),
  } as unknown as TtyPort
  return { port, told, emit: (event: string, value?: unknown): void => listeners.get(event)?.(value) }
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
  it('leaves RTS alone, and waits until a frame is out', async () => {
    const { channel, told } = open()
    await channel.flush()
    await channel.write(Buffer.of(1, 2))
    expect(told).toEqual(['flush', 'write 0102', 'drain'])
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
    const { channel, emit, heard } = open({ hasEcho: true })
    await channel.write(Buffer.of(1, 2, 3, 4))
    emit('data', Buffer.of(1, 2))
    emit('data', Buffer.of(3, 4, 9))
    emit('data', Buffer.of(1, 2))
    expect(heard).toEqual(['09', '0102'])
  })

  it('tells what is no echo of its own: somebody talked at the same time', async () => {
    const { channel, emit, heard } = open({ hasEcho: true })
    await channel.write(Buffer.of(1, 2, 3, 4))
    emit('data', Buffer.of(1, 0xff))
    expect(heard).toEqual(['01ff'])
  })

  it('tells its end, be it before anybody listens', () => {
    const tty = fakeTty()
    const channel = overTty(tty.port, settings(), startManualClock())
    tty.emit('close', new Error('gone'))
    const losses: string[] = []
    channel.listen({ bytes: () => {}, ended: ({ code }) => void losses.push(code) })
    expect(losses).toEqual(['modbus.port-lost'])
  })
})
