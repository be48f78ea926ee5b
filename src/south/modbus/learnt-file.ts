import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { areas } from './address.ts'

/** More than this was not written by us. */
const sizeBytesMax = 1024 * 1024
export const holesMax = 500
const unitsMax = 256
const functionsMax = 1_000

const unit = z.int().min(0).max(255)
const since = z.number()
const hole = z.strictObject({
  kind: z.enum(['hole', 'gap']),
  unit,
  area: z.enum(areas),
  start: z.int().min(0).max(65_535),
  count: z.int().min(0).max(65_536),
  code: z.int().min(1).max(255),
  /** What the tags there were when it was found: another tag deserves another look. */
  tags: z.string().max(64),
  sinceMs: since,
})

const learntSchema = z.strictObject({
  version: z.literal(1),
  /** Who was asked: another device may stand at another address. */
  peer: z.string().max(300),
  holes: z.array(hole).max(holesMax),
  limits: z.array(z.strictObject({ unit, isBits: z.boolean(), countMax: z.int().min(1).max(2_000), sinceMs: since })).max(2 * unitsMax),
  without: z.array(z.strictObject({ unit, function: z.int().min(1).max(127), sinceMs: since })).max(functionsMax),
})

/** What was learnt about a device, as it outlives a restart. */
export type LearntFacts = z.output<typeof learntSchema>
export type LearntHole = LearntFacts['holes'][number]

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
  const facts = info.size > sizeBytesMax ? undefined : parseFacts(await readFile(path, 'utf8'))
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

function parseFacts(text: string): LearntFacts | undefined {
  try {
    return learntSchema.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
}
