import { z } from 'zod'
import { pipelineSchema } from '../control/flows/pipeline-config.ts'
import { routesSchema } from '../control/routes/config.ts'
import { serviceSchema } from '../control/routes/service-config.ts'
import { nameSchema, pathSchema } from '../model/name.ts'
import { apiConfigSchema } from '../north/api/config.ts'
import { mqttConfigSchema } from '../north/broker/config.ts'
import { opcuaServerConfigSchema } from '../north/opcua-server/config.ts'
import { upstreamConfigSchema } from '../north/upstream/config.ts'
import { storageConfigSchema } from '../store/config.ts'

/** `lineside.yaml`. */
export const siteFileSchema = z.strictObject({
  site: pathSchema
    .refine((path) => path.length <= 200, 'a site path has at most 200 characters')
    .refine((path) => path.split('/')[0] !== 'lineside', 'the topics below `lineside` are the gateway’s own')
    .refine((path) => path.split('/')[0] !== 'spBv1.0', 'the topics below `spBv1.0` are those of Sparkplug')
    .describe('ISA-95 path of the line, like acme/munich/packaging/line-1: the root of the topics and of the OPC UA tree.'),
  node: nameSchema.optional().describe('The name of this gateway. Default: the host name.'),
  mqtt: mqttConfigSchema.prefault({}).describe('The embedded MQTT broker.'),
  opcua: opcuaServerConfigSchema.optional().describe('The OPC UA server; without this key there is none.'),
  api: apiConfigSchema.prefault({}).describe('HTTP: API, metrics and health.'),
  upstreams: z
    .record(nameSchema, upstreamConfigSchema)
    .refine((upstreams) => Object.keys(upstreams).length <= 100, 'a site has at most 100 upstreams')
    .default({})
    .describe('The brokers above this gateway, by a name of your choice.'),
  services: z
    .record(nameSchema, serviceSchema)
    .refine((services) => Object.keys(services).length <= 100, 'a site has at most 100 services')
    .default({})
    .describe('HTTP applications that routes call, by a name of your choice.'),
  routes: routesSchema
    .default([])
    .describe('What goes from where to where: tags, topics and events to topics, tags, flows, upstreams and services.'),
  pipeline: pipelineSchema.optional().describe('The main sequence of flows of the site, started, paused, resumed and looked at as one.'),
  storage: storageConfigSchema.prefault({}).describe('Where the state is kept.'),
})

export type SiteFile = z.output<typeof siteFileSchema>
