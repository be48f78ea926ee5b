import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export interface OpcuaClientProcess extends AsyncDisposable {
  ask<T = unknown>(op: string, request?: Readonly<Record<string, unknown>>): Promise<T>
}

/** An OPC UA client in another process; a refusal of the server rejects with its text. */
export function startOpcuaClient(): OpcuaClientProcess {
  const script = fileURLToPath(new URL('./opcua-client.ts', import.meta.url))
  const child = spawn(process.execPath, [script], { stdio: ['pipe', 'pipe', 'inherit'] })
  const waiting = new Map<number, { resolve(answer: never): void; reject(error: Error): void }>()
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (!line.startsWith('{')) return
    const { id, answer, error } = JSON.parse(line) as { id: number; answer?: unknown; error?: string }
    const asked = waiting.get(id)
    waiting.delete(id)
    if (error === undefined) asked?.resolve(answer as never)
    else asked?.reject(new Error(error))
  })
  let lastId = 0
  return {
    ask: (op, request = {}) => {
      lastId += 1
      const id = lastId
      child.stdin.write(`${JSON.stringify({ id, op, ...request })}\n`)
      return new Promise((resolve, reject) => waiting.set(id, { resolve, reject }))
    },
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return
      const exited = once(child, 'exit')
      child.kill('SIGKILL')
      await exited
    },
  }
}
