import type { FlowConfig } from '../control/flows/config.ts'
import type { TagMeta } from '../model/tag.ts'
import type { DeviceConfig } from '../south/config.ts'
import type { SiteFile } from './site-file.ts'
import type { SourceFile } from './source.ts'

/** A part of the site beside the file it came from. */
export interface From<Part> {
  readonly source: SourceFile
  readonly part: Part
}

/** All that could be parsed, before the checks that look across files. */
export interface LoadedParts {
  readonly site?: From<SiteFile>
  readonly devices: readonly From<DeviceConfig>[]
  readonly flows: readonly From<FlowConfig>[]
  /** Every file that is YAML, for checks of the text itself. */
  readonly sources: readonly SourceFile[]
  /** Some device file could not be parsed: a tag that is not found may be in it. */
  readonly isIncomplete: boolean
  readonly tags: ReadonlyMap<string, TagMeta>
}
