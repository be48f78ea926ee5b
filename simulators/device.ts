import type { PlantFault } from './faults.ts'
import type { Line } from './plant/line.ts'

/** One device of the plant on its port. */
export interface SimulatedDevice extends AsyncDisposable {
  readonly name: string
  readonly port: number
  /** How to reach it, for whoever writes a device file. */
  readonly address: DeviceAddress
  /** Shows what the line is like now. */
  refresh(line: Line): void
  /** One fault at a time: a second one takes the place of the first. */
  fail(fault: PlantFault): Promise<void>
  clear(): Promise<void>
}

export type DeviceAddress =
  | { readonly protocol: 'modbus-tcp'; readonly host: string; readonly port: number; readonly unit: number }
  | { readonly protocol: 'opcua'; readonly host: string; readonly port: number; readonly url: string; readonly namespace: string }
