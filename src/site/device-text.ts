import type { TagFields } from './tag-table.ts'

export interface DeviceHead {
  readonly device: string
  readonly driver: string
  /** The other keys of the file, in their order: `connection`, `modbus`, … */
  readonly sections: Readonly<Record<string, unknown>>
  /** Lines above everything. */
  readonly comments: readonly string[]
}

/** The beginning of a device file; the tags follow, a line each, so that a file of any size can be written as a stream. */
export function deviceHeadText({ device, driver, sections, comments }: DeviceHead): string {
  const lines = [
    ...comments.map(commentText),
    `device: ${scalarText(device)}`,
    `driver: ${driver}`,
    ...Object.entries(sections).map(([key, value]) => `${key}: ${flowText(value)}`),
    'tags:',
  ]
  return `${lines.join('\n')}\n`
}

export function tagLine(path: string, fields: TagFields, comment?: string): string {
  return `  ${scalarText(path)}: ${flowText(fields)}${comment === undefined ? '' : ` ${commentText(comment)}`}\n`
}

/** For what is worth knowing and no tag. */
export function commentLine(comment: string): string {
  return `  ${commentText(comment)}\n`
}

function commentText(text: string): string {
  return `# ${text.replaceAll(/[\p{Cc}\u2028\u2029]/gu, ' ')}`
}

/** YAML on one line. */
function flowText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(flowText).join(', ')}]`
  if (typeof value !== 'object' || value === null) return scalarText(value)
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined)
  return entries.length === 0 ? '{}' : `{ ${entries.map(([key, inner]) => `${scalarText(key)}: ${flowText(inner)}`).join(', ')} }`
}

/** Texts that mean the same to every YAML reader without quotes. */
const plain = /^[\p{L}_][\p{L}\p{N}_/°³²-]*(?:[ .:][\p{L}\p{N}_/°³²-]+)*$/u
const reserved = /^(?:true|false|null|yes|no|on|off|y|n|nan|inf)$/i

function scalarText(value: unknown): string {
  if (typeof value !== 'string') return JSON.stringify(value) ?? 'null'
  return plain.test(value) && !reserved.test(value) ? value : JSON.stringify(value)
}
