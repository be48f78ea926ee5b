import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  type YAMLError,
  type YAMLMap,
} from 'yaml'
import type { ProblemList } from './problems.ts'
import type { Path, Position, SourceFile, Spot } from './source.ts'

/** Deeper than any site file needs, and far from the end of the stack. */
const depthMax = 40
/** Values in one file, those that aliases repeat included: what makes a bomb harmless. */
const valuesMax = 500_000
const shownErrorsMax = 5

/** undefined when the text is no YAML that can be used; why stands in `problems`. */
export function parseYamlFile(file: string, text: string, problems: ProblemList): SourceFile | undefined {
  const lines = new LineCounter()
  // Duplicate keys are looked for below: the library's own search is quadratic (5 s for 20,000 keys).
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false, merge: false })
  const faults = [...document.errors, ...document.warnings]
  if (faults.length > 0) {
    reportFaults(faults, text, { file, lines, problems })
    return undefined
  }
  const reader = new Reader({ file, document, lines, problems })
  const value = reader.read()
  if (!reader.isUsable) return undefined
  return { file, value, place: (spot) => placeOf(spot, document, lines) }
}

interface At {
  readonly file: string
  readonly lines: LineCounter
  readonly problems: ProblemList
}

/** An address of several elements, as people write it: in a map of one line, YAML takes its brackets for a list and stumbles from there on. */
const bareArray = /(?<!["'\w/:])(?:\d{1,3}\/)?(?:hr|ir|co|di):\d+\[\d+\]/g

/** What YAML says once the addresses are mended: one mistake is told once. */
function reportFaults(faults: readonly YAMLError[], text: string, at: At): void {
  const faulty = new Set(faults.map((fault) => at.lines.linePos(fault.pos[0]).line))
  const bare = [...text.matchAll(bareArray)].filter((match) => faulty.has(at.lines.linePos(match.index).line))
  const mended = bare.reduce((whole, { 0: address, index }) => {
    return whole.slice(0, index) + address.replaceAll(/[[\]]/g, '_') + whole.slice(index + address.length)
  }, text)
  for (const { 0: address, index } of bare.slice(0, shownErrorsMax)) {
    at.problems.addAt(
      { file: at.file, ...positionOf(index, at.lines) },
      {
        code: 'yaml.quotes-missing',
        message: `In a map of one line, ${address} needs quotes: [ begins a list there.`,
        remedy: `Write "${address}", with the quotes.`,
      },
    )
  }
  const left = bare.length === 0 ? faults : faultsOf(mended)
  for (const fault of left.slice(0, shownErrorsMax)) reportFault(fault, at)
}

function faultsOf(text: string): readonly YAMLError[] {
  const { errors, warnings } = parseDocument(text, { prettyErrors: false, uniqueKeys: false, merge: false })
  return [...errors, ...warnings]
}

function reportFault(fault: YAMLError, { file, lines, problems }: At): void {
  const isTooDeep = fault.code === 'RESOURCE_EXHAUSTION'
  const [firstLine = ''] = fault.message.split('\n')
  problems.addAt(
    { file, ...positionOf(fault.pos[0], lines) },
    {
      code: isTooDeep ? 'yaml.too-deep' : `yaml.${fault.code.toLowerCase().replaceAll('_', '-')}`,
      message: messages[fault.code] ?? `${firstLine.slice(0, 300).replace(/[.:]$/, '')}.`,
      remedy: remedies[fault.code] ?? 'Mend the YAML at this place: indent with blanks, and put quotes around text with : # [ { or *.',
    },
  )
}

/** In place of the library's, which speak to programmers. */
const messages: Readonly<Record<string, string>> = {
  RESOURCE_EXHAUSTION: 'The file is nested too deeply.',
  MULTIPLE_DOCS: 'A second document begins here.',
}

const remedies: Readonly<Record<string, string>> = {
  RESOURCE_EXHAUSTION: `Nest at most ${depthMax} levels.`,
  TAB_AS_INDENT: 'Indent with blanks.',
  MULTIPLE_DOCS: 'Keep one document in a file: remove what follows `---`.',
  TAG_RESOLVE_FAILED: 'Remove the tag that begins with `!`, or put the text in quotes.',
  MISSING_CHAR: 'Add the missing character.',
}

class Reader {
  readonly #document: Document.Parsed
  readonly #at: At
  readonly #targets = new Map<Node, Node | undefined>()
  #values = 0
  isUsable = true

  constructor({ document, ...at }: At & { readonly document: Document.Parsed }) {
    this.#document = document
    this.#at = at
  }

  read(): unknown {
    return this.#plain(this.#document.contents, [])
  }

  #plain(node: Node | null, path: Path): unknown {
    if (!this.isUsable || node === null) return null
    this.#values += 1
    if (this.#values > valuesMax) return this.#refuse(node, 'yaml.too-large', `The file holds more than ${valuesMax} values.`, 'Split it.')
    if (path.length > depthMax)
      return this.#refuse(node, 'yaml.too-deep', 'The file is nested too deeply.', `Nest at most ${depthMax} levels.`)
    if (isScalar(node)) return node.value
    if (isSeq(node)) return node.items.map((item, place) => this.#plain(item as Node | null, [...path, place]))
    if (isMap(node)) return this.#plainMap(node, path)
    return this.#plainAlias(node, path)
  }

  #plainAlias(node: Node, path: Path): unknown {
    const target = this.#targetOf(node)
    if (target !== undefined) return this.#plain(target, path)
    return this.#refuse(
      node,
      'yaml.alias',
      'There is no anchor of this name above.',
      'Name an anchor (&name) that stands before it, or put the text in quotes.',
    )
  }

  /** Looked for once: the library walks through the whole document, and an alias may be met half a million times. */
  #targetOf(node: Node): Node | undefined {
    if (!this.#targets.has(node)) this.#targets.set(node, isAlias(node) ? node.resolve(this.#document) : undefined)
    return this.#targets.get(node)
  }

  #plainMap(node: YAMLMap, path: Path): Record<string, unknown> {
    const map: Record<string, unknown> = {}
    for (const pair of node.items) {
      const key = keyText(pair)
      if (key === undefined) {
        this.#refuse(pair.key as Node, 'yaml.key', 'A key must be a plain text.', 'Write `key: value` with a text as key.')
      } else if (Object.hasOwn(map, key)) {
        this.#reportDuplicate(pair.key as Node, key, path)
      } else {
        map[key] = this.#plain(pair.value as Node | null, [...path, key])
      }
    }
    return map
  }

  #reportDuplicate(node: Node, key: string, path: Path): void {
    const isTag = path.length === 1 && path[0] === 'tags'
    const { file, lines, problems } = this.#at
    problems.addAt(
      { file, ...positionOf(node.range?.[0] ?? 0, lines) },
      {
        code: isTag ? 'tag.duplicate' : 'yaml.duplicate-key',
        message: `${isTag ? 'The tag' : 'The key'} \`${key.slice(0, 100)}\` stands here a second time.`,
        remedy: 'Rename one of the two, or remove it.',
      },
    )
  }

  #refuse(node: Node, code: string, message: string, remedy: string): null {
    this.isUsable = false
    const { file, lines, problems } = this.#at
    problems.addAt({ file, ...positionOf(node?.range?.[0] ?? 0, lines) }, { code, message, remedy })
    return null
  }
}

