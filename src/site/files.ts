import { constants, type Dirent } from 'node:fs'
import { open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { ProblemList } from './problems.ts'
import type { Finding } from './source.ts'

/** Ten thousand tags fit in it with room to spare. */
const fileBytesMax = 4 * 1024 * 1024
const filesMax = 1_000

/** Whether there is a folder; why not stands in `problems`. */
export async function isFolder(path: string, problems: ProblemList): Promise<boolean> {
  const finding = await stat(path).then(
    (status) => (status.isDirectory() ? undefined : noFolder(path, 'no folder')),
    (error: unknown) => whyNoFolder(path, unreadable(path, error)),
  )
  if (finding !== undefined) problems.addAt({ file: '.' }, finding)
  return finding === undefined
}

function whyNoFolder(path: string, finding: Finding): Finding {
  return finding.code === 'file.missing' ? noFolder(path, 'not there') : finding
}

function noFolder(path: string, what: string): Finding {
  return { code: 'site.no-folder', message: `${path} is ${what}.`, remedy: noSiteRemedy }
}

/** The text of one file; undefined when it cannot be read, and why stands in `problems`. `file` is relative to `folder`. */
export async function readTextFile(folder: string, file: string, problems: ProblemList): Promise<string | undefined> {
  try {
    const bytes = await readBounded(join(folder, file))
    if (typeof bytes === 'string')
      problems.addAt({ file }, { code: 'file.unusable', message: `${file} ${bytes}.`, remedy: 'Put a text file of at most 4 MiB here.' })
    else return decode(bytes, file, problems)
  } catch (error) {
    const finding = unreadable(file, error)
    const isNoSite = file === 'lineside.yaml' && finding.code === 'file.missing'
    problems.addAt(
      { file },
      isNoSite ? { ...finding, message: `${folder} is no site: lineside.yaml is not there.`, remedy: noSiteRemedy } : finding,
    )
  }
  return undefined
}

/** The files of tests beside the flows. */
export async function listTestFiles(folder: string, problems: ProblemList): Promise<readonly string[]> {
  const entries = await readFolder(join(folder, 'flows'), 'flows', problems)
  const names = entries.filter((entry) => !entry.isDirectory()).map(({ name }) => name)
  const files = names.filter((name) => !name.startsWith('.') && name.endsWith('.test.yaml')).toSorted()
  return files.slice(0, filesMax).map((entry) => `flows/${entry}`)
}

/** The YAML files of a folder of the site, sorted by name; none when the folder is not there. */
export async function listYamlFiles(folder: string, name: string, problems: ProblemList): Promise<readonly string[]> {
  const all = (await readFolder(join(folder, name), name, problems)).filter((entry) => !entry.name.startsWith('.'))
  for (const { name: below } of all.filter((entry) => entry.isDirectory()))
    problems.addAt({ file: `${name}/${below}` }, notLookedInto(name, below))
  const visible = all
    .filter((entry) => !entry.isDirectory() || /\.ya?ml$/.test(entry.name))
    .map((entry) => entry.name)
    .toSorted()
  for (const entry of visible.filter((other) => other.endsWith('.yml'))) {
    problems.addAt(
      { file: `${name}/${entry}` },
      {
        code: 'file.extension',
        message: `${name}/${entry} is not read.`,
        remedy: 'Rename it: site files end in .yaml.',
        severity: 'warning',
      },
    )
  }
  const files = visible.filter((entry) => entry.endsWith('.yaml') && !entry.endsWith('.test.yaml'))
  if (files.length > filesMax) {
    problems.addAt(
      { file: name },
      {
        code: 'file.too-many',
        message: `${name}/ holds ${files.length} files; ${filesMax} are read.`,
        remedy: 'Split the site between two gateways.',
      },
    )
  }
  return files.slice(0, filesMax).map((entry) => `${name}/${entry}`)
}

const noSiteRemedy = 'Name the folder that holds lineside.yaml, or write a site to begin with: lineside init DIR.'

function notLookedInto(folder: string, below: string): Finding {
  const message = `${folder}/${below}/ is a folder: nothing in it is read.`
  return { code: 'file.folder', message, remedy: `Move its files up into ${folder}/, or the folder out of it.`, severity: 'warning' }
}

async function readFolder(path: string, name: string, problems: ProblemList): Promise<readonly Dirent[]> {
  try {
    return await readdir(path, { withFileTypes: true })
  } catch (error) {
    const finding = unreadable(name, error)
    if (finding.code !== 'file.missing') problems.addAt({ file: name }, finding)
    return []
  }
}

/** Opened without waiting, so that a pipe or a device file by that name cannot hold the loader; what is no ordinary file is named instead. */
async function readBounded(path: string): Promise<Buffer | string> {
  const status = await stat(path)
  if (!status.isFile()) return status.isDirectory() ? 'is a folder' : 'is no ordinary file'
  await using handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const buffer = Buffer.alloc(Math.min(status.size, fileBytesMax) + 1)
  let length = 0
  while (length < buffer.length) {
    const { bytesRead } = await handle.read(buffer, length, buffer.length - length, null)
    if (bytesRead === 0) return buffer.subarray(0, length)
    length += bytesRead
  }
  return length > fileBytesMax ? 'is larger than 4 MiB' : 'changes while it is read'
}

function decode(bytes: Buffer, file: string, problems: ProblemList): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    problems.addAt({ file }, { code: 'file.encoding', message: `${file} is not UTF-8.`, remedy: 'Save it as UTF-8.' })
    return undefined
  }
}

/** What the system says of a file. Anything else is our own mistake, and goes on its way. */
function unreadable(file: string, error: unknown): { code: string; message: string; remedy: string } {
  if (!(error instanceof Error && 'code' in error)) throw error
  const code = String(error.code)
  const known = reasons[code]
  if (known !== undefined) return { code: known.code, message: `${file} ${known.message}.`, remedy: known.remedy }
  return { code: 'file.unreadable', message: `${file} cannot be read (${code}).`, remedy: 'Look at the file and the disk it is on.' }
}

const reasons: Readonly<Record<string, { readonly code: string; readonly message: string; readonly remedy: string }>> = {
  ENOENT: { code: 'file.missing', message: 'is not there', remedy: 'Create it, or remove the link that points nowhere.' },
  EACCES: { code: 'file.forbidden', message: 'may not be read', remedy: 'Give the user that runs Lineside the right to read it.' },
  ELOOP: { code: 'file.link-loop', message: 'is a link that leads back to itself', remedy: 'Put the file itself here.' },
  ENOTDIR: { code: 'file.no-folder', message: 'is no folder', remedy: 'Name a folder.' },
}
