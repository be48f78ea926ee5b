import { z } from 'zod'

export interface ApiConfig {
  readonly port: number
  readonly host: string
}

/** `api:` of lineside.yaml. */
export const apiConfigSchema: z.ZodType<ApiConfig> = z.strictObject({
  port: z.int().min(0).max(65_535).default(8080).describe('TCP port of HTTP: API, metrics, health; 0 takes any free one.'),
  host: z.string().min(1).max(255).default('127.0.0.1').describe('Address to listen on; 0.0.0.0 opens it to the network.'),
})
