import { type GatewayChoice, reachGateway } from './gateway.ts'
import { tagRow } from './read.ts'
import { shownValue, type TagRow } from './tag-row.ts'
import type { Terminal } from './terminal.ts'
import { valueFromText } from './value-text.ts'

export interface WriteOptions extends GatewayChoice {
  readonly json?: boolean
}

interface WriteRow {
  readonly status: string
  readonly code?: string
  readonly message?: string
  readonly remedy?: string
  readonly value?: unknown
  readonly sent?: boolean
  readonly tookMs?: number
}

/** `lineside write`: asks for one write and tells how it ended; 0 only when it is done. */
export async function write(tag: string, text: string, options: WriteOptions, terminal: Terminal): Promise<number> {
  const gateway = await reachGateway(options, terminal)
  const row = await tagRow(gateway, tag)
  const result = (await gateway.post('/api/v1/writes', { tag, value: valueFromText(text, row) })) as WriteRow
  if (options.json === true) terminal.out(`${JSON.stringify(result, null, 2)}\n`)
  else if (result.status === 'done') terminal.out(`${doneText(row, result)}\n`)
  else terminal.error(notDoneText(row, result))
  return result.status === 'done' ? 0 : 1
}

function doneText({ tag, unit, type }: TagRow, { value, tookMs }: WriteRow): string {
  const took = tookMs === undefined ? '' : ` (${tookMs} ms)`
  if (value === undefined) return `${tag} was written; its device file asks for no read-back${took}.`
  return `${tag} was written and reads ${shownValue(value, type)}${unit === undefined ? '' : ` ${unit}`} now${took}.`
}

const sentences: Readonly<Record<string, string>> = {
  refused: 'was not written',
  failed: 'was not taken over by the device',
  unknown: 'may or may not have been written, and nobody will repeat it',
}

function notDoneText({ tag, unit, type }: TagRow, { status, code, message, remedy, value, sent }: WriteRow): string {
  const reads = value === undefined ? '' : ` It reads ${shownValue(value, type)}${unit === undefined ? '' : ` ${unit}`} now.`
  const why = `${message ?? `The write ended ${status}.`}  (${code ?? status})`
  const sentence = sent === false ? 'could not be written, and nothing was sent' : (sentences[status] ?? status)
  return `${tag} ${sentence}: ${why}${reads}\n    ${remedy ?? 'Look at the device.'}\n`
}
