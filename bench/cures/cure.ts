/**
 * What the product does because of a trap of its libraries, or of the field, and what fails when it no longer does.
 * `cure` is text that stands once in `file`; `without` stands in its place while `test` is run, which then has to fail.
 */
export interface Cure {
  /** The library or protocol, and its trap: `modbus-serial 4: promises never settle after destroy()`. */
  readonly trap: string
  readonly edits: readonly Edit[]
  readonly test: { readonly file: string; readonly title: string }
}

export interface Edit {
  readonly file: string
  readonly cure: string
  readonly without: string
}

/** `text` with its cure taken away. */
export function sick(text: string, { file, cure, without }: Edit): string {
  const parts = text.split(cure)
  if (parts.length !== 2) throw new Error(`${file} has this cure ${parts.length - 1} times, not once:\n${cure}`)
  return parts.join(without)
}
