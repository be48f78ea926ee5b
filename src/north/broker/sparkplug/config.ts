import { z } from 'zod'
import { durationSchema } from '../../../base/units.ts'
import { isSparkplugId } from '../../../model/sparkplug/topic.ts'

/** The gateway as the host application of Sparkplug edge nodes that are clients of its broker. */
export interface SparkplugHostConfig {
  /** The id under which edge nodes know it: the last level of the STATE topic. */
  readonly host: string
  /** How long a message that is missing may be late before a rebirth is asked for. */
  readonly reorderMs: number
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
  })
  .transform(({ host, reorder }): SparkplugHostConfig => ({ host, reorderMs: reorder }))
