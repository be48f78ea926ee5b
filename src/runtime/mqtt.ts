import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { systemClock } from '../base/clock.ts'
import { Fault } from '../base/fault.ts'
import { connectPlainClient, type PlainClient, type PlainMessage } from '../north/broker/plain-client.ts'

/** Where to look: the private socket of a gateway on this machine, or any broker. */
export type MqttPlace =
  | { readonly socketPath: string }
  | { readonly url: string; readonly user?: string; readonly password?: string; readonly caFile?: string }

const connectMs = 10_000

/** Connects once. Throws `mqtt.refused`, `daemon.unreachable` or `usage.url`. */
export async function openMqtt(place: MqttPlace, onMessage: (message: PlainMessage) => void): Promise<PlainClient> {
  const clientId = `lineside-cli-${randomUUID()}` // the same one twice would push the first out
  const common = { clientId, onMessage, clock: systemClock }
  if ('socketPath' in place) return await connectPlainClient({ ...common, stream: await upgraded(place.socketPath) })
  const { user, password } = place
  const credentials = { ...(user === undefined ? {} : { user }), ...(password === undefined ? {} : { password }) }
  return await connectPlainClient({ ...common, ...credentials, stream: await dialled(place) })
}

/** The private socket speaks HTTP until it is asked for something else. */
async function upgraded(socketPath: string): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>()
  const asking = request({
    socketPath,
    host: 'localhost',
    path: '/mqtt',
    headers: { connection: 'Upgrade', upgrade: 'mqtt' },
    timeout: connectMs,
  })
  asking.on('upgrade', (_response, socket, head) => {
    if (head.length > 0) socket.unshift(head)
    resolve(socket)
  })
  asking.on('response', (response) => reject(new Error(`it answered ${response.statusCode}`)))
  asking.on('timeout', () => asking.destroy(new Error('it does not answer')))
  asking.on('error', reject)
  asking.end()
  try {
    return await promise
  } catch (error) {
    throw unreachable(`the gateway at ${socketPath}`, error)
  }
}

async function dialled({ url, caFile }: Exclude<MqttPlace, { readonly socketPath: string }>): Promise<Socket> {
  const parsed = URL.parse(url)
  if (parsed === null || !/^mqtts?:$/.test(parsed.protocol)) {
    throw new Fault('usage.url', `${url.slice(0, 200)} is no address of a broker.`, {
      remedy: 'Write mqtt://HOST:1883 or mqtts://HOST:8883.',
    })
  }
  const isEncrypted = parsed.protocol === 'mqtts:'
  const host = parsed.hostname.replace(/^\[|\]$/g, '')
  const port = parsed.port === '' ? (isEncrypted ? 8883 : 1883) : Number(parsed.port)
  const ca = caFile === undefined ? {} : { ca: await authorityIn(caFile) }
  const socket = isEncrypted ? (await import('node:tls')).connect({ host, port, servername: host, ...ca }) : connect({ host, port })
  using _timer = systemClock.after(connectMs, () => socket.destroy(new Error('it does not answer')))
  try {
    await once(socket, isEncrypted ? 'secureConnect' : 'connect')
    return socket
  } catch (error) {
    throw unreachable(`the broker at ${parsed.host}`, error)
  }
}

async function authorityIn(file: string): Promise<Buffer> {
  try {
    return await readFile(file)
  } catch (cause) {
    throw new Fault('usage.ca', `The file ${file} cannot be read.`, {
      remedy: 'Name the PEM file of who signed the certificate of that broker.',
      cause,
    })
  }
}

/** What OpenSSL calls a certificate that it does not believe. */
const doubted = /CERT|ISSUER|SIGNATURE|ALTNAME/

function unreachable(name: string, cause: unknown): Fault {
  const why = cause instanceof Error ? ('code' in cause ? String(cause.code) : cause.message) : String(cause)
  return new Fault('daemon.unreachable', `Cannot reach ${name} (${why}).`, {
    remedy: doubted.test(why)
      ? 'Name the PEM file of who signed its certificate with --ca, and in --url the host as the certificate does.'
      : 'Start the gateway with `lineside run`, name the folder of its site with --site, or a broker with --url mqtt://HOST:1883.',
    isRetryable: true,
    cause,
  })
}
