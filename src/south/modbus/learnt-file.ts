import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { LearntFacts } from './learnt-schema.ts'

/** More than this was not written by us. */
const sizeBytesMax = 1024 * 1024

const fileName = 'modbus-learnt.json'
/** Only the last one: nobody needs more to see what went wrong. */
const asideName = 'modbus-learnt.corrupt.json'

export interface LearntRead {
  readonly facts?: LearntFacts
  readonly setAsideAs?: string
}

/** `setAsideAs`: the file made no sense, and was kept under that name. Rejects where it cannot be read at all. */
export async function readLearnt(folder: string): Promise<LearntRead> {
  const path = join(folder, fileName)
  const info = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (info === undefined) return {}
  const facts = info.size > sizeBytesMax ? undefined : await parseFacts(await readFile(path, 'utf8'))
  if (facts !== undefined) return { facts }
  const setAsideAs = join(folder, asideName)
  await rename(path, setAsideAs)
  return { setAsideAs }
}

/** Either the whole new file is there afterwards or the whole old one, whenever the power fails. */
export async function writeLearnt(folder: string, facts: LearntFacts): Promise<void> {
  await mkdir(folder, { recursive: true })
  const path = join(folder, fileName)
  const temporary = `${path}.new`
  try {
    const file = await open(temporary, 'w', 0o640)
    try {
      await file.writeFile(`${JSON.stringify(facts, undefined, 1)}\n`)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {}) // a full disk is told of below
    throw error
  }
}

async function parseFacts(text: string): Promise<LearntFacts | undefined> {
  const { learntSchema } = await import('./learnt-schema.ts') // most devices have taught nothing, and need no zod in this thread
  try {
    return learntSchema.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
}
