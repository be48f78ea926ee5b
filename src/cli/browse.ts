import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../base/clock.ts'
import { Fault } from '../base/fault.ts'
import { type BrowsedTag, browse, browsedTags, connectionSection, type ServerAddress, serverConfig } from '../runtime/browse.ts'
import { commentLine, deviceHeadText, tagLine } from '../site/device-text.ts'
import { findDriver } from '../site/drivers.ts'
import { type TagRow, tagTableText } from '../site/tag-table.ts'
import { browseStateOf } from './browse-state.ts'
import { keepWhatIsThere } from './device-out.ts'
import { stopSignal } from './stop-signal.ts'
import { TagNames } from './tag-names.ts'
import type { Terminal } from './terminal.ts'

export interface BrowseCommand extends ServerAddress {
  readonly root?: string
  readonly depth: number
  readonly include?: readonly string[]
  readonly exclude?: readonly string[]
  readonly asDevice?: string
  readonly csv?: boolean
  readonly json?: boolean
  readonly writable?: boolean
  readonly force?: boolean
  readonly resume?: string
  readonly out?: string
}

/** The site's loader takes no larger file. */
const deviceFileBytesMax = 4 * 1024 * 1024
const progressMs = 1_000
const rowsAtOnce = 500

/** `lineside browse`: shows an address space, or writes it as a device file or table; 3 where the server cannot be reached, or not any more. */
export async function browseCommand(command: BrowseCommand, terminal: Terminal): Promise<number> {
  const stop = terminal.stop ?? stopSignal()
  const config = serverConfig(command)
  await keepWhatIsThere(command)
  const file =
    command.resume ?? (command.out === undefined ? join(tmpdir(), `lineside-browse-${randomUUID()}.part`) : `${command.out}.part`)
  const { root, depth, include = ['**'], exclude = [] } = command
  const tell = progress(terminal)
  let hasFound = false
  try {
    const found = await browse({
      config,
      ...(root === undefined ? {} : { root }),
      depthMax: depth,
      include,
      exclude,
      file,
      stateFolder: await browseStateOf(config.connection.url, terminal.environment),
      signal: stop,
      onProgress: (counts) => {
        hasFound = true
        tell(counts)
      },
    })
    terminal.error(`${found.nodes} nodes, ${found.variables} variables.\n`)
    for (const refused of found.refused.examples) terminal.error(`The server did not show ${refused}\n`)
    const left = found.refused.count - found.refused.examples.length
    if (left > 0) terminal.error(`… and ${left} more.\n`)
    const isEmpty = command.asDevice !== undefined && !(await hasTag(file))
    if (isEmpty) terminal.error(`${nothing}\n`)
    else await write(command, file, terminal)
    await rm(file, { force: true })
    return isEmpty ? 1 : 0
  } catch (error) {
    if (!stop.aborted && !(error instanceof Fault)) throw error
    if (error instanceof Fault) terminal.error(`${error.message}  (${error.code})\n    ${error.remedy}\n`)
    if (!hasFound && command.resume === undefined) await rm(file, { force: true })
    if (error instanceof Fault && /^(browse|secret)\.|^opcua\.no-such-node$/.test(error.code)) return 1
    if (!hasFound) return stop.aborted ? 1 : 3
    terminal.error(
      `${stop.aborted ? 'Interrupted. ' : ''}What was found is in ${file}: the same command with --resume ${file} goes on from there.\n`,
    )
    return stop.aborted ? 1 : 3
  }
}

const nothing = `Nothing of it can be a tag: no device was written.  (browse.nothing)
    Look at --root, --depth, --include and --exclude; --json in place of --as-device tells of each variable why it is left out.`

async function hasTag(file: string): Promise<boolean> {
  for await (const { refusal } of browsedTags(file)) if (refusal === undefined) return true
  return false
}

/** One line a second, on the side of the errors: the other one may be a file. */
export function progress(terminal: Terminal): (counts: { readonly nodes: number; readonly expanded: number }) => void {
  let told = systemClock.elapsed()
  return ({ nodes, expanded }) => {
    if (systemClock.elapsed() - told < progressMs) return
    told = systemClock.elapsed()
    terminal.error(`${expanded} of ${nodes} nodes so far\n`)
  }
}

