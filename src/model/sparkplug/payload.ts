import type { Wide } from './protobuf.ts'

/**
 * A Sparkplug B payload as it stands on the wire. A value keeps the form it was sent in, for DATA says no type: `typedValue` (values.ts) gives it its
 * meaning with the type of the birth.
 */
export interface SparkplugPayload {
  /** When it was sent, in ms since 1970 UTC. */
  readonly timestampMs?: Wide
  readonly metrics: readonly SparkplugMetric[]
  readonly seq?: Wide
  readonly uuid?: string
  readonly body?: Uint8Array
}

export interface SparkplugMetric {
  readonly name?: string
  readonly alias?: Wide
  /** When the value was taken. */
  readonly timestampMs?: Wide
  /** A code of `dataTypes`; absent in DATA. */
  readonly type?: number
  readonly isHistorical?: boolean
  readonly isTransient?: boolean
  readonly isNull?: boolean
  readonly metadata?: SparkplugMetadata
  readonly properties?: PropertySet
  readonly value?: WireValue
}

export interface SparkplugMetadata {
  readonly isMultiPart?: boolean
  readonly contentType?: string
  readonly size?: Wide
  readonly seq?: Wide
  readonly fileName?: string
  readonly fileType?: string
  readonly md5?: string
  readonly description?: string
}

/** A value in one of the forms that the wire knows; all numbers in `int` and `long` are unsigned. */
export type WireScalar =
  | { readonly form: 'int'; readonly value: number }
  | { readonly form: 'long'; readonly value: Wide }
  | { readonly form: 'float'; readonly value: number }
  | { readonly form: 'double'; readonly value: number }
  | { readonly form: 'boolean'; readonly value: boolean }
  | { readonly form: 'string'; readonly value: string }
  /** Somebody's extension: carried, not understood. */
  | { readonly form: 'extension'; readonly value: Uint8Array }

export type WireValue =
  | WireScalar
  | { readonly form: 'bytes'; readonly value: Uint8Array }
  | { readonly form: 'dataSet'; readonly value: DataSet }
  | { readonly form: 'template'; readonly value: Template }

/** By name, in order. */
export type PropertySet = readonly Property[]

export interface Property {
  readonly name: string
  readonly type?: number
  readonly isNull?: boolean
  readonly value?:
    | WireScalar
    | { readonly form: 'propertySet'; readonly value: PropertySet }
    | { readonly form: 'propertySets'; readonly value: readonly PropertySet[] }
}

export interface DataSet {
  readonly columns: readonly { readonly name: string; readonly type: number }[]
  /** Each row has a cell for each column; undefined is null. */
  readonly rows: readonly (readonly (WireScalar | undefined)[])[]
}

export interface Template {
  readonly version?: string
  readonly metrics: readonly SparkplugMetric[]
  readonly parameters: readonly TemplateParameter[]
  /** The definition that this is an instance of. */
  readonly ref?: string
  readonly isDefinition?: boolean
}

export interface TemplateParameter {
  readonly name?: string
  readonly type?: number
  readonly value?: WireScalar
}
