import { systemClock } from '../base/clock.ts'
import { Fault } from '../base/fault.ts'
import { issueText } from '../base/issue-text.ts'
import { openLog } from '../base/log.ts'
import { nameFrom } from '../model/name.ts'
import { type BrowseResult, browseServer } from '../south/opcua/browse.ts'
import { type BrowseCounts, type BrowsedVariable, browsedVariables } from '../south/opcua/browse-journal.ts'
import { type OpcuaConfig, opcuaSchema } from '../south/opcua/config.ts'
import { parseFieldPath } from '../south/opcua/field.ts'
import type { StructurePart } from '../south/opcua/type-definitions.ts'

/** Where to browse, as a person says it. The password is a secret by name, never a text. */
export interface ServerAddress {
  readonly url: string
  readonly security?: string
  readonly user?: string
  readonly secret?: string
  readonly timeout?: string
  readonly trust?: string
}

export interface BrowseRequest {
  readonly config: OpcuaConfig
  readonly root?: string
  readonly depthMax: number
  readonly include: readonly string[]
  readonly exclude: readonly string[]
  /** Holds what was found and what is left; a browse with the same file goes on. */
  readonly file: string
  /** Holds our certificate and the server's that was seen first. */
  readonly stateFolder: string
  readonly pinFolder?: string
  readonly signal: AbortSignal
  readonly onProgress?: (counts: BrowseCounts) => void
}

/** What stands under `connection:` of a device file for this server. */
export function connectionSection({ url, security, user, secret, timeout, trust }: ServerAddress): Record<string, unknown> {
  const all = { url, security, user, password: secret === undefined ? undefined : `\${secret:${secret}}`, timeout, trust }
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
}

/** Throws the Fault `browse.option` for what no device file could say either. */
export function serverConfig(address: ServerAddress): OpcuaConfig {
  const parsed = opcuaSchema.config.safeParse({ connection: connectionSection(address) })
  if (parsed.success) return parsed.data
  throw new Fault('browse.option', `${issueText(parsed.error, 'the address')}.`, {
    remedy: 'Name the server like opc.tcp://host:4840/path, and options as a device file has them under `connection`.',
  })
}

/** Rejects with the Fault of the connection, or with the signal's reason; either way the file is good to go on from. */
export async function browse({ config, signal, stateFolder, ...request }: BrowseRequest): Promise<BrowseResult> {
  const context = { signal, clock: systemClock, log: openLog('warn'), stateFolder, trustedAs: { name: config.connection.url } }
  return await browseServer({ ...request, config, context })
}

/** A variable as a tag: its keys in a device file, or why it can be none. */
export interface BrowsedTag {
  /** Names with `/` between them, from the root of the browse. Two variables may have the same. */
  readonly path: string
  readonly fields: Readonly<Record<string, unknown>>
  readonly access: 'read' | 'write' | 'read, write' | 'none'
  readonly refusal?: string
  readonly dataType: string
}

/** One at a time, in the order in which they were found. */
export async function* browsedTags(file: string): AsyncGenerator<BrowsedTag> {
  for await (const variable of browsedVariables(file)) {
    const { parts } = variable
    if (parts === undefined || !variable.isReadable) yield tagOf(variable)
    else for (const part of parts) yield tagOfPart(variable, part)
  }
}

/** One value of a structure: read-only, for OPC UA writes nodes as a whole. */
function tagOfPart({ node, path }: BrowsedVariable, { field, type, dataType, isArray, description, refusal }: StructurePart): BrowsedTag {
  const steps = field === '' ? [] : (parseFieldPath(field) ?? [field])
  const levels = [...(path === '' ? [] : [path]), ...steps.map((step) => nameFrom(String(step)))]
  const declared = type === undefined || isArray ? {} : { type }
  const named = field === '' ? {} : { field }
  const fields = { node, ...named, ...declared, ...(description === undefined ? {} : { description }) }
  return { path: levels.join('/'), fields, access: 'read', dataType, ...(refusal === undefined ? {} : { refusal }) }
}

function tagOf(variable: BrowsedVariable): BrowsedTag {
  const { node, path, type, dataType, isArray, isReadable, isWritable } = variable
  const access = isReadable ? (isWritable ? 'read, write' : 'read') : isWritable ? 'write' : 'none'
  const refusal = refusalOf(variable)
  const declared = type === undefined || isArray ? {} : { type } // an array's type would be taken for that of a single value
  return { path, fields: { node, ...declared, ...numbersOf(variable) }, access, dataType, ...(refusal === undefined ? {} : { refusal }) }
}

function numbersOf({ type, unit, range, description }: BrowsedVariable): Record<string, unknown> {
  const isNumber = type !== undefined && !['bool', 'string', 'bytes', 'time'].includes(type)
  return {
    ...(unit === undefined ? {} : { unit }),
    ...(range === undefined || !isNumber ? {} : { range }),
    ...(description === undefined ? {} : { description }),
  }
}

function refusalOf({ isStructure, isReadable, dataType }: BrowsedVariable): string | undefined {
  if (!isReadable) return 'may not be read'
  return isStructure ? `a structure (${dataType}): name the parts you want with \`field\`` : undefined
}
