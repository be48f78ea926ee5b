import { connectAsync, type MqttClient } from 'mqtt'
import { listenTo, type Message } from '../line/listener.ts'
import type { Gateway } from '../south/gateway.ts'

/** Who publishes to a gateway and who hears what it publishes. */
export interface Conversation extends AsyncDisposable {
  readonly client: MqttClient
  /** Every message since the last call. */
  heard(): readonly Message[]
  readonly count: number
}

export async function converse({ mqttPort }: Pick<Gateway, 'mqttPort'>, filter: string): Promise<Conversation> {
  const listener = await listenTo(mqttPort, filter, AbortSignal.timeout(10_000))
  const client = await connectAsync(`mqtt://127.0.0.1:${mqttPort}`)
  const messages: Message[] = []
  listener.onMessage((message) => messages.push(message))
  return {
    client,
    heard: () => messages.splice(0),
    get count() {
      return messages.length
    },
    [Symbol.asyncDispose]: async () => {
      await client.endAsync(true)
      await listener[Symbol.asyncDispose]()
    },
  }
}
