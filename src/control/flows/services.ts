import { Fault } from '../../base/fault.ts'
import { headersOf } from '../routes/service.ts'
import { serviceAddress } from '../routes/service-address.ts'
import type { ServiceConfig } from '../routes/service-config.ts'
import { textCharsMax } from './frozen.ts'
import type { ServiceAnswer, ServiceRequest } from './step-ports.ts'

/** Asks an HTTP service of the site: its instances one after the other, where one cannot be reached. */
export async function askService(
  services: Readonly<Record<string, ServiceConfig>>,
  ask: ServiceRequest,
  stop: AbortSignal,
): Promise<ServiceAnswer> {
  const service = services[ask.service]
  if (service === undefined) {
    throw new Fault('flow.no-service', `There is no service ${ask.service} here.`, {
      remedy: 'Name it under `services:` in lineside.yaml.',
    })
  }
  let last: unknown
  for (const address of service.urls.map((url) => serviceAddress(url, ask.path))) {
    try {
      return await askInstance(address, { service, ask, stop })
    } catch (error) {
      last = error
      if (stop.aborted) break
    }
  }
  throw unreachable(ask.service, last)
}

interface Asking {
  readonly service: ServiceConfig
  readonly ask: ServiceRequest
  readonly stop: AbortSignal
}

async function askInstance(address: string, { service, ask, stop }: Asking): Promise<ServiceAnswer> {
  const { method, headers, body } = ask
  const type = body === undefined ? {} : { 'content-type': /^\s*[[{]/.test(body) ? 'application/json' : 'text/plain; charset=utf-8' }
  const response = await fetch(address, {
    method,
    headers: { ...type, ...headersOf(service), ...headers },
    ...(body === undefined ? {} : { body }),
    redirect: 'manual', // whom it names gets no headers of this service
    signal: AbortSignal.any([stop, AbortSignal.timeout(service.timeoutMs)]),
  })
  return { status: response.status, body: parsed(await textOf(response)) }
}

/** Of one that is longer than can be kept, a little more than that: whoever keeps it says so. */
async function textOf(response: Response): Promise<string> {
  let text = ''
  const decoder = new TextDecoder()
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk as Uint8Array, { stream: true })
    if (text.length > textCharsMax) break
  }
  return text
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

function unreachable(service: string, error: unknown): Fault {
  const { cause, message } = error as { readonly cause?: { readonly code?: string; readonly message?: string }; readonly message?: string }
  return new Fault('service.unreachable', `The service ${service} does not answer (${cause?.code ?? cause?.message ?? message}).`, {
    remedy: 'Look whether it runs, and at the network between.',
    isRetryable: true,
    cause: error,
  })
}
