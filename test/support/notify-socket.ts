import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { vi } from 'vitest'

export interface NotifySocket extends AsyncDisposable {
  readonly messages: readonly string[]
}

/** A real datagram socket in another process, as systemd's; Node cannot open one. */
export async function startNotifySocket(name: string): Promise<NotifySocket> {
  const process = spawn('/usr/bin/python3', [join(import.meta.dirname, 'notify-socket.py'), name], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise((resolve) => process.once('exit', resolve))
  const messages: string[] = []
  createInterface({ input: process.stdout }).on('line', (line) => messages.push(JSON.parse(line) as string))
  await vi.waitFor(() => {
    if (messages[0] !== 'bound') throw new Error('the notify socket is not bound yet')
  }, 5_000)
  messages.shift()
  return {
    messages,
    [Symbol.asyncDispose]: async () => {
      process.kill('SIGKILL')
      await ended
    },
  }
}
