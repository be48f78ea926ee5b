import type { EpochMs } from '../base/clock.ts'
import type { PlainFault } from '../base/fault.ts'

/** `connecting`: not reached yet, or again. `online`: answers. `degraded`: answers, but not to everything. */
export type DeviceState = 'connecting' | 'online' | 'degraded'

export interface DeviceStatus {
  readonly device: string
  readonly state: DeviceState
  readonly sinceMs: EpochMs
  readonly lastFault?: PlainFault
  /** What was found out about it by asking, as sentences. */
  readonly learnt?: readonly string[]
}
