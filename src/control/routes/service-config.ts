import { z } from 'zod'
import type { SecretRef } from '../../base/secret.ts'
import { secretSchema } from '../../base/secret-schema.ts'
import { durationSchema } from '../../base/units.ts'

/** An HTTP application that this gateway calls. Plain data: secrets are names until they are used. */
export interface ServiceConfig {
  /** Instances of the same; the next one is tried where one fails. */
  readonly urls: readonly string[]
  readonly headers: Readonly<Record<string, string | SecretRef>>
  readonly timeoutMs: number
}

const urlSchema = z
  .string()
  .max(1_024)
  .refine(isHttpUrl, 'a service is http://HOST:PORT/PATH or https://…, without a user: credentials are `headers`')

const headerName = z.string().regex(/^[A-Za-z0-9-]{1,64}$/, 'the name of a header has letters, digits and -')
const headerValue = z.union([
  secretSchema,
  z
    .string()
    .max(1_024)
    .regex(/^[\x20-\x7e]*$/, 'a header holds plain ASCII'),
])

export const serviceSchema = z
  .strictObject({
    url: z
      .union([urlSchema, z.array(urlSchema).min(1).max(8)])
      .describe('Where it is; several where it has several instances: the next one is tried where one fails.'),
    headers: z.record(headerName, headerValue).default({}).describe('Sent with each request; a secret as ${secret:NAME}.'),
    timeout: durationSchema({ min: '100ms', max: '5m' }).default(10_000).describe('How long one request may take.'),
  })
  .transform(({ url, headers, timeout }): ServiceConfig => ({ urls: [url].flat(), headers, timeoutMs: timeout }))

function isHttpUrl(text: string): boolean {
  const url = URL.parse(text)
  return url !== null && /^https?:$/.test(url.protocol) && url.username === '' && url.password === ''
}
