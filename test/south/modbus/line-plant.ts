import { systemChance } from '../../../src/base/chance.ts'
import { systemClock } from '../../../src/base/clock.ts'
import type { Reading } from '../../../src/model/tag.ts'
import { type Device, startDevice } from '../../../src/south/device.ts'
import type { Driver } from '../../../src/south/driver.ts'
import { modbusRtu, modbusRtuTcp, modbusTcp } from '../../../src/south/modbus/config.ts'
import { modbusTcpDriver } from '../../../src/south/modbus/driver.ts'
import type { ModbusConfig } from '../../../src/south/modbus/settings.ts'
import { keptLog } from '../../support/quiet-log.ts'
import { tagsOf } from './modbus-site.ts'

export function tcpConfig(port: number, connection: object = {}, modbus: object = {}): ModbusConfig {
  return modbusTcp.config.parse({ connection: { host: '127.0.0.1', port, timeout: '100ms', ...connection }, modbus })
}

export function rtuTcpConfig(port: number, connection: object = {}, modbus: object = {}): ModbusConfig {
  return modbusRtuTcp.config.parse({ connection: { host: '127.0.0.1', port, baud: 115_200, timeout: '100ms', ...connection }, modbus })
}

export function serialConfig(path: string, connection: object = {}, modbus: object = {}): ModbusConfig {
  return modbusRtu.config.parse({ connection: { port: path, baud: 19_200, parity: 'none', timeout: '100ms', ...connection }, modbus })
}

export interface Watched extends AsyncDisposable {
  readonly device: Device
  /** Values that were good, last one each. */
  readonly values: Map<number, unknown>
  readonly seen: { good: number; stale: number; heard: number }
  /** Good values that were other than these, by tag. */
  wrong(right: readonly unknown[]): readonly string[]
}

/** A device in the care of the device loop, as it is in the daemon. */
export function watch(name: string, config: ModbusConfig, texts: readonly string[], periodMs = 50): Watched {
  const seen = { good: 0, stale: 0, heard: 0 }
  const values = new Map<number, unknown>()
  const published = new Set<string>()
  const tags = tagsOf(...texts).map((tag) => ({ ...tag, device: name }))
  const device = startDevice({
    config: { device: name, driver: 'modbus', config, capabilities: [], scanMs: { normal: periodMs }, tags },
    driver: modbusTcpDriver as Driver<unknown, unknown>,
    listener: {
      readings: (readings: readonly Reading[]) => {
        for (const { tag, value, quality } of readings) {
          if (quality !== 'good') continue
          seen.good += 1
          values.set(tag, value)
          published.add(`${tag}: ${value}`)
        }
      },
      heard: (heard) => {
        seen.heard += heard.length
      },
      stale: (stale) => {
        seen.stale += stale.length
      },
      status: () => {},
    },
    stateFolder: '',
    clock: systemClock,
    chance: systemChance,
    log: keptLog(),
  })
  const wrong: Watched['wrong'] = (right) => [...published].filter((text) => !right.some((value, tag) => text === `${tag}: ${value}`))
  return { device, values, seen, wrong, [Symbol.asyncDispose]: () => device[Symbol.asyncDispose]() }
}

/** Disposes of all, in order. */
export function allOf(parts: readonly AsyncDisposable[]): AsyncDisposable {
  return {
    [Symbol.asyncDispose]: async () => {
      for (const part of parts) await part[Symbol.asyncDispose]()
    },
  }
}
