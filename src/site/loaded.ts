import type { FlowDefinition, FlowInput, FlowStep, FlowTrigger } from '../control/flows/config.ts'
import type { Tag, TagMeta } from '../model/tag.ts'
import type { DeviceConfig } from '../south/config.ts'
import type { SiteFile } from './site-file.ts'
import type { SourceFile } from './source.ts'

/** A part of the site beside the file it came from. */
export interface From<Part> {
  readonly source: SourceFile
  readonly part: Part
}

/** What could be understood of a device file. */
export interface DevicePart {
  /** Absent where the driver's own keys are wrong. Its tags are those that are right. */
  readonly config?: DeviceConfig
  readonly device: string
  readonly tags: readonly Tag<unknown>[]
  /** Of all tags, also of those that are wrong. */
  readonly paths: ReadonlySet<string>
  readonly isWhole: boolean
}

/** What could be understood of a flow file: where something is wrong, its place is kept and holds nothing. */
export interface FlowPart {
  /** Only of a file in which all is right. */
  readonly config?: FlowDefinition
  readonly flow: string | undefined
  readonly on: readonly (FlowTrigger | undefined)[]
  /** Absent where something is wrong with it. */
  readonly input?: Readonly<Record<string, FlowInput>>
  readonly steps: readonly (FlowStep | undefined)[]
  readonly isWhole: boolean
}

/** What could be understood of lineside.yaml: the keys that are right. */
export interface SitePart {
  readonly config?: SiteFile
  readonly keys: Partial<SiteFile>
}

/** All that could be parsed, before the checks that look across files: one mistake must not hide the others. */
export interface LoadedParts {
  readonly site?: From<SitePart>
  /** Whose driver's keys are right. */
  readonly devices: readonly From<DeviceConfig>[]
  readonly deviceParts: readonly From<DevicePart>[]
  readonly flows: readonly From<FlowPart>[]
  /** Every file that is YAML, for checks of the text itself. */
  readonly sources: readonly SourceFile[]
  /** Of all tags, also of those in which something is wrong. */
  readonly named: ReadonlySet<string>
  /** Some device file could not be parsed: a tag that is not found may be in it. */
  readonly isIncomplete: boolean
  /** Some flow file could not be understood as far as its name: a flow that is not found may be in it. */
  readonly areFlowsIncomplete: boolean
  readonly tags: ReadonlyMap<string, TagMeta>
}
