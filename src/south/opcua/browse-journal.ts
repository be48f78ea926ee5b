import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { Fault } from '../../base/fault.ts'
import { FingerprintSet } from '../../base/fingerprint-set.ts'
import type { ValueType } from '../../model/tag.ts'
import type { StructurePart } from './type-definitions.ts'

/**
 * The state of a browse, on the disk: what was found is what is still to be looked into, so one file is both the result and the queue.
 *
 * Lines of JSON: first the question (`{"browse":1,…}`), then `["n",node,depth,path]` for each node that was found, `["v",variable]` for each variable
 * that was read, and `["c",k]` after each step: the first k nodes have been looked into, and all that came of it stands above. What follows
 * the last `c` was cut off by the end of the process, and is done again. A node has one line, so a browse that goes on finds nothing twice.
 */
export interface BrowseQuestion {
  readonly url: string
  readonly root: string
  readonly depthMax: number
  readonly include: readonly string[]
  readonly exclude: readonly string[]
}

/** A node that was found. */
export interface FoundNode {
  readonly node: string
  readonly depth: number
  /** Names from the root, which has none. */
  readonly path: string
  readonly isVariable: boolean
}

/** A variable as a tag could be made of it. */
export interface BrowsedVariable {
  readonly node: string
  readonly path: string
  /** Absent where only each value tells: Number, BaseDataType. */
  readonly type?: ValueType
  /** As the server calls it. */
  readonly dataType: string
  readonly isArray: boolean
  /** A value made of fields, which is no tag by itself. */
  readonly isStructure: boolean
  /** Of a structure that the server explains. */
  readonly parts?: readonly StructurePart[]
  readonly isReadable: boolean
  readonly isWritable: boolean
  readonly unit?: string
  readonly range?: readonly [number, number]
  readonly description?: string
}

export interface BrowseStep {
  readonly nodes: readonly FoundNode[]
  readonly variables: readonly BrowsedVariable[]
  /** Nodes that have been looked into with this step. */
  readonly expanded: number
}

export interface BrowseCounts {
  readonly nodes: number
  readonly expanded: number
  readonly variables: number
}

/** 16 bytes of memory each while browsing: 80 MB. No PLC comes near it. */
const nodesMax = 5_000_000
const readBytes = 64 * 1024
/** A path of 64 levels and a long node id fit; what is longer was not written here. */
const lineBytesMax = 1024 * 1024
const format = 1

type Line = readonly ['n', string, number, string, 0 | 1] | readonly ['v', BrowsedVariable] | readonly ['c', number]

export class BrowseJournal {
  readonly #file: string
  readonly #handle: FileHandle
  readonly #seen = new FingerprintSet({ sizeMax: nodesMax })
  #nodes = 0
  #expanded = 0
  #variables = 0
  #endsAt = 0
  #frontier: AsyncGenerator<FoundNode> | undefined

