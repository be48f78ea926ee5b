import type { Program } from './process.ts'

/** What an engine is to poll and publish: registers 0…99 of each device as tags t000…t099, every 100 ms. */
export interface Work {
  readonly devicePorts: readonly number[]
  readonly tagsPerDevice: number
  readonly pollMs: number
  /** An empty folder of its own. */
  readonly folder: string
}

/** Something that carries Modbus values to MQTT. */
export interface Engine {
  readonly name: string
  start(work: Work): Promise<RunningEngine>
}

/** Disposing stops it in good order. */
export interface RunningEngine extends AsyncDisposable {
  readonly program: Program
  readonly mqttPort: number
  /** Each value's topic ends in `dNN/tNNN`; below this filter there is nothing else. */
  readonly filter: string
}

export function deviceName(index: number): string {
  return `d${String(index).padStart(2, '0')}`
}

export function tagName(index: number): string {
  return `t${String(index).padStart(3, '0')}`
}

const topicEnd = /\/d(\d+)\/t(\d+)$/

export function placeOf(topic: string): { readonly device: number; readonly register: number } | undefined {
  const [, device, register] = topicEnd.exec(topic) ?? []
  return device === undefined || register === undefined ? undefined : { device: Number(device), register: Number(register) }
}
