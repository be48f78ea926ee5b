import { z } from 'zod'
import { hostSchema } from '../../base/host.ts'
import { type AnonymousVisitors, anonymousSchema } from '../../model/anonymous.ts'

export interface ApiConfig {
  readonly port: number
  readonly host: string
  /** Who comes without credentials, false: nobody. Absent: whoever reaches the port may read, and write as `mqtt: { anonymous }` says. */
  readonly anonymous?: AnonymousVisitors | false
}

/** `api:` of lineside.yaml. */
export const apiConfigSchema: z.ZodType<ApiConfig> = z
  .strictObject({
    port: z.int().min(0).max(65_535).default(8080).describe('TCP port of HTTP: API, metrics, health; 0 takes any free one.'),
    host: hostSchema.default('127.0.0.1').describe('Address to listen on; 0.0.0.0 opens it to the network.'),
    anonymous: anonymousSchema
      .optional()
      .describe(
        'Requests without credentials: false refuses them, true lets them read from this machine, { role: operator } lets them write too. Default: whoever reaches the port may read, and write as mqtt.anonymous says.',
      ),
  })
  .transform(({ anonymous, ...config }): ApiConfig => (anonymous === undefined ? config : { ...config, anonymous }))
