import type { Metric } from '../../base/metric.ts'
import type { Tag } from '../../model/tag.ts'
import type { ConnectContext, Connection, Driver } from '../driver.ts'
import type { ModbusAddress } from './address.ts'
import { lineKey, lineTerms } from './check-connection.ts'
import { overLine } from './connection.ts'
import { DeviceLine } from './device-line.ts'
import type { Line } from './line.ts'
import { type LeasedLine, LinePool, type LineRecord } from './line-pool.ts'
import { openLine } from './open-line.ts'
import { type RestingLine, startRestingLine } from './resting-line.ts'
import type { ModbusConfig } from './settings.ts'

/** A serial port is there once for the whole process, so its owner is too. */
const pool = new LinePool()

/** As long as device.ts gives a device to be connected to. */
const reopenTimeoutMs = 5_000

export const modbusTcpDriver = driverOf('modbus-tcp')
export const modbusRtuDriver = driverOf('modbus-rtu')
export const modbusRtuTcpDriver = driverOf('modbus-rtu-tcp')

function driverOf(name: string): Driver<ModbusConfig, ModbusAddress> {
  return {
    name,
    connect: async (config, tags, context) => {
      const { leased, resting } = await leaseLine(config, tags, context)
      const line = new DeviceLine({ line: leased, timeoutMs: config.timeoutMs, clock: context.clock })
      const connection = await overLine({ line, units: leased.units, config, tags, context }).catch(async (error: unknown) => {
        await leased[Symbol.asyncDispose]()
        throw error
      })
      return {
        ...(resting === undefined ? connection : restingAfterScan(connection, resting)),
        metrics: () => metricsOf(leased, { config, device: tags[0]?.device ?? '' }),
      }
    },
  }
}

/** Of a line that several devices share, one tells the numbers; a line of a device's own has its device's name, for there may be two to one place. */
function metricsOf(leased: LeasedLine, { config, device }: { readonly config: ModbusConfig; readonly device: string }): readonly Metric[] {
  if (lineKey(config) === undefined) return leased.counts.metrics({ line: leased.peer, device })
  return leased.isFirst ? leased.counts.metrics({ line: leased.peer }) : []
}

interface Leased {
  readonly leased: LeasedLine
  readonly resting?: RestingLine
}

async function leaseLine(config: ModbusConfig, tags: readonly Tag<ModbusAddress>[], context: ConnectContext): Promise<Leased> {
  const { clock, signal } = context
  // A line of its own is remembered by the device's name: two files may well name one host.
  const key = lineKey(config) ?? `${hostOf(config)} of ${tags[0]?.device ?? ''}`
  const wanted = { key, terms: lineTerms(config), clock, signal }
  if (!config.quirks.closesAfterScan) {
    return { leased: await pool.lease({ ...wanted, open: (record, limit) => openLine(config, record, { clock, signal: limit }) }) }
  }
  let resting: RestingLine | undefined
  const open = async (record: LineRecord, limit: AbortSignal): Promise<Line> => {
    resting = await startRestingLine(
      {
        peer: hostOf(config),
        inflightMax: config.inflightMax,
        clock,
        openTimeoutMs: reopenTimeoutMs,
        open: (until) => openLine(config, record, { clock, signal: until }),
      },
      limit,
    )
    return resting
  }
  const leased = await pool.lease({ ...wanted, open })
  return { leased, ...(resting === undefined ? {} : { resting }) }
}

function hostOf({ line }: ModbusConfig): string {
  return line.kind === 'serial' ? line.path : `${line.host}:${line.port}`
}

function restingAfterScan(connection: Connection, line: RestingLine): Connection {
  const { source } = connection
  if (source.kind !== 'polled') return connection
  const poll: typeof source.poll = async (scan, signal) => {
    try {
      return await source.poll(scan, signal)
    } finally {
      await line.rest()
    }
  }
  return { ...connection, source: { kind: 'polled', poll } }
}
