/**
 * Crashes one thread of a Node process from outside, through its inspector: `crash-thread-process.ts PORT NAME`. The process has been sent SIGUSR1.
 * Ends with 0 when the thread has been told.
 */
import { setTimeout as sleep } from 'node:timers/promises'

const [, , port = '', name = ''] = process.argv
const lookForMs = 5_000
const fatal = "setImmediate(() => { throw new Error('chaos: this thread was told to crash') })"

async function debuggerUrl(): Promise<string> {
  const endMs = performance.now() + lookForMs
  for (;;) {
    try {
      const [target] = (await (await fetch(`http://127.0.0.1:${port}/json/list`)).json()) as readonly {
        readonly webSocketDebuggerUrl: string
      }[]
      if (target !== undefined) return target.webSocketDebuggerUrl
    } catch (error) {
      if (performance.now() > endMs) throw error
    }
    await sleep(20)
  }
}

interface Told {
  readonly id?: number
  readonly method?: string
  readonly params?: { readonly sessionId: string; readonly workerInfo?: { readonly title: string }; readonly message?: string }
}

const socket = new WebSocket(await debuggerUrl())
const end = setTimeout(() => process.exit(1), lookForMs)
socket.addEventListener('open', () =>
  socket.send(JSON.stringify({ id: 1, method: 'NodeWorker.enable', params: { waitForDebuggerOnStart: false } })),
)
socket.addEventListener('message', ({ data }) => {
  const { method, params } = JSON.parse(String(data)) as Told
  if (method === 'NodeWorker.attachedToWorker' && params?.workerInfo?.title.includes(name) === true) {
    const message = JSON.stringify({ id: 1, method: 'Runtime.evaluate', params: { expression: fatal, includeCommandLineAPI: true } })
    socket.send(JSON.stringify({ id: 2, method: 'NodeWorker.sendMessageToWorker', params: { sessionId: params.sessionId, message } }))
  }
  if (method === 'NodeWorker.receivedMessageFromWorker') {
    clearTimeout(end)
    process.exit(0)
  }
})
socket.addEventListener('error', () => process.exit(1))
