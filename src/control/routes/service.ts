import { Fault } from '../../base/fault.ts'
import { revealSecret } from '../../base/secret.ts'
import { serviceAddress } from './service-address.ts'
import type { ServiceConfig } from './service-config.ts'

export interface ServiceCall {
  readonly service: ServiceConfig & { readonly name?: string }
  readonly url: string
  readonly path: string
  readonly method: string
  /** The same for each try: by it the service knows what it has done already. */
  readonly id: string
  readonly body: { readonly text: string; readonly type: string }
}

/** Of an answer that says no, for the reader of the fault. */
const reasonCharsMax = 300
const answerBytesMax = 64 * 1024
/** Answers that pass: asked for too early, too often, or at a bad moment. */
const passing = new Set([408, 409, 423, 425, 429])

/** One request; resolves when the service has said yes. Rejects with `service.unreachable`, `service.timeout` or `service.refused`. */
export async function callService(call: ServiceCall, signal: AbortSignal): Promise<void> {
  const { service, url, path, method, id, body } = call
  const limit = AbortSignal.timeout(service.timeoutMs)
  const address = serviceAddress(url, path)
  try {
    const response = await fetch(address, {
      method,
      headers: { 'content-type': body.type, 'idempotency-key': id, ...headersOf(service) },
      body: body.text,
      redirect: 'manual', // whom it names gets no headers of this service
      signal: AbortSignal.any([signal, limit]),
    })
    if (response.ok) await response.body?.cancel()
    else throw refused(address, response.status, await reasonIn(response))
  } catch (error) {
    if (error instanceof Fault) throw error
    if (limit.aborted) throw timedOut(address, service.timeoutMs)
    throw unreachable(address, error)
  }
}

/** The headers of each request to a service, its secrets among them. */
export function headersOf({ headers }: ServiceConfig): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase(), typeof value === 'string' ? value : revealSecret(value)]),
  )
}

async function reasonIn(response: Response): Promise<string> {
  let text = ''
  const decoder = new TextDecoder()
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length
    if (text.length < reasonCharsMax) text += decoder.decode(chunk, { stream: true })
    if (bytes > answerBytesMax) break
  }
  return text.replaceAll(/\s+/g, ' ').slice(0, reasonCharsMax)
}

function refused(address: string, status: number, reason: string): Fault {
  return new Fault('service.refused', `${address} answered ${status}${reason === '' ? '' : `: ${reason}`}.`, {
    remedy: remedyFor(status),
    isRetryable: status >= 500 || passing.has(status),
  })
}

function remedyFor(status: number): string {
  if (status === 401 || status === 403) return 'Look at `headers` of the service: it wants other credentials.'
  return movedRemedy(status) ?? 'Look at the log of the service.'
}

/** Of an answer that names another address. */
export function movedRemedy(status: number): string | undefined {
  return status >= 300 && status < 400 ? 'It is somewhere else: give the service the address that it names.' : undefined
}

function timedOut(address: string, timeoutMs: number): Fault {
  return new Fault('service.timeout', `${address} has not answered for ${timeoutMs} ms.`, {
    remedy: 'Look whether the service is overloaded, or give it more time with `timeout`.',
    isRetryable: true,
  })
}

function unreachable(address: string, error: unknown): Fault {
  const { cause, message } = error as { readonly cause?: { readonly code?: string; readonly message?: string }; readonly message?: string }
  return new Fault('service.unreachable', `${address} cannot be reached (${cause?.code ?? cause?.message ?? message}).`, {
    remedy: 'Look whether the service runs, and at the network between.',
    isRetryable: true,
    cause: error,
  })
}
