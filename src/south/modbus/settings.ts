import type { SecretRef } from '../../base/secret.ts'
import type { Order } from './address.ts'
import type { Pins } from './pins.ts'

/** A Modbus device, parsed. Plain data. */
export interface ModbusConfig {
  /** What it hangs on; other devices may hang on the same. */
  readonly line: LineSettings
  /** Of tags that name no unit of their own. */
  readonly unit: number
  /** How long one request may wait for its answer once it is sent. */
  readonly timeoutMs: number
  readonly order: Order
  /** Unused registers that a request may read along to save another request. */
  readonly gapRegistersMax: number
  /** Requests that may wait for their answers at once. */
  readonly inflightMax: number
  readonly addressing: 'zero' | 'one'
  readonly quirks: ModbusQuirks
}

export type LineSettings = TcpSettings | RtuTcpSettings | SerialSettings

export interface TcpSettings {
  readonly kind: 'tcp'
  readonly host: string
  readonly port: number
  /** With the other device files that name the same host and port. */
  readonly isShared: boolean
  readonly tls?: TlsSettings
}

/** RTU frames over a socket: a serial device server that passes bytes on. */
export interface RtuTcpSettings {
  readonly kind: 'rtu-tcp'
  readonly host: string
  readonly port: number
  readonly isShared: boolean
  /** Of the line behind the server. */
  readonly baud: number
  readonly characterBits: number
  readonly broadcastPauseMs: number
}

export interface SerialSettings {
  readonly kind: 'serial'
  readonly path: string
  readonly baud: number
  readonly parity: Parity
  readonly stopBits: 1 | 2
  /** Start, data, parity and stop bits. */
  readonly characterBits: number
  readonly broadcastPauseMs: number
  /** What RTS does: nothing, or switch a transceiver to sending or to receiving. */
  readonly rts: RtsUse
  /** From switching RTS to the first bit, and from the last bit to switching back. */
  readonly rtsDelayMs: number
  /** The adapter hears what it sends. */
  readonly hasEcho: boolean
}

export const parities = ['none', 'even', 'odd'] as const
export type Parity = (typeof parities)[number]

export const rtsUses = ['unused', 'send', 'receive'] as const
export type RtsUse = (typeof rtsUses)[number]

export interface TlsSettings {
  readonly ca?: PemSource
  readonly cert?: PemSource
  readonly key?: PemSource
  readonly serverName?: string
  readonly isVerified: boolean
}

/** PEM text: an absolute path, or a secret by name. */
export type PemSource = string | SecretRef

export interface ModbusQuirks extends Pins {
  /** Registers that the device gives in one answer. */
  readonly registersMax: number
  /** Coils or discrete inputs that the device gives in one answer. */
  readonly coilsMax: number
  /** From an answer, or from connecting, to the next request. */
  readonly pauseMs: number
  /** From connecting to the first request, where that takes longer. */
  readonly connectPauseMs: number
  readonly isOneRequestPerTag: boolean
  /** The connection is closed when a scan class has been read, and made again for the next one. */
  readonly closesAfterScan: boolean
  /** The two bytes of each register of a text have changed places, whatever the order of numbers. */
  readonly hasSwappedStrings: boolean
  /** Even single values are written by FC15 and FC16. */
  readonly writesMultipleOnly: boolean
}

/** Holes that are remembered of one device; a device with more is asked anew. */
export const learntHolesMax = 500
