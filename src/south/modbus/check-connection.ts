import type { Tag } from '../../model/tag.ts'
import type { LineMember, LineProblem, Peer, Problem } from '../driver.ts'
import { locate, type ModbusAddress } from './address.ts'
import type { LineSettings, ModbusConfig } from './settings.ts'

/** The same for devices that share a line; undefined for one that has its own. */
export function lineKey({ line, quirks }: Pick<ModbusConfig, 'line' | 'quirks'>): string | undefined {
  if (line.kind === 'serial') return line.path
  return line.isShared && !quirks.closesAfterScan ? `${line.host.toLowerCase()}:${line.port}` : undefined
}

/** Whom it talks to over the network, and how. */
export function peerOf({ line }: Pick<ModbusConfig, 'line'>): Peer | undefined {
  if (line.kind === 'serial') return undefined
  const tcp = line.kind === 'tcp' && line.tls !== undefined ? 'Modbus TCP over TLS' : 'Modbus TCP'
  return { place: `${line.host.toLowerCase()}:${line.port}`, speaks: line.kind === 'tcp' ? tcp : 'Modbus RTU over TCP' }
}

/** What must be the same in all files of one line, by its place in the file. */
function termsOf({ line, quirks, inflightMax }: ModbusConfig): readonly (readonly [path: readonly string[], value: unknown])[] {
  return [
    ...Object.entries(connectionTerms(line)).map(([key, value]) => [['connection', key], value] as const),
    [['modbus', 'inflight'], inflightMax],
    [['modbus', 'quirks', 'pause'], `${quirks.pauseMs}ms`],
    [['modbus', 'quirks', 'pauseAfterConnect'], `${quirks.connectPauseMs}ms`],
  ]
}

/** How a line is set, as one text: the same for those that can share it. */
export function lineTerms(config: ModbusConfig): string {
  return JSON.stringify(termsOf(config).map(([, value]) => value))
}

function connectionTerms(line: LineSettings): Readonly<Record<string, unknown>> {
  if (line.kind === 'tcp') return { tls: line.tls === undefined ? 'not there' : JSON.stringify(line.tls) }
  const { baud, characterBits, broadcastPauseMs } = line
  if (line.kind === 'rtu-tcp') return { baud, parity: `${characterBits} bits a character`, broadcastPause: `${broadcastPauseMs}ms` }
  const { parity, stopBits, rts, rtsDelayMs, hasEcho } = line
  return { baud, parity, stopBits, broadcastPause: `${broadcastPauseMs}ms`, rts, rtsDelay: `${rtsDelayMs}ms`, echo: hasEcho }
}

/** A line is set once, so all files that name it must want it the same. */
export function checkAgreement(members: readonly LineMember<ModbusConfig, ModbusAddress>[]): readonly LineProblem[] {
  const [first, ...others] = members
  if (first === undefined) return []
  const wanted = termsOf(first.config)
  return others.flatMap(({ device, config }) =>
    termsOf(config).flatMap(([path, value], place): readonly LineProblem[] => {
      const before = wanted[place]?.[1]
      if (before === value) return []
      const key = path.at(-1) ?? ''
      const name = lineKey(config) ?? ''
      return [
        {
          device,
          path,
          code: 'modbus.line-conflict',
          message: `\`${key}\` is ${value} here and ${before} in ${first.device}, and both share ${name}.`,
          remedy: `Write the same \`${key}\` in both${config.line.kind === 'serial' ? ': one port has one setting' : ', or `connection: { shared: false }` in one'}.`,
        },
      ]
    }),
  )
}

/** What the schemas cannot say about how a device is connected. Pure. */
export function checkConnection(config: ModbusConfig, tags: readonly Tag<ModbusAddress>[]): readonly Problem[] {
  return [...checkTls(config), ...checkRest(config), ...(config.line.kind === 'tcp' ? [] : tags.flatMap((tag) => checkUnit(config, tag)))]
}

function checkTls({ line }: ModbusConfig): readonly Problem[] {
  if (line.kind !== 'tcp' || line.tls === undefined || line.tls.isVerified) return []
  return [
    {
      path: ['connection', 'tls', 'verify'],
      code: 'modbus.tls-unverified',
      message: `Whoever answers at ${line.host} is taken for the device: its certificate is not looked at.`,
      remedy: 'Give `ca:`, the certificate of the device or of its authority, and remove `verify: false`.',
      severity: 'warning',
    },
  ]
}

function checkRest({ line, quirks, inflightMax }: ModbusConfig): readonly Problem[] {
  if (!quirks.closesAfterScan || line.kind === 'serial' || inflightMax === 1) return []
  return [
    {
      path: ['modbus', 'inflight'],
      code: 'modbus.close-inflight',
      message: `A device that needs its connection closed after each scan seldom takes ${inflightMax} requests at once.`,
      remedy: 'Remove `inflight`, unless you have seen it work.',
      severity: 'warning',
    },
  ]
}

/** Unit 0 of a serial line is all of them: it can be written, and nobody answers. */
function checkUnit(config: ModbusConfig, { path, address, write }: Tag<ModbusAddress>): readonly Problem[] {
  const { unit } = locate(address, config)
  const at = ['tags', path, 'at']
  if (unit > 247) {
    const remedy = 'Use the number that the device is set to: 1 to 247.'
    return [{ path: at, code: 'modbus.unit-range', message: `A serial line has no unit ${unit}.`, remedy }]
  }
  if (unit !== 0) return []
  if (write === undefined) {
    const remedy = 'Read from one unit, or give the tag `write: { confirm: 0ms }`.'
    return [{ path: at, code: 'modbus.broadcast-read', message: 'Unit 0 is every unit at once: it can only be written.', remedy }]
  }
  if (write.confirmMs === 0) return []
  return [
    {
      path: ['tags', path, 'write', 'confirm'],
      code: 'modbus.broadcast-confirm',
      message: 'A write to unit 0 is answered by nobody and cannot be read back.',
      remedy: 'Write `confirm: 0ms`, and look at the units themselves to see what it did.',
    },
  ]
}
