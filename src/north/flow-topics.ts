import type { Clock } from '../base/clock.ts'
import type { Door } from '../base/door.ts'
import { Fault, type PlainFault, plainFault } from '../base/fault.ts'
import { errorFields, type Log } from '../base/log.ts'
import type { ControlCalls, LocalMessage } from '../control/contract.ts'
import type { Broker } from './broker/broker.ts'
import type { ReceivedMessage } from './broker/door-keeper.ts'

export interface FlowTopicsOptions {
  readonly broker: Pick<Broker, 'publish' | 'own'>
  readonly node: string
  readonly control: Pick<Door<ControlCalls>, 'call'>
  readonly clock: Clock
  readonly log: Log
}

/** Starts on their way to control at once; one more is refused. */
const underWayMax = 200
const payloadBytesMax = 64 * 1024
const startSuffix = '/start'

/** The topics by which people and programs begin flows: `lineside/NODE/flows/FLOW/start`, answered on `…/start/result`. */
export class FlowTopics implements Disposable {
  readonly #options: FlowTopicsOptions
  readonly #parts = new DisposableStack()
  #underWay = 0

  constructor(options: FlowTopicsOptions) {
    this.#options = options
    const { broker, node } = options
    this.#parts.use(broker.own(`lineside/${node}/flows/`, (message) => this.#receive(message)))
  }

  [Symbol.dispose](): void {
    this.#parts.dispose()
  }

  #receive(message: ReceivedMessage): 'passOn' | 'discard' {
    const { node } = this.#options
    const flow = message.topic.slice(`lineside/${node}/flows/`.length, -startSuffix.length)
    if (!message.topic.endsWith(startSuffix) || flow === '' || flow.includes('/')) return 'discard'
    void this.#start(flow, message)
    return 'passOn'
  }

  async #start(flow: string, { topic, payload, by }: ReceivedMessage): Promise<void> {
    const { control } = this.#options
    if (this.#underWay >= underWayMax) return await this.#tell(topic, refused(tooMany()))
    this.#underWay += 1
    try {
      const input = inputOf(payload)
      const { run, late } = await control.call('startFlow', { flow, input, by: { road: 'mqtt', ...by } })
      await this.#tell(topic, late === undefined ? { status: 'done', run } : { status: 'waiting', run, ...outside(late) })
    } catch (error) {
      await this.#tell(topic, refused(error))
    } finally {
      this.#underWay -= 1
    }
  }

  async #tell(topic: string, result: Readonly<Record<string, unknown>>): Promise<void> {
    const message: LocalMessage = { topic: `${topic}/result`, payload: JSON.stringify(result), qos: 1, isRetained: false }
    await this.#options.broker
      .publish([message])
      .catch((error: unknown) => this.#options.log.error('The result of a start was not published.', { topic, ...errorFields(error) }))
  }
}

function refused(error: unknown): Readonly<Record<string, unknown>> {
  return { status: 'refused', ...outside(plainFault(error)) }
}

function outside({ code, message, remedy }: PlainFault): Readonly<Record<string, unknown>> {
  return { code, message, remedy }
}

function textOf(payload: Uint8Array): string {
  return Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString('utf8')
}

/** Nothing is no input. */
function inputOf(payload: Uint8Array): unknown {
  if (payload.length > payloadBytesMax) throw malformed(`it has ${payload.length} bytes, and ${payloadBytesMax} are allowed`)
  const text = textOf(payload).trim()
  if (text === '') return {}
  try {
    return JSON.parse(text)
  } catch {
    throw malformed('it is no JSON')
  }
}

function malformed(why: string): Fault {
  return new Fault('mqtt.start-malformed', `The message cannot be read: ${why}.`, {
    remedy: 'Publish the input as {"name": value, …}, or nothing.',
  })
}

function tooMany(): Fault {
  return new Fault('mqtt.start-busy', `${underWayMax} starts are under way already.`, {
    remedy: 'Start flows less often.',
    isRetryable: true,
  })
}
