import { Fault } from '../base/fault.ts'
import { isSoundFilter } from '../model/topic.ts'
import { type MqttPlace, openMqtt } from '../runtime/mqtt.ts'
import { socketPathOf } from '../site/socket-path.ts'
import { stateFolderOf } from '../site/state.ts'
import { passwordFrom } from './password.ts'
import { stopSignal } from './stop-signal.ts'
import type { Terminal } from './terminal.ts'

/** Which broker: that of a gateway on this machine by its private socket, or any by its address. */
export interface BrokerChoice {
  readonly site?: string
  readonly url?: string
  readonly user?: string
  /** The password is the first line of standard input. */
  readonly stdin?: boolean
  readonly ca?: string
}

export interface SubOptions extends BrokerChoice {
  readonly count?: number
  readonly json?: boolean
}

export interface PubOptions extends BrokerChoice {
  readonly retain?: boolean
}

/** `lineside mqtt sub`: writes what comes until it is stopped or has enough; 1 when the broker refuses a filter. */
export async function mqttSub(filters: readonly string[], options: SubOptions, terminal: Terminal): Promise<number> {
  const unsound = filters.find((filter) => !isSoundFilter(filter))
  if (unsound !== undefined) {
    throw new Fault('usage.topic', `"${unsound}" is no topic filter.`, {
      remedy: 'A + stands for one whole level, and a # for all that follow, as the last one: acme/+/status, acme/#.',
    })
  }
  const stop = terminal.stop ?? stopSignal()
  const { count = Number.POSITIVE_INFINITY } = options
  const enough = Promise.withResolvers<void>()
  let seen = 0
  await using client = await openMqtt(await placeOf(options, terminal), (message) => {
    if (seen >= count) return
    seen += 1
    const text = messageText(message.payload)
    if (options.json === true) {
      const { topic, payload, qos, isRetained } = message
      const body = text === undefined ? { base64: Buffer.from(payload).toString('base64') } : { payload: text }
      terminal.out(`${JSON.stringify({ topic, ...body, qos, retained: isRetained })}\n`)
    } else terminal.out(`${printable(message.topic)} ${printable(text ?? `(${message.payload.length} bytes)`)}\n`)
    if (seen >= count) enough.resolve()
  })
  const refused = await client.subscribe(filters)
  if (refused.length > 0) {
    throw new Fault('mqtt.not-subscribed', `The broker does not let this user read ${refused.join(', ')}.`, {
      remedy: 'Name topics that the user may read; `lineside user list` tells which.',
    })
  }
  const stopped = new Promise<void>((resolve) => stop.addEventListener('abort', () => resolve(), { once: true }))
  const fault = await Promise.race([enough.promise, stopped, client.ended])
  if (fault !== undefined && !stop.aborted) throw fault
  return 0
}

/** `lineside mqtt pub`: 0 when the broker has acknowledged it, which says nothing of whether it was passed on. */
export async function mqttPub(topic: string, payload: string, options: PubOptions & { readonly terminal: Terminal }): Promise<number> {
  if (topic === '' || /[+#\0]/.test(topic)) {
    throw new Fault('usage.topic', `"${topic}" is no topic to publish to.`, { remedy: 'A topic has no + and no #.' })
  }
  await using client = await openMqtt(await placeOf(options, options.terminal), () => {})
  await client.publish({ topic, payload, isRetained: options.retain === true })
  return 0
}

async function placeOf(options: BrokerChoice, terminal: Terminal): Promise<MqttPlace> {
  const { url, user, ca, stdin } = options
  if (url === undefined) {
    if (user === undefined) return { socketPath: socketPathOf(await stateFolderOf(options.site ?? '.', terminal.environment)) }
    throw new Fault('usage.url', 'On the gateway itself no user is needed.', { remedy: 'Leave --user out, or name the broker with --url.' })
  }
  const known = terminal.environment['LINESIDE_MQTT_PASSWORD']
  const password = user === undefined ? undefined : (known ?? (await passwordFrom(stdin === true ? 'stdin' : 'known', terminal)))
  return {
    url,
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { password }),
    ...(ca === undefined ? {} : { caFile: ca }),
  }
}

/** Undefined where it is no text. */
function messageText(payload: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(payload)
  } catch {
    return undefined
  }
}

/** Anybody may publish anything: nothing of it may steer the terminal. */
function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '�')
}