/** `__proto__` as a key could change objects that it is copied to. */
function keyText(pair: Pair): string | undefined {
  if (!isScalar(pair.key)) return undefined
  const { value } = pair.key
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') return undefined
  const text = String(value)
  return text === '__proto__' ? undefined : text
}

function positionOf(offset: number, lines: LineCounter): Position {
  const { line, col } = lines.linePos(offset)
  return { line: Math.max(1, line), column: Math.max(1, col) }
}

function placeOf(spot: Spot, document: Document.Parsed, lines: LineCounter): Position {
  let node: Node | null = document.contents
  let offset = node?.range?.[0] ?? 0
  for (const [place, step] of spot.path.entries()) {
    node = isAlias(node) ? (node.resolve(document) ?? null) : node
    const isLast = place === spot.path.length - 1
    const found = child(node, step)
    if (found === undefined) break
    node = found.value
    const target: Node | null = (isLast && spot.part === 'key') || found.value === null ? found.key : found.value
    offset = target?.range?.[0] ?? offset
    if (isLast && target === found.value) offset += insideText(target, spot.offset ?? 0)
  }
  return positionOf(offset, lines)
}

function child(node: Node | null, step: string | number): { readonly key: Node | null; readonly value: Node | null } | undefined {
  if (isMap(node)) {
    const pair = node.items.find((item) => keyText(item) === String(step))
    return pair && { key: pair.key as Node, value: pair.value as Node | null }
  }
  if (!isSeq(node) || typeof step !== 'number' || step >= node.items.length) return undefined
  const item = node.items[step] as Node | null
  return { key: item, value: item }
}

/** Block texts are folded and their columns lost: they are pointed at as a whole. */
function insideText(node: Node | null, offset: number): number {
  if (!isScalar(node)) return 0
  if (node.type === 'PLAIN') return offset
  return node.type === 'QUOTE_SINGLE' || node.type === 'QUOTE_DOUBLE' ? offset + 1 : 0
}
