/** Keys and places from the root of a file. */
export type Path = readonly (string | number)[]

/** Line and column both from 1. */
export interface Position {
  /** Absent: the file itself; a part of it may have come from a table beside it. */
  readonly file?: string
  readonly line: number
  readonly column: number
}

export interface Spot {
  readonly path: Path
  /** Point at the key rather than at its value. */
  readonly part?: 'key' | 'value'
  /** Inside a text, from 0. */
  readonly offset?: number
}

/** One YAML file as plain data that remembers where each piece stood. */
export interface SourceFile {
  /** Relative to the site's folder. */
  readonly file: string
  /** null for an empty file. Maps have string keys and no `__proto__`. */
  readonly value: unknown
  /** Behind each message about it: `in the flow reject-2`. */
  readonly note?: string
  /** Where a path stands; the nearest thing around it when it is not there. */
  place(spot: Spot): Position
}

/** What is wrong, before it has a place. */
export interface Finding {
  /** Stable: `site.unknown-key`. */
  readonly code: string
  readonly message: string
  readonly remedy: string
  /** Absent: error. */
  readonly severity?: 'error' | 'warning' | 'note'
}
