import type { Clock } from '../../../base/clock.ts'
import { dataTypes } from '../../../model/sparkplug/data-type.ts'
import { encodePayload } from '../../../model/sparkplug/encode.ts'
import type { SparkplugMetric } from '../../../model/sparkplug/payload.ts'
import { type DeviceMessage, deviceTopic, type EdgeNodeName, type NodeMessage, nodeTopic } from '../../../model/sparkplug/topic.ts'

export interface PublisherOptions {
  readonly edge: EdgeNodeName
  readonly bdSeq: number
  /** At QoS 0, not retained. */
  readonly publish: (topic: string, payload: Uint8Array) => void
  readonly clock: Clock
}

export const rebirthName = 'Node Control/Rebirth'

/** Metrics in one message of DATA. */
const metricsMax = 500

/** The one sequence of an edge node and all its devices. */
export class Publisher {
  readonly #options: PublisherOptions
  #seq = 0

  constructor(options: PublisherOptions) {
    this.#options = options
  }

  /** Begins the sequence anew; the births of the devices must follow before any data. */
  nodeBirth(definitions: (timestampMs: number) => readonly SparkplugMetric[]): void {
    const { bdSeq, clock } = this.#options
    const timestampMs = clock.now()
    this.#seq = 0
    const rebirth = { name: rebirthName, timestampMs, type: dataTypes.Boolean, value: { form: 'boolean', value: false } } as const
    this.#node('NBIRTH', [{ ...bdSeqMetric(bdSeq), timestampMs }, rebirth, ...definitions(timestampMs)])
  }

  deviceBirth(device: string, metrics: readonly SparkplugMetric[]): void {
    this.#device('DBIRTH', device, metrics)
  }

  deviceData(device: string, metrics: readonly SparkplugMetric[]): void {
    for (let at = 0; at < metrics.length; at += metricsMax) this.#device('DDATA', device, metrics.slice(at, at + metricsMax))
  }

  deviceDeath(device: string): void {
    this.#device('DDEATH', device, [])
  }

  #node(type: NodeMessage, metrics: readonly SparkplugMetric[]): void {
    this.#options.publish(nodeTopic(type, this.#options.edge), this.#payload(metrics))
  }

  #device(type: DeviceMessage, device: string, metrics: readonly SparkplugMetric[]): void {
    this.#options.publish(deviceTopic(type, this.#options.edge, device), this.#payload(metrics))
  }

  #payload(metrics: readonly SparkplugMetric[]): Uint8Array {
    const seq = this.#seq
    this.#seq = (seq + 1) % 256
    return encodePayload({ timestampMs: this.#options.clock.now(), metrics, seq })
  }
}

/** The death certificate: what ties it to its birth, and nothing else. */
export function nodeDeath(bdSeq: number): Uint8Array {
  return encodePayload({ metrics: [bdSeqMetric(bdSeq)] })
}

function bdSeqMetric(bdSeq: number): SparkplugMetric {
  return { name: 'bdSeq', type: dataTypes.Int64, value: { form: 'long', value: bdSeq } }
}
