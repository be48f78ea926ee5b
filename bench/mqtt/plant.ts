import type { ModbusServer } from '../south/modbus-server.ts'

export interface PlantPlan {
  /** Of the first device's name. */
  readonly prefix: string
  readonly tagsPerDevice: number
  readonly pollMs: number
}

/** A device a port, whose tags change as often as the server says. */
export function devicesAt(
  { ports }: Pick<ModbusServer, 'ports'>,
  { prefix, tagsPerDevice, pollMs }: PlantPlan,
): Readonly<Record<string, object>> {
  const tags = Object.fromEntries(
    Array.from({ length: tagsPerDevice }, (_, place) => [`t${place}`, { at: `hr:${place}`, type: 'u16', scan: 'fast' }]),
  )
  const device = (port: number): object => ({
    driver: 'modbus-tcp',
    connection: { host: '127.0.0.1', port },
    scan: { fast: `${pollMs}ms` },
    tags,
  })
  return Object.fromEntries(ports.map((port, place) => [`${prefix}${place}`, device(port)]))
}
