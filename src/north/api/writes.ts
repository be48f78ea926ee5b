import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { parseIsoTime } from '../../base/clock.ts'
import { Fault } from '../../base/fault.ts'
import { issueText } from '../../base/issue-text.ts'
import type { BatchRoad, LiveTags } from '../../control/contract.ts'
import type { Asker, Command, CommandBatch, CommandResult } from '../../model/command.ts'
import { parseExactJson, tagValueOf } from '../../model/json-value.ts'
import { jsonValue } from '../../model/payload.ts'
import { asTagId } from '../../model/tag.ts'

/** Loaded with the first write: a gateway that nobody writes to by HTTP does not need it. */

const writesMax = 200
const elementsMax = 10_000

const scalarSchema = z.union([z.boolean(), z.number(), z.bigint(), z.string()])
const writeSchema = z.strictObject({
  tag: z.string().min(1).max(500).describe('DEVICE/TAG'),
  value: z.union([scalarSchema, z.array(scalarSchema).max(elementsMax)]).describe('In engineering units; bytes as base64.'),
  id: z.string().min(1).max(128).optional().describe('Of the asker: the same id asked again within minutes gets the first answer.'),
  expires: z
    .string()
    .max(40)
    .refine((text) => parseIsoTime(text) !== undefined, 'is no moment: 2026-11-21T02:30:00Z')
    .optional()
    .describe('After this moment it must not be carried out.'),
})
const batchSchema = z.strictObject({
  writes: z.array(writeSchema).min(1).max(writesMax),
  together: z.boolean().default(false).describe('Where a rule refuses one, none is written.'),
})

export interface WriteRequest {
  readonly body: Buffer
  readonly by: Asker
  /** Whether the asker's own rules let him write this tag; his role is for the command road to judge. */
  readonly mayWrite: (id: string) => boolean
  readonly tags: LiveTags
  readonly commands: BatchRoad
}

/** Carries out what a body asks for, one write or many, and tells how each ended. Throws `api.bad-body` or `access.write` before anything is asked of anybody. */
export async function answerWrites({ body, by, mayWrite, tags, commands }: WriteRequest): Promise<unknown> {
  const asked = parseBody(body)
  const isBatch = typeof asked === 'object' && asked !== null && 'writes' in asked
  const { writes, together } = isBatch ? parsed(batchSchema, asked) : { writes: [parsed(writeSchema, asked)], together: false }
  const forbidden = writes.filter(({ tag }) => !mayWrite(tag))
  const [first] = forbidden
  if (first !== undefined) {
    for (const { id, tag, value } of forbidden) {
      const { code, message, remedy } = notToWrite(by.name, tag)
      commands.noteRefused({ ...(id === undefined ? {} : { id }), tag, value, by, code, message, remedy })
    }
    throw notToWrite(by.name, first.tag)
  }
  const batch: CommandBatch = { commands: writes.map((write) => commandOf(write, { by, tags })), isTogether: together }
  const results = await commands.writeAll(batch)
  const rows = results.map((result, place) => resultRow(batch.commands[place], result))
  return isBatch ? { results: rows } : rows[0]
}

function parseBody(body: Buffer): unknown {
  try {
    return parseExactJson(body.toString('utf8'))
  } catch {
    throw badBody('it is no JSON')
  }
}

function parsed<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const result = schema.safeParse(value)
  if (!result.success) throw badBody(issueText(result.error, 'the body').slice(0, 500))
  return result.data
}

function commandOf(
  { tag, value, id, expires }: z.output<typeof writeSchema>,
  { by, tags }: { readonly by: Asker; readonly tags: LiveTags },
): Command {
  const place = tags.find(asTagId(tag))
  const type = place === undefined ? undefined : tags.metas[place]?.type
  const expiresMs = expires === undefined ? undefined : parseIsoTime(expires)
  return {
    id: id ?? randomUUID(),
    tag: asTagId(tag),
    value: tagValueOf(value, type),
    by,
    ...(expiresMs === undefined ? {} : { expiresMs }),
  }
}

function resultRow(command: Command | undefined, { value, ...rest }: CommandResult): Readonly<Record<string, unknown>> {
  return { tag: command?.tag, ...rest, ...(value === undefined ? {} : { value: jsonValue(value) }) }
}

function notToWrite(name: string, tag: string): Fault {
  return new Fault('access.write', `The rules of "${name}" do not let him write ${tag.slice(0, 200)}; nothing was written.`, {
    remedy: 'Ask an admin for a rule (`lineside user add NAME --write FILTER`) that covers the topic …/set of this tag.',
  })
}

function badBody(why: string): Fault {
  return new Fault('api.bad-body', `The request cannot be read: ${why}.`, {
    remedy: 'Send {"tag":"DEVICE/TAG","value":21.5}, or {"writes":[…],"together":true}, as application/json.',
  })
}
