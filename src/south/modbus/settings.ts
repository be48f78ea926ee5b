import type { Order } from './address.ts'

/** A Modbus TCP device, parsed. Plain data. */
export interface ModbusConfig {
  readonly host: string
  readonly port: number
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

export interface ModbusQuirks {
  /** Registers that the device gives in one answer. */
  readonly registersMax: number
  /** Coils or discrete inputs that the device gives in one answer. */
  readonly coilsMax: number
  /** From an answer, or from connecting, to the next request. */
  readonly pauseMs: number
}
