import { z } from 'zod'
import { type SecretRef, secretPattern } from './secret.ts'

/** `${secret:NAME}` in a site file. */
export const secretSchema = z
  .string()
  .regex(secretPattern, 'a secret is written ${secret:NAME} and never stands in a site file itself')
  .transform((text): SecretRef => ({ secret: secretPattern.exec(text)?.[1] ?? '' }))
  .describe('A secret by name, `${secret:NAME}`: read from the systemd credential NAME, else from LINESIDE_SECRET_NAME in the environment.')
