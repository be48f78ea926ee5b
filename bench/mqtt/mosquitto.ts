import { mkdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { freePort } from '../line/free-port.ts'
import { type Program, startProgram } from '../line/process.ts'
import { until } from '../line/until.ts'

export interface Mosquitto extends AsyncDisposable {
  readonly port: number
  readonly program: Program
}

export interface MosquittoOptions {
  readonly folder: string
  readonly port?: number
}

/**
 * The peer, as Debian configures it: persistence on, which means in memory and written out each half hour and at the end. Beside that, what is
 * best for it in these rounds: no Nagle delay, and no limit to what a session may hold.
 */
export async function startMosquitto({ folder, port: wanted }: MosquittoOptions): Promise<Mosquitto> {
  const port = wanted ?? (await freePort())
  const home = join(folder, `mosquitto-${port}`)
  mkdirSync(home, { recursive: true })
  const config = [
    `listener ${port} 127.0.0.1`,
    'allow_anonymous true',
    'persistence true',
    `persistence_location ${home}/`,
    'set_tcp_nodelay true',
    'max_queued_messages 0',
    ...(process.getuid?.() === 0 ? ['user root'] : []),
  ]
  writeFileSync(join(home, 'mosquitto.conf'), `${config.join('\n')}\n`)
  const program = startProgram({ program: '/usr/sbin/mosquitto', args: ['-c', join(home, 'mosquitto.conf')] })
  const state = { isOpen: false }
  const knock = (): void => {
    const socket = connect(port, '127.0.0.1', () => {
      state.isOpen = true
      socket.destroy()
    }).on('error', () => {})
  }
  await until(() => knock() === undefined && state.isOpen, { what: 'mosquitto', timeoutMs: 10_000, program })
  return { port, program, [Symbol.asyncDispose]: () => program[Symbol.asyncDispose]() }
}