async function write(command: BrowseCommand, file: string, terminal: Terminal): Promise<void> {
  if (command.out === undefined) {
    for await (const text of texts(command, file, terminal)) terminal.out(text)
    return
  }
  const fresh = `${command.out}.new`
  const stream = createWriteStream(fresh, { flush: true })
  let sizeBytes = 0
  try {
    for await (const text of texts(command, file, terminal)) {
      sizeBytes += Buffer.byteLength(text)
      if (!stream.write(text)) await once(stream, 'drain')
    }
    stream.end()
    await once(stream, 'close')
    await rename(fresh, command.out)
  } catch (error) {
    stream.destroy()
    await rm(fresh, { force: true })
    throw error
  }
  if (command.asDevice === undefined || sizeBytes <= deviceFileBytesMax) return
  terminal.error(`${command.out} is larger than the 4 MiB that a device file may have: browse again with --root, --include or --depth.\n`)
}

function texts(command: BrowseCommand, file: string, terminal: Terminal): AsyncGenerator<string> {
  const tags = named(file)
  if (command.asDevice !== undefined) return deviceTexts(command, command.asDevice, { tags, terminal })
  if (command.csv === true) return csvTexts(tags, command)
  return command.json === true ? jsonTexts(tags) : listTexts(tags)
}

async function* named(file: string): AsyncGenerator<BrowsedTag> {
  const names = new TagNames()
  for await (const tag of browsedTags(file)) yield { ...tag, path: tag.path === '' ? 'value' : names.nameFor(tag.path) }
}

interface DeviceTexts {
  readonly tags: AsyncGenerator<BrowsedTag>
  readonly terminal: Terminal
}

async function* deviceTexts(command: BrowseCommand, device: string, { tags, terminal }: DeviceTexts): AsyncGenerator<string> {
  const comments = [`Written by \`lineside browse ${command.url}\`: take away what you do not need. No tag is writable unless it says so.`]
  yield deviceHeadText({ device, driver: 'opcua', sections: { connection: connectionSection(command) }, comments })
  let taken = 0
  let left = 0
  for await (const { path, fields, access, refusal } of tags) {
    const isWritable = access === 'read, write'
    if (refusal !== undefined) {
      left += 1
      yield commentLine(`${path} (${String(fields['node'])}) is left out: ${refusal}`)
      continue
    }
    taken += 1
    if (command.writable === true && isWritable) yield tagLine(path, { ...fields, write: writeRules(fields) })
    else yield tagLine(path, fields, isWritable ? 'writable' : undefined)
  }
  terminal.error(`${taken} tags${left === 0 ? '' : `, ${left} ${left === 1 ? 'variable' : 'variables'} left out`}.\n`)
}

/** The server's own range is the least that a write has to keep to. */
function writeRules({ range }: BrowsedTag['fields']): Record<string, unknown> {
  return Array.isArray(range) ? { min: range[0], max: range[1] } : {}
}

/** Which columns there are must be known before the first row: all that a browse can fill. */
async function* csvTexts(tags: AsyncGenerator<BrowsedTag>, command: BrowseCommand): AsyncGenerator<string> {
  const driver = findDriver('opcua')
  if (driver === undefined) throw new Error('there is no driver opcua')
  const columns = [
    'node',
    'field',
    'type',
    'unit',
    'range.min',
    'range.max',
    'description',
    ...(command.writable === true ? ['write', 'write.min', 'write.max'] : []),
  ]
  let rows: TagRow[] = []
  let hasHeader = true
  const flush = (): string => {
    const text = tagTableText(rows, { driver, columns: [...columns, 'access'], hasHeader })
    hasHeader = false
    rows = []
    return text
  }
  for await (const { path, fields, access, refusal } of tags) {
    if (refusal !== undefined) continue
    const isWritable = command.writable === true && access === 'read, write'
    rows.push({ path, fields: isWritable ? { ...fields, write: writeRules(fields) } : fields, access })
    if (rows.length >= rowsAtOnce) yield flush()
  }
  yield flush()
}

async function* jsonTexts(tags: AsyncGenerator<BrowsedTag>): AsyncGenerator<string> {
  let separator = '[\n'
  for await (const { path, fields, access, dataType, refusal } of tags) {
    yield `${separator}${JSON.stringify({ tag: path, ...fields, dataType, access, ...(refusal === undefined ? {} : { refusal }) })}`
    separator = ',\n'
  }
  yield separator === '[\n' ? '[]\n' : '\n]\n'
}

async function* listTexts(tags: AsyncGenerator<BrowsedTag>): AsyncGenerator<string> {
  for await (const { path, fields, access, dataType } of tags) {
    const { node, field, unit, range } = fields
    const place = field === undefined ? String(node) : `${node}  ${field}`
    const span = Array.isArray(range) ? `${range[0]}…${range[1]}` : ''
    yield `${[path, dataType, access, [span, unit].filter((text) => text !== undefined && text !== '').join(' '), place].join('  ').replaceAll(/\p{Cc}/gu, '�')}\n`
  }
}
