import { z } from 'zod'
import { durationSchema } from '../../../base/units.ts'
import { isSparkplugId } from '../../../model/sparkplug/topic.ts'
import type { Role } from '../../../model/tag.ts'

/** What Sparkplug B needs to know beyond the upstream itself. */
export interface SparkplugConfig {
  readonly group: string
  /** Absent: the name of the gateway. */
  readonly edgeNode?: string
  /** The host application without which nothing is said. */
  readonly primaryHost?: string
  /** Further brokers; one is used at a time. */
  readonly servers: readonly string[]
  /** How long to wait at one of several servers for the primary host. */
  readonly hostWaitMs: number
  /** What commands from above may do; absent: nothing. */
  readonly role?: Role
  /** Names of templates, with filters over DEVICE/BRANCH: what matches is one metric. */
  readonly templates: Readonly<Record<string, readonly string[]>>
}

const idSchema = z.string().min(1).max(128).refine(isSparkplugId, 'a Sparkplug id is not empty and has no +, / or #')

export function sparkplugConfigSchema(url: z.ZodType<string, string>): z.ZodType<SparkplugConfig, unknown> {
  return z
    .strictObject({
      group: idSchema.describe('Sparkplug group id. Together with the edge node it must be unique in the whole plant.'),
      edgeNode: idSchema.optional().describe('Sparkplug edge node id. Default: the name of the gateway.'),
      primaryHost: idSchema.optional().describe('Host application that must be online before anything is said; values wait on the disk.'),
      servers: z.array(url).max(8).default([]).describe('Further brokers of the same plant, tried in turn; one is used at a time.'),
      hostWait: durationSchema({ min: '1s', max: '1h' })
        .default(30_000)
        .describe('Where there are several servers: how long to wait at one for the primary host.'),
      role: z
        .enum(['operator', 'engineer', 'admin'])
        .optional()
        .describe('What commands from above may do. Without it they are refused, and every metric says that it is read-only.'),
      templates: z
        .record(idSchema, z.array(z.string().min(1).max(500)).min(1).max(50))
        .default({})
        .describe('Templates (UDTs) by name: branches of devices that are alike, as filters over DEVICE/BRANCH, each one metric.'),
    })
    .transform(
      ({ edgeNode, primaryHost, hostWait, role, ...config }): SparkplugConfig => ({
        ...config,
        hostWaitMs: hostWait,
        ...(edgeNode === undefined ? {} : { edgeNode }),
        ...(primaryHost === undefined ? {} : { primaryHost }),
        ...(role === undefined ? {} : { role }),
      }),
    )
}
