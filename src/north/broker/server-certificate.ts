import { readFile, stat } from 'node:fs/promises'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import type { Clock } from '../../base/clock.ts'
import { Fault } from '../../base/fault.ts'
import { errorFields, type Log } from '../../base/log.ts'
import { type Running, startLoop } from '../../base/running.ts'
import type { MqttTlsConfig } from './config.ts'

/** How soon a renewed certificate counts. */
const lookPauseMs = 5_000

/** The certificate of our own doors, renewed when its files are. */
export interface ServerCertificate extends Running {
  readonly options: SecureContextOptions
  /** Called with the new one after each renewal that is sound. */
  onRenewal(listener: (options: SecureContextOptions) => void): void
}

interface Loaded {
  readonly options: SecureContextOptions
  readonly stamp: string
}

/** Throws `mqtt.certificate` where it cannot be used; later, the one before goes on to count. */
export async function openServerCertificate(
  config: MqttTlsConfig,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): Promise<ServerCertificate> {
  let loaded = await load(config)
  let seen = loaded.stamp
  const listeners: ((options: SecureContextOptions) => void)[] = []
  const look = async (): Promise<void> => {
    const stamp = await stampOf(config).catch(() => seen) // between two renames there may be none
    if (stamp === seen) return
    seen = stamp
    try {
      loaded = await load(config)
      for (const listener of listeners) listener(loaded.options)
      log.info('The certificate of the MQTT broker was renewed.', { cert: config.cert })
    } catch (error) {
      log.error('The renewed certificate of the MQTT broker cannot be used; the one before goes on to count.', errorFields(error))
    }
  }
  const looking = startLoop(async (signal) => {
    while (!signal.aborted) {
      await clock.sleep(lookPauseMs, signal)
      await look()
    }
  })
  return {
    get options() {
      return loaded.options
    },
    failure: looking.failure,
    onRenewal: (listener) => void listeners.push(listener),
    [Symbol.asyncDispose]: () => looking[Symbol.asyncDispose](),
  }
}

async function load(config: MqttTlsConfig): Promise<Loaded> {
  try {
    const stamp = await stampOf(config)
    const [cert, key, ca] = await Promise.all([
      readFile(config.cert),
      readFile(config.key),
      config.ca === undefined ? undefined : readFile(config.ca),
    ])
    const options: SecureContextOptions = { cert, key, minVersion: 'TLSv1.2', ...(ca === undefined ? {} : { ca }) }
    createSecureContext(options) // throws where key and certificate are not each other's
    return { options, stamp }
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new Fault('mqtt.certificate', `The certificate of the MQTT broker cannot be used: ${why}.`, {
      remedy:
        'Look at `mqtt: { tls: { cert, key, ca } }` in lineside.yaml: PEM files, readable by the gateway, the key being that of the cert.',
      cause,
    })
  }
}

async function stampOf({ cert, key, ca }: MqttTlsConfig): Promise<string> {
  const stats = await Promise.all([cert, key, ...(ca === undefined ? [] : [ca])].map((path) => stat(path)))
  return stats.map(({ ino, mtimeMs, size }) => `${ino} ${mtimeMs} ${size}`).join(', ')
}
