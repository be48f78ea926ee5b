import type { Tag } from '../model/tag.ts'

/** One device file, parsed. `config` and each tag's `address` belong to the driver named by `driver`; nobody else looks inside. Plain data. */
export interface DeviceConfig {
  readonly device: string
  readonly driver: string
  readonly config: unknown
  readonly capabilities: readonly string[]
  /** Period of each scan class, ms. */
  readonly scanMs: Readonly<Record<string, number>>
  readonly tags: readonly Tag<unknown>[]
}
