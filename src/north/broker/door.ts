import { once } from 'node:events'
import type { AddressInfo, Server } from 'node:net'
import type { Clock } from '../../base/clock.ts'
import { Fault } from '../../base/fault.ts'
import type { Log } from '../../base/log.ts'
import type { Running } from '../../base/running.ts'
import type { MqttConfig } from './config.ts'
import type { Doorway } from './doorway.ts'
import type { Incidents } from './incidents.ts'

export interface DoorOptions {
  readonly config: MqttConfig
  readonly doorway: Doorway
  readonly incidents: Incidents
  readonly clock: Clock
  readonly log: Log
}

/** A port that listens. Disposing closes it to newcomers. */
export interface OpenDoor extends Running {
  readonly port: number
}

/** Small packets leave at once; a peer whose cable was pulled is noticed by the kernel some time. */
export const socketOptions = { noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 } as const

interface Place {
  readonly host: string
  readonly port: number
  /** As in the site file. */
  readonly key: string
}

/** Ready when the port listens. Throws `mqtt.cannot-listen`. */
export async function listen(server: Server, { host, port, key }: Place): Promise<OpenDoor> {
  server.listen({ port, host })
  try {
    await once(server, 'listening')
  } catch (cause) {
    throw new Fault('mqtt.cannot-listen', `The MQTT broker cannot listen on ${host}:${port}.`, {
      remedy: `End what uses this port (\`ss -ltnp\` names it), or set another port or host under \`${key}\` in lineside.yaml.`,
      cause,
    })
  }
  const broken = Promise.withResolvers<never>()
  broken.promise.catch(() => {})
  server.on('error', broken.reject)
  return {
    port: (server.address() as AddressInfo).port,
    failure: broken.promise,
    [Symbol.asyncDispose]: async () => void server.close(), // those who are here may read to the end
  }
}
