import type { FlowDefinition } from '../control/flows/config.ts'
import type { PipelineStep } from '../control/flows/pipeline-config.ts'
import type { RouteConfig } from '../control/routes/config.ts'
import type { ServiceConfig } from '../control/routes/service-config.ts'
import type { TagMeta } from '../model/tag.ts'
import type { ApiConfig } from '../north/api/config.ts'
import type { MqttConfig } from '../north/broker/config.ts'
import type { OpcuaServerConfig } from '../north/opcua-server/config.ts'
import type { UpstreamConfig } from '../north/upstream/config.ts'
import type { DeviceConfig } from '../south/config.ts'
import type { StorageConfig } from '../store/config.ts'

/** A whole site, parsed and checked. Plain data: it can be logged, compared and sent to a thread; secrets are only named in it. */
export interface Site {
  /** Where the files are, absolute. */
  readonly folder: string
  /** ISA-95 path: the root of the topics and of the OPC UA tree. */
  readonly site: string
  /** The name of this gateway. */
  readonly node: string
  readonly mqtt: MqttConfig
  /** Absent: no OPC UA server. */
  readonly opcua?: OpcuaServerConfig
  readonly api: ApiConfig
  readonly upstreams: Readonly<Record<string, UpstreamConfig>>
  readonly storage: StorageConfig
  readonly devices: readonly DeviceConfig[]
  /** Every tag of the site, devices in order: the place in this list is the TagIndex. */
  readonly tags: readonly TagMeta[]
  readonly flows: readonly FlowDefinition[]
  readonly routes: readonly RouteConfig[]
  readonly services: Readonly<Record<string, ServiceConfig>>
  /** The main sequence, which is the flow `pipeline`. */
  readonly pipeline?: readonly PipelineStep[]
}

/** Something wrong, or doubtful, in a site's files. */
export interface SiteProblem {
  /** Relative to the site's folder. */
  readonly file: string
  /** Both from 1; 1 where the whole file is meant. */
  readonly line: number
  readonly column: number
  /** Stable: `site.unknown-key`, `tag.duplicate`, … */
  readonly code: string
  readonly message: string
  /** In the imperative: what to change. */
  readonly remedy: string
  /** A note says what is good to know, and is no doubt. */
  readonly severity: 'error' | 'warning' | 'note'
}
