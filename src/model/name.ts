import { z } from 'zod'

/**
 * A name that goes unchanged into MQTT topics, OPC UA node ids, file names and URLs. No `/` (it separates levels), `+`, `#` and `$` (they mean
 * something to MQTT), and no blank or dot in front.
 */
const segment = /^[\p{L}\p{N}_][\p{L}\p{N}_.-]{0,63}$/u

export function isName(text: string): boolean {
  return segment.test(text)
}

/** One to sixteen names with `/` between them. */
export function isPath(text: string): boolean {
  const levels = text.split('/')
  return levels.length <= 16 && text.length <= 255 && levels.every(isName)
}

const nameRule = 'letters, digits, _, - and . only, beginning with a letter, a digit or _, at most 64 characters'

export const nameSchema = z.string().refine(isName, `a name has ${nameRule}`).describe(`A name: ${nameRule}.`)

export const pathSchema = z
  .string()
  .refine(isPath, `a path is made of names with / between them; a name has ${nameRule}`)
  .describe(`Names with / between them: ${nameRule}.`)

/** `DEVICE/TAG`, as flows and `lineside.yaml` name a tag. */
export const tagIdSchema = z
  .string()
  .refine((text) => text.includes('/') && isPath(text), 'a tag is named DEVICE/TAG, like filler/bowl/level')
  .describe('A tag of the site, DEVICE/TAG.')
