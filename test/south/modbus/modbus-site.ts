import { systemClock } from '../../../src/base/clock.ts'
import { asTagId, type Reading, type Tag, type TagValue, type WriteRules } from '../../../src/model/tag.ts'
import type { ConnectContext, Connection, WriteOutcome } from '../../../src/south/driver.ts'
import type { ModbusAddress } from '../../../src/south/modbus/address.ts'
import { modbusTcp } from '../../../src/south/modbus/config.ts'
import { modbusTcpDriver } from '../../../src/south/modbus/driver.ts'
import type { ModbusConfig } from '../../../src/south/modbus/settings.ts'
import { type KeptLog, keptLog } from '../../support/quiet-log.ts'

/** `hr:100 f32`, `co:0`, `hr:40 u16 CDAB`. */
export function address(text: string): ModbusAddress {
  const [at, type, order] = text.split(' ')
  return modbusTcp.address.parse({ at, ...(type === undefined ? {} : { type }), ...(order === undefined ? {} : { order }) })
}

export function config(port: number, modbus: Readonly<Record<string, unknown>> = {}): ModbusConfig {
  return modbusTcp.config.parse({ connection: { host: '127.0.0.1', port, timeout: '150ms' }, modbus })
}

const rules: WriteRules = { confirmMs: 0, tolerance: 0, role: 'operator', ratePerSecondMax: 10 }

/** A tag a text, in order; `!` behind it makes the tag writable, `@fast` puts it into that scan class. */
export function tagsOf(...texts: readonly string[]): readonly Tag<ModbusAddress>[] {
  return texts.map((text, place) => {
    const [plain = '', scan = 'normal'] = text.replace('!', '').split('@')
    const path = `tag-${place}`
    return {
      id: asTagId(`press/${path}`),
      device: 'press',
      path,
      scan,
      address: address(plain),
      ...(text.includes('!') ? { write: rules } : {}),
    }
  })
}

export interface Connected extends AsyncDisposable {
  readonly connection: Connection
  readonly log: KeptLog
  poll(scan?: string): Promise<{ readonly readings: readonly Reading[]; readonly silent?: readonly number[]; readonly code?: string }>
  /** By tag; 'bad' where it has no value. */
  values(): Promise<Readonly<Record<number, TagValue>>>
  write(tag: number, value: TagValue): Promise<WriteOutcome>
}

export async function connectTo(
  settings: ModbusConfig,
  texts: readonly string[],
  context: Partial<ConnectContext> = {},
): Promise<Connected> {
  const log = keptLog()
  const signal = AbortSignal.timeout(10_000)
  const connection = await modbusTcpDriver.connect(settings, tagsOf(...texts), {
    signal,
    clock: systemClock,
    log,
    stateFolder: '',
    ...context,
  })
  const { source } = connection
  if (source.kind !== 'polled') throw new Error('Modbus is polled')
  const poll: Connected['poll'] = async (scan = 'normal') => {
    const { readings, silence } = await source.poll(scan, signal)
    return { readings, ...(silence === undefined ? {} : { silent: silence.tags, code: silence.fault.code }) }
  }
  return {
    connection,
    log,
    poll,
    values: async () => valuesOf((await poll()).readings),
    write: async (tag, value) => {
      const [outcome] = await connection.write([{ tag, value }], signal)
      if (outcome === undefined) throw new Error('a write has an outcome')
      return outcome
    },
    [Symbol.asyncDispose]: () => connection[Symbol.asyncDispose](),
  }
}

export function valuesOf(readings: readonly Reading[]): Readonly<Record<number, TagValue>> {
  return Object.fromEntries(readings.map(({ tag, value, quality }) => [tag, quality === 'good' && value !== null ? value : 'bad']))
}
