import { z } from 'zod'
import { durationSchema } from '../../../base/units.ts'
import { isSparkplugId } from '../../../model/sparkplug/topic.ts'
import type { Role } from '../../../model/tag.ts'

/** The gateway as the host application of Sparkplug edge nodes that are clients of its broker. */
export interface SparkplugHostConfig {
  /** The id under which edge nodes know it: the last level of the STATE topic. */
  readonly host: string
  /** How long a message that is missing may be late before a rebirth is asked for. */
  readonly reorderMs: number
  /** From which role on clients may write metrics of edge nodes; absent: nobody may. */
  readonly role?: Role
}

export const sparkplugHostSchema = z
  .strictObject({
    host: z
      .string()
      .min(1)
      .max(128)
      .refine(isSparkplugId, 'a Sparkplug id is not empty and has no +, / or #')
      .describe('Host id: edge nodes name it as their primary host. It must be unique in the plant.'),
    reorder: durationSchema({ min: '100ms', max: '1m' })
      .default(5_000)
      .describe('How long a missing message of an edge node may be late before a rebirth is asked for.'),
    role: z
      .enum(['operator', 'engineer', 'admin'])
      .optional()
      .describe('From which role on clients may write metrics of edge nodes, by …/METRIC/set. Without it nobody may.'),
  })
  .transform(({ host, reorder, role }): SparkplugHostConfig => ({ host, reorderMs: reorder, ...(role === undefined ? {} : { role }) }))
