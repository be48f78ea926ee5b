import { endianness } from 'node:os'
import { Fault } from '../base/fault.ts'

/** What systemd hears from us (sd_notify(3)). Each answers whether the message left; one that did not is no reason to fail. */
export interface Notify {
  ready(): boolean
  watchdog(): boolean
  stopping(): boolean
  /** One line for `systemctl status`. */
  status(text: string): boolean
  /** Within this systemd must hear `watchdog`, or it restarts us; absent where the unit asks for none. */
  readonly watchdogMs?: number
}

const familyUnix = 1
const socketDatagram = 2
const closeOnExec = 0o2000000
/** Never wait for systemd (the caller's loop feeds the plant), and no SIGPIPE. */
const sendFlags = 0x40 | 0x4000
const pathBytesMax = 108
const statusCharactersMax = 200

/** Undefined where nobody listens. Only where somebody does is the foreign function library loaded: Node itself has no datagrams over AF_UNIX. */
export async function openNotify(environment: NodeJS.ProcessEnv): Promise<Notify | undefined> {
  const socket = environment['NOTIFY_SOCKET']
  if (socket === undefined || socket === '') return undefined
  const send = await openDatagrams(unixAddress(socket))
  const watchdogMs = watchdogPeriodMs(environment, process.pid)
  return {
    ready: () => send('READY=1\n'),
    watchdog: () => send('WATCHDOG=1\n'),
    stopping: () => send('STOPPING=1\n'),
    status: (text) => send(`STATUS=${text.replaceAll(/\s+/g, ' ').slice(0, statusCharactersMax)}\n`), // a line break would begin another field
    ...(watchdogMs === undefined ? {} : { watchdogMs }),
  }
}

/** From WATCHDOG_USEC, unless WATCHDOG_PID says that it is meant for another process. */
export function watchdogPeriodMs(environment: NodeJS.ProcessEnv, pid: number): number | undefined {
  const pidMeant = environment['WATCHDOG_PID']
  if (pidMeant !== undefined && Number(pidMeant) !== pid) return undefined
  const periodMs = Number(environment['WATCHDOG_USEC']) / 1_000
  return Number.isFinite(periodMs) && periodMs > 0 ? periodMs : undefined
}

/** A `struct sockaddr_un`: a path, or a name in the abstract namespace (`@name`). */
export function unixAddress(socket: string): Uint8Array {
  const isAbstract = socket.startsWith('@')
  const path = Buffer.from(isAbstract ? `\0${socket.slice(1)}` : `${socket}\0`)
  if ((!isAbstract && !socket.startsWith('/')) || path.length > pathBytesMax) {
    throw new Fault(
      'notify.address',
      `NOTIFY_SOCKET is "${socket}", which is neither an absolute path nor an abstract name within ${pathBytesMax} bytes.`,
      {
        remedy: 'Unset NOTIFY_SOCKET, or start Lineside from a systemd unit of Type=notify.',
        isRetryable: false,
      },
    )
  }
  const family = Buffer.alloc(2)
  if (endianness() === 'LE') family.writeUInt16LE(familyUnix)
  else family.writeUInt16BE(familyUnix)
  return Buffer.concat([family, path])
}

async function openDatagrams(address: Uint8Array): Promise<(text: string) => boolean> {
  const { load } = await import('koffi')
  const libc = load(null) // the C library that this process already runs on, whichever it is
  const open: (family: number, type: number, protocol: number) => number = libc.func('int socket(int, int, int)')
  const sendTo: (file: number, text: string, size: number, flags: number, address: Uint8Array, addressSize: number) => number = libc.func(
    'long sendto(int, const char *, size_t, int, const uint8_t *, uint32_t)',
  )
  const file = open(familyUnix, socketDatagram | closeOnExec, 0)
  return (text) => {
    const size = Buffer.byteLength(text)
    return Number(sendTo(file, text, size, sendFlags, address, address.length)) === size
  }
}
