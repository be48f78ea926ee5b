import { z } from 'zod'

export interface StorageConfig {
  /** The folder of all state. */
  readonly path: string
}

/** systemd names the state folder it made for the service; several are separated by `:`. */
export function defaultStatePath(environment: NodeJS.ProcessEnv): string {
  return environment['STATE_DIRECTORY']?.split(':')[0] || '/var/lib/lineside'
}

/** `storage:` of lineside.yaml. */
export const storageConfigSchema = z.strictObject({
  path: z
    .string()
    .min(1)
    .max(1_000)
    .refine((path) => !path.includes('\0'), 'a path holds no NUL')
    .optional()
    .describe('Folder of all state. Default: the state folder systemd gives, else /var/lib/lineside.'),
})
