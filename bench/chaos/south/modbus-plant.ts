import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { LiarOptions } from './modbus-liar.ts'
import { Liar, type Talk } from './modbus-liar.ts'

/** The far side of a line: a server from raw bytes, over TCP or behind a serial line. */
export interface Plant extends AsyncDisposable {
  readonly liar: Liar
  /** As a device file names it. */
  readonly connection: Readonly<Record<string, unknown>>
  /** Takes no connection any more, and drops those it has, until it is told otherwise. */
  setOpen(isOpen: boolean): Promise<void>
  /** Drops the connections whose stream went out of step: a sound server has no such. */
  startAnew(): void
}

const serialReadyMs = 5_000
const serialProgram = 'socat'

export async function startPlant(options: LiarOptions, { isSerial }: { readonly isSerial: boolean }): Promise<Plant> {
  const liar = new Liar(options)
  const talks = new Set<Talk>()
  const state = { isOpen: true }
  const server = createServer({ noDelay: true }, (socket) => {
    const talk: Talk = { socket, answered: [], held: [], isCut: false, isMute: false }
    socket.on('error', () => {})
    if (!state.isOpen) return void socket.resetAndDestroy()
    talks.add(talk)
    socket.on('close', () => talks.delete(talk))
    let held = Buffer.alloc(0)
    socket.on('data', (chunk) => {
      const { requests, rest } = options.wire.take(Buffer.concat([held, chunk]))
      held = Buffer.from(rest)
      for (const request of requests) liar.answer(request, talk)
    })
  })
  const port = await listen(server, 0)
  const serial = isSerial ? await serialLine(port) : undefined
  const dropAll = (): void => {
    for (const { socket } of talks) socket.resetAndDestroy()
  }
  return {
    liar,
    connection: serial === undefined ? { host: '127.0.0.1', port } : { port: serial.path, baud: 115_200, parity: 'none' },
    setOpen: async (isOpen) => {
      state.isOpen = isOpen
      if (!isOpen) dropAll()
    },
    startAnew: () => {
      for (const talk of talks) {
        talk.isMute &&= !isSerial
        if (!isSerial && (talk.isCut || talk.isMute)) talk.socket.resetAndDestroy()
      }
    },
    [Symbol.asyncDispose]: async () => {
      await serial?.[Symbol.asyncDispose]()
      dropAll()
      server.close()
      await once(server, 'close')
    },
  }
}

async function listen(server: Server, port: number): Promise<number> {
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

/** A pseudo terminal whose far end is the server: what is a serial line to the driver is a stream to us. */
async function serialLine(port: number): Promise<AsyncDisposable & { readonly path: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'lineside-chaos-'))
  const path = join(folder, 'line')
  const socat: ChildProcess = spawn(serialProgram, [`pty,link=${path},raw,echo=0`, `tcp:127.0.0.1:${port},nodelay`], { stdio: 'ignore' })
  const stop = async (): Promise<void> => {
    if (socat.exitCode === null && socat.signalCode === null) {
      const ended = once(socat, 'exit')
      socat.kill('SIGKILL')
      await ended
    }
    rmSync(folder, { recursive: true, force: true })
  }
  for (const endMs = performance.now() + serialReadyMs; !existsSync(path); await sleep(5)) {
    if (performance.now() < endMs) continue
    await stop()
    throw new Error('socat makes no serial line: run `bash scripts/system-packages.sh`')
  }
  return { path, [Symbol.asyncDispose]: stop }
}
