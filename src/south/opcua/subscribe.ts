import type { Fault } from '../../base/fault.ts'
import type { Log } from '../../base/log.ts'
import type { OpcuaConfig } from './config.ts'
import { errorText } from './faults.ts'
import type { Requests } from './requests.ts'
import type { ServerInfo } from './server-info.ts'
import { Subscription } from './subscription.ts'

export interface SubscribeContext {
  readonly life: {
    readonly url: string
    readonly requests: Requests
    readonly ended: AbortSignal
    hear(): void
    lose(fault: Fault): void
  }
  readonly info: ServerInfo
  readonly log: Log
}

/** Servers that know no subscriptions, or have none left for us. */
const cannotSubscribe = /BadServiceUnsupported|BadNotImplemented|BadNotSupported|BadTooManySubscriptions/

/** undefined where the device file asks for reading, or the server leaves nothing else. */
export async function subscribeOr(config: OpcuaConfig, { life, info, log }: SubscribeContext): Promise<Subscription | undefined> {
  const { mode, publishing } = config.opcua
  if (mode === 'poll') return undefined
  const publishingMs = Math.max(publishing, info.make?.publishingMsMin ?? 0)
  try {
    return await Subscription.create({
      requests: life.requests,
      url: life.url,
      publishingMs,
      onHeard: () => life.hear(),
      onLost: (fault) => life.lose(fault),
      ended: life.ended,
    })
  } catch (error) {
    if (mode === 'subscribe' || !cannotSubscribe.test(errorText(error))) throw error
    log.warn('The OPC UA server gives no subscription; its tags are read by their scan classes instead.', { why: errorText(error) })
    return undefined
  }
}
