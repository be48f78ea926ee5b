import { z } from 'zod'
import { pathSchema } from '../../model/name.ts'
import type { Problem } from '../driver.ts'
import { parseBrowsePath, parseNodeText } from './address.ts'

/** One branch of the server's address space that becomes tags. */
export interface ImportBranch {
  /** Node id or browse path. */
  readonly from: string
  /** In front of the paths of the tags. */
  readonly into?: string
  readonly include: readonly string[]
  readonly exclude: readonly string[]
  readonly depth: number
  /** The scan class of the tags. */
  readonly scan?: string
}

const branchesMax = 100
const globsMax = 100
const depthLimit = 64

const globSchema = z.string().min(1).max(500)

const branchSchema = z.strictObject({
  from: z.string().min(1).max(4_096).describe('Where the branch begins: a node id, or a browse path like /Objects/2:Line.'),
  into: pathSchema.optional().describe('Put in front of the tags of the branch.'),
  include: z
    .array(globSchema)
    .max(globsMax)
    .default(['**'])
    .describe('Which variables, by their path from `from`: * is any name or part of one, ** any number of levels.'),
  exclude: z.array(globSchema).max(globsMax).default([]).describe('Which of them not; a folder that matches is not even looked into.'),
  depth: z.int().min(1).max(depthLimit).default(16).describe('How many levels below `from`.'),
  scan: z.string().min(1).optional().describe('The scan class of the tags.'),
})

export const importSchema = z
  .array(branchSchema)
  .max(branchesMax)
  .optional()
  .describe(
    'Branches that become tags. `lineside import DEVICE` asks the server and writes what it found beside this file, as NAME.import.csv; keys of a tag under `tags:` are added to it.',
  )

export function branchOf({ into, scan, ...branch }: z.output<typeof branchSchema>): ImportBranch {
  return { ...branch, ...(into === undefined ? {} : { into }), ...(scan === undefined ? {} : { scan }) }
}

export function checkImport(branches: readonly ImportBranch[] = []): readonly Problem[] {
  return branches.flatMap(({ from }, place): Problem[] => {
    if ((from.startsWith('/') ? parseBrowsePath(from) : parseNodeText(from)) !== undefined) return []
    return [
      {
        path: ['import', place, 'from'],
        code: 'opcua.import-from',
        message: `${from} is neither a node id nor a browse path.`,
        remedy: 'Write it like nsu=http://vendor.example/line;s=Press, or /Objects/2:Line/2:Press.',
      },
    ]
  })
}
