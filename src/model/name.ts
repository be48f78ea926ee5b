import { z } from 'zod'

/**
 * A name that goes unchanged into MQTT topics, OPC UA node ids, file names and URLs. No `/` (it separates levels), `+`, `#` and `$` (they mean
 * something to MQTT), and no blank or dot in front.
 */
const segment = '[\\p{L}\\p{N}_][\\p{L}\\p{N}_.-]{0,63}'
const name = new RegExp(`^${segment}$`, 'u')
const path = new RegExp(`^${segment}(/${segment}){0,15}$`, 'u')
const tagId = new RegExp(`^${segment}(/${segment}){1,15}$`, 'u')
const pathLengthMax = 255

export function isName(text: string): boolean {
  return name.test(text)
}

const nameRule = 'letters, digits, _, - and . only, beginning with a letter, a digit or _, at most 64 characters'

export const nameSchema = z.string().regex(name, `a name has ${nameRule}`).describe(`A name: ${nameRule}.`)

/** One to sixteen names with `/` between them. */
export const pathSchema = z
  .string()
  .max(pathLengthMax)
  .regex(path, `a path is made of names with / between them; a name has ${nameRule}`)
  .describe(`Names with / between them: ${nameRule}.`)

/** `DEVICE/TAG`, as flows and `lineside.yaml` name a tag. */
export const tagIdSchema = z
  .string()
  .max(pathLengthMax)
  .regex(tagId, 'a tag is named DEVICE/TAG, like filler/bowl/level')
  .describe('A tag of the site, DEVICE/TAG.')

const nameLengthMax = 64

/** The nearest name to a text of somebody else's making; `_` stands for what a name cannot hold. */
export function nameFrom(text: string): string {
  const name = text
    .normalize('NFC')
    .replaceAll(/[^\p{L}\p{N}_.-]+/gu, '_')
    .replace(/^[.-]/, '_')
    .slice(0, nameLengthMax)
  const whole = name.isWellFormed() ? name : name.slice(0, -1) // the cut may have gone through a character
  if (whole === '') return '_'
  return whole === 'set' ? 'set_' : whole // `…/set` is the topic of writes
}
