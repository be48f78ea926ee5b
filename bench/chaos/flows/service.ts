import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A service that heeds idempotency keys: under each it does its work once. */
export class LedgerService implements AsyncDisposable {
  /** By order: the keys under which it was asked for. */
  readonly keys = new Map<number, Set<string>>()
  /** Asked for once more under a key that was known. */
  repeated = 0
  readonly #server: Server

  private constructor() {
    this.#server = createServer((request, response) => {
      let body = ''
      request.on('data', (chunk) => {
        body += String(chunk)
      })
      request.on('end', () => {
        this.#ask((JSON.parse(body) as { readonly number: number }).number, String(request.headers['idempotency-key']))
        response.writeHead(201).end('{}')
      })
    })
  }

  static async start(): Promise<LedgerService> {
    const service = new LedgerService()
    await new Promise<void>((resolve) => service.#server.listen(0, '127.0.0.1', resolve))
    return service
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #ask(order: number, key: string): void {
    const keys = this.keys.get(order) ?? new Set()
    if (keys.has(key)) this.repeated += 1
    keys.add(key)
    this.keys.set(order, keys)
  }
}
