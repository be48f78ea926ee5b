import { parentPort, workerData } from 'node:worker_threads'
import type { NodeUpdate, NodeValue } from './node-store.ts'
import type { PlcMessage, PlcStart } from './plc.ts'

globalThis.console = new console.Console(process.stderr) // the library chats; standard output is the plant's

const start = workerData as PlcStart
const values = new Map<string, NodeValue>(start.update.values)
let { status } = start.update

function say(message: PlcMessage): void {
  parentPort?.postMessage(message)
}

async function main(): Promise<void> {
  const { startOpcuaServer } = await import('./opcua-server.ts')
  const server = await startOpcuaServer({
    ...start,
    status: () => status,
    read: (name) => values.get(name) ?? { value: 0, timeMs: Date.now() },
    write: (name, value) => {
      values.set(name, { value, timeMs: Date.now() }) // a read that follows at once must see it
      say({ name, value })
    },
  })
  say({ port: server.port })
  parentPort?.on('message', async (message: NodeUpdate | 'settle' | 'stop') => {
    if (message === 'settle') return say('settled')
    if (message === 'stop') {
      await server[Symbol.asyncDispose]()
      process.exit(0) // ends this thread alone
    }
    for (const [name, value] of message.values) values.set(name, value)
    status = message.status
  })
}

main().catch((error: unknown) => {
  say({ failed: String(error) })
  process.exit(1)
})