  /** Begins, or goes on where a process with the same question was ended. */
  static async open(file: string, question: BrowseQuestion): Promise<BrowseJournal> {
    const handle = await open(file, constants.O_RDWR | constants.O_CREAT, 0o600)
    try {
      const journal = new BrowseJournal(file, handle)
      await journal.#begin(question)
      return journal
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  private constructor(file: string, handle: FileHandle) {
    this.#file = file
    this.#handle = handle
  }

  get counts(): BrowseCounts {
    return { nodes: this.#nodes, expanded: this.#expanded, variables: this.#variables }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#frontier?.return(undefined)
    await this.#handle.close()
  }

  /** False for a node that was found before: this is also what ends every loop. */
  isNew(node: string): boolean {
    const isNew = this.#seen.add(node)
    if (!isNew && this.#seen.isFull) {
      throw new Fault('browse.too-many-nodes', `There are more than ${nodesMax} nodes.`, {
        remedy: 'Begin further down: --root, or narrow it with --include and --depth.',
      })
    }
    return isNew
  }

  /** The next nodes to look into, in the order in which they were found. Empty: all is done. */
  async take(count: number): Promise<readonly FoundNode[]> {
    this.#frontier ??= this.#nodesFrom(this.#expanded)
    const taken: FoundNode[] = []
    while (taken.length < Math.min(count, this.#nodes - this.#expanded)) {
      const next = await this.#frontier.next()
      if (next.done === true) break
      taken.push(next.value)
    }
    return taken
  }

  async commit({ nodes, variables, expanded }: BrowseStep): Promise<void> {
    this.#expanded += expanded
    const lines: Line[] = [
      ...nodes.map(({ node, depth, path, isVariable }): Line => ['n', node, depth, path, isVariable ? 1 : 0]),
      ...variables.map((variable): Line => ['v', variable]),
      ['c', this.#expanded],
    ]
    await this.#append(lines)
    this.#nodes += nodes.length
    this.#variables += variables.length
  }

  async #append(lines: readonly unknown[]): Promise<void> {
    const text = Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
    await this.#handle.write(text, 0, text.length, this.#endsAt)
    this.#endsAt += text.length
  }

  async #begin(question: BrowseQuestion): Promise<void> {
    const header = JSON.stringify({ browse: format, ...question })
    let pending: string[] = []
    let variables = 0
    let lineNumber = 0
    for await (const { text, endsAt } of linesOf(this.#handle, () => Number.POSITIVE_INFINITY)) {
      lineNumber += 1
      if (lineNumber === 1) {
        if (text !== header) throw otherQuestion(this.#file)
        this.#endsAt = endsAt
        continue
      }
      const line = parsedLine(text)
      if (line === undefined) break // damaged: what stands before it is good
      if (line[0] === 'n') pending.push(line[1])
      else if (line[0] === 'v') variables += 1
      else {
        for (const node of pending) this.#seen.add(node)
        this.#nodes += pending.length
        this.#variables += variables
        this.#expanded = line[1]
        this.#endsAt = endsAt
        pending = []
        variables = 0
      }
    }
    if (lineNumber === 0) await this.#refuseStranger(header)
    await this.#handle.truncate(this.#endsAt)
    if (lineNumber === 0) await this.#append([{ browse: format, ...question }])
  }

  /** A file without a whole line is ours only if our first line was cut off: anything else is somebody's, and stays. */
  async #refuseStranger(header: string): Promise<void> {
    const { size } = await this.#handle.stat()
    const { buffer } = await this.#handle.read(Buffer.alloc(Math.min(size, header.length + 1)), 0, undefined, 0)
    if (size > header.length + 1 || !header.startsWith(buffer.toString('utf8'))) throw otherQuestion(this.#file)
  }

  async *#nodesFrom(skip: number): AsyncGenerator<FoundNode> {
    let place = 0
    for await (const { text } of linesOf(this.#handle, () => this.#endsAt)) {
      const line = parsedLine(text)
      if (line === undefined || line[0] !== 'n') continue
      place += 1
      if (place > skip) yield { node: line[1], depth: line[2], path: line[3], isVariable: line[4] === 1 }
    }
  }
}

/** The variables of a browse that is done, one at a time. */
export async function* browsedVariables(file: string): AsyncGenerator<BrowsedVariable> {
  await using handle = await open(file, 'r')
  for await (const { text } of linesOf(handle, () => Number.POSITIVE_INFINITY)) {
    const line = parsedLine(text)
    if (line?.[0] === 'v') yield line[1]
  }
}

interface TextLine {
  readonly text: string
  /** Where the next line begins. */
  readonly endsAt: number
}

/** Whole lines up to where the file is known to be good, which may move while they are read. */
async function* linesOf(handle: FileHandle, goodBytes: () => number): AsyncGenerator<TextLine> {
  const buffer = Buffer.alloc(readBytes)
  let rest = Buffer.alloc(0)
  let at = 0
  for (;;) {
    const { bytesRead } = await handle.read(buffer, 0, Math.min(readBytes, goodBytes() - at), at)
    if (bytesRead === 0) return
    const whole = Buffer.concat([rest, buffer.subarray(0, bytesRead)])
    let from = 0
    for (let end = whole.indexOf(10, from); end >= 0; end = whole.indexOf(10, from)) {
      yield { text: whole.toString('utf8', from, end), endsAt: at - rest.length + end + 1 }
      from = end + 1
    }
    at += bytesRead
    if (whole.length - from > lineBytesMax) return
    rest = Buffer.from(whole.subarray(from))
  }
}

function parsedLine(text: string): Line | undefined {
  try {
    const line: unknown = JSON.parse(text)
    return Array.isArray(line) && ['n', 'v', 'c'].includes(String(line[0])) ? (line as unknown as Line) : undefined
  } catch {
    return undefined
  }
}

function otherQuestion(file: string): Fault {
  return new Fault('browse.other-question', `${file} is no state of this browse: it was begun with another address or other options.`, {
    remedy: 'Repeat the command with the options it was begun with, or name another file.',
  })
}
