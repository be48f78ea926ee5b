import { z } from 'zod'
import { durationSchema, sizeSchema } from '../base/units.ts'

export interface StorageConfig {
  /** The folder of all state. */
  readonly path: string
  readonly history: HistoryConfig
}

export interface HistoryConfig {
  readonly keepMs: number
  readonly sizeBytesMax: number
  /** Filters of tags, beside those that flows ask for. */
  readonly tags: readonly string[]
}

/** systemd names the state folder it made for the service; several are separated by `:`. */
export function defaultStatePath(environment: NodeJS.ProcessEnv): string {
  return environment['STATE_DIRECTORY']?.split(':')[0] || '/var/lib/lineside'
}

const historySchema = z
  .strictObject({
    keep: durationSchema({ min: '1m', max: '400d' }).prefault('90d').describe('What is older is dropped.'),
    size: sizeSchema({ min: '1MiB' }).prefault('256MiB').describe('The most that history.db takes on the disk; past it the oldest goes.'),
    tags: z
      .array(z.string().min(1).max(255))
      .max(100)
      .default([])
      .describe('Tags that are kept beside those that `query` steps name: DEVICE/TAG, or with + for one level and # for the rest.'),
  })
  .transform(({ keep, size, tags }): HistoryConfig => ({ keepMs: keep, sizeBytesMax: size, tags }))

/** `storage:` of lineside.yaml. */
export const storageConfigSchema = z.strictObject({
  path: z
    .string()
    .min(1)
    .max(1_000)
    .refine((path) => !path.includes('\0'), 'a path holds no NUL')
    .optional()
    .describe('Folder of all state. Default: the state folder systemd gives, else /var/lib/lineside.'),
  history: historySchema.prefault({}).describe('What numbers and switches were, for the `query` steps of flows.'),
})
