import { z } from 'zod'
import { nameSchema, pathSchema } from '../model/name.ts'
import { scanSchema } from '../south/tag-config.ts'
import { siteDrivers } from './drivers.ts'

/** A tag's path inside its device. Levels named `set` are kept for writes: `…/set` and `…/set/result` are topics of their own. */
export const tagPathSchema = pathSchema
  .refine((path) => path.length <= 180, 'the path of a tag has at most 180 characters')
  .refine((path) => !path.split('/').includes('set'), 'no level of a tag may be named `set`: MQTT writes go to …/set')

/** The keys of a device file that do not depend on its driver. */
export const commonDeviceShape = {
  device: nameSchema.describe('The name of the device: the first level of its tags.'),
  driver: z.enum(siteDrivers.map((driver) => driver.name)).describe('What the device speaks.'),
  description: z.string().max(500).optional().describe('For people.'),
  capabilities: z.array(nameSchema).max(50).default([]).describe('What the device can do, for flows that look for one that can.'),
  scan: scanSchema,
  tags: z.record(tagPathSchema, z.looseObject({})).describe('The tags by their path inside the device.'),
} as const
