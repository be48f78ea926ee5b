import type { EpochMs } from '../base/clock.ts'
import type { DeviceStatus } from '../model/device.ts'
import type { Reading } from '../model/tag.ts'
import type { DeviceEvent, LearntNote } from './driver.ts'

/** What a device tells, always about its own tags by their position in its device file. Called often; must not block or throw. */
export interface DeviceListener {
  readings(readings: readonly Reading[], receivedMs: EpochMs): void
  /** Read again, and as they were. */
  heard(tags: readonly number[], receivedMs: EpochMs): void
  /** Not heard for longer than they should be. */
  stale(tags: readonly number[]): void
  status(status: DeviceStatus): void
  /** What the device told beside its values; at a bounded rate. */
  events?(events: readonly DeviceEvent[]): void
  /** Something new about the device was found out. */
  learnt?(note: LearntNote): void
  /** These are one place of the device, though its file names them in different ways. */
  sharing?(tags: readonly number[]): void
}
