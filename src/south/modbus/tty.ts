import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { isatty, ReadStream } from 'node:tty'
import type { KoffiFunc } from 'koffi'
import type { SerialSettings } from './settings.ts'

/** An open serial port. */
export interface TtyPort {
  /** Called once, right after opening. */
  listen(listener: { bytes(chunk: Buffer): void; ended(error?: unknown): void }): void
  /** Throws away what has come and was not read. */
  flush(): void
  write(frame: Buffer): Promise<void>
  /** Resolves when all that was written is out. */
  drain(): Promise<void>
  setRts(level: 'high' | 'low'): void
  close(): Promise<void>
}

type LineSettings = Pick<SerialSettings, 'path' | 'baud' | 'parity' | 'stopBits'>

/** termios(3) as glibc and musl have it on x86 and ARM; room for more than it takes. */
const termiosBytes = 128
const controlFlagsAt = 8
const flags = { size8: 0o60, twoStopBits: 0o100, receive: 0o200, parity: 0o400, oddParity: 0o1000, local: 0o4000, rtsCts: 0o20000000000 }
const applyNow = 0
const inputQueue = 0
const exclusiveAtOnce = 2 | 4
/** ioctl_tty(2). */
const setExclusive = 0x540c
const raisePins = 0x5416
const lowerPins = 0x5417
const pinRts = 0x004

/**
 * Opens a serial port for this process alone. Not by the package `serialport`: its binding watches ports on the main thread's event loop, and
 * ends the whole process when it is used in another thread, as everything that talks to the plant is.
 */
export async function openTty(settings: LineSettings): Promise<TtyPort> {
  // Without O_NONBLOCK opening waits for a carrier that a three-wire line never has.
  const file = await open(settings.path, constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK)
  try {
    if (!isatty(file.fd)) throw new Error('it is no serial port')
    const libc = await loadLibc()
    lock(libc, file.fd)
    setLine(libc, file.fd, settings)
    const stream = new ReadStream(file.fd)
    try {
      lock(libc, file.fd) // again: the stream has opened the port once more, and put that in the place of ours
      libc.call('ioctl', file.fd, setExclusive, null)
      return portOver(file, { stream, libc })
    } catch (error) {
      stream.destroy()
      throw error
    }
  } catch (error) {
    await file.close()
    throw error
  }
}

interface Libc {
  call(name: keyof typeof prototypes, ...values: readonly unknown[]): number
  callInBackground(name: keyof typeof prototypes, ...values: readonly unknown[]): Promise<number>
}

const prototypes = {
  tcgetattr: 'int tcgetattr(int file, void *termios)',
  tcsetattr: 'int tcsetattr(int file, int when, void *termios)',
  cfmakeraw: 'void cfmakeraw(void *termios)',
  cfsetspeed: 'int cfsetspeed(void *termios, uint32_t speed)',
  tcflush: 'int tcflush(int file, int queue)',
  tcdrain: 'int tcdrain(int file)',
  flock: 'int flock(int file, int operation)',
  ioctl: 'int ioctl(int file, unsigned long request, void *value)',
}

type NativeFunction = KoffiFunc<(...values: readonly unknown[]) => unknown>

let loaded: Promise<Libc> | undefined

/** Loaded with the first serial port: a site without one does without it. */
function loadLibc(): Promise<Libc> {
  loaded ??= import('koffi').then(({ load }) => {
    const library = load(null) // the C library that this process already runs on, whichever it is
    const functions = new Map<string, NativeFunction>(Object.entries(prototypes).map(([name, text]) => [name, library.func(text)]))
    const found = (name: string): NativeFunction => {
      const known = functions.get(name)
      if (known === undefined) throw new Error(`libc has no ${name}`)
      return known
    }
    return {
      call: (name, ...values) => Number(found(name)(...values)),
      callInBackground: (name, ...values) =>
        new Promise((resolve, reject) =>
          found(name).async(...values, (error: Error | null, result: unknown) =>
            error === null ? resolve(Number(result)) : reject(error),
          ),
        ),
    }
  })
  return loaded
}

function setLine(libc: Libc, file: number, { baud, parity, stopBits }: LineSettings): void {
  const termios = Buffer.alloc(termiosBytes)
  if (libc.call('tcgetattr', file, termios) !== 0) throw new Error('its settings cannot be read')
  libc.call('cfmakeraw', termios)
  if (libc.call('cfsetspeed', termios, baud) !== 0) throw new Error(`there is no rate of ${baud} baud`)
  const { size8, twoStopBits, receive, parity: hasParity, oddParity, local, rtsCts } = flags
  const cleared = BigInt(termios.readUInt32LE(controlFlagsAt)) & ~BigInt(twoStopBits + hasParity + oddParity + rtsCts)
  const wanted = [
    size8,
    receive,
    local, // three wires: no modem to wait for
    ...(stopBits === 2 ? [twoStopBits] : []),
    ...(parity === 'none' ? [] : [hasParity]),
    ...(parity === 'odd' ? [oddParity] : []),
  ]
  termios.writeUInt32LE(Number(wanted.reduce((all, flag) => all | BigInt(flag), cleared)), controlFlagsAt)
  if (libc.call('tcsetattr', file, applyNow, termios) !== 0) throw new Error('it cannot be set so')
}

function lock(libc: Libc, file: number): void {
  if (libc.call('flock', file, exclusiveAtOnce) !== 0) throw new Error('another program has locked it')
}

function portOver(file: FileHandle, { stream, libc }: { readonly stream: ReadStream; readonly libc: Libc }): TtyPort {
  const closed = new Promise<void>((resolve) => stream.once('close', () => resolve()))
  return {
    listen: ({ bytes, ended }) => {
      stream.on('error', ended)
      stream.on('end', () => ended())
      stream.on('close', () => ended())
      stream.on('data', bytes)
    },
    flush: () => void libc.call('tcflush', file.fd, inputQueue),
    write: async (frame) => {
      for (let at = 0; at < frame.length; ) at += (await file.write(frame, at)).bytesWritten
    },
    drain: async () => void (await libc.callInBackground('tcdrain', file.fd)),
    setRts: (level) => {
      const pins = Buffer.alloc(4)
      pins.writeUInt32LE(pinRts)
      const isSet = libc.call('ioctl', file.fd, level === 'high' ? raisePins : lowerPins, pins) === 0
      if (!isSet) throw new Error('its RTS cannot be set')
    },
    close: async () => {
      stream.destroy()
      await closed
      await file.close()
    },
  }
}
