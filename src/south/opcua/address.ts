/** What an address says of its node, before any server has been asked. */
export interface NodeText {
  /** URI or index of the namespace; the index 0 where none is given. */
  readonly namespace: string | number
  /** Kind and identifier as OPC UA writes them: `s=Press.Speed`. */
  readonly identifier: string
}

export interface PathStep {
  readonly namespace: string | number
  readonly name: string
}

const nodePattern = /^(?:nsu=([^;]+);|ns=(\d{1,5});)?([sigb]=.+)$/s
const guid = /^g=[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
const uint32Max = 0xffff_ffff
const uint16Max = 0xffff

/** `nsu=URI;s=…`, `ns=2;i=42` or `i=2258` (OPC 10000-6, 5.3.1.10); undefined when the text is none of them. */
export function parseNodeText(text: string): NodeText | undefined {
  const [, uri, index, identifier = ''] = nodePattern.exec(text) ?? []
  const isRight = isIdentifier(identifier) && Number(index ?? 0) <= uint16Max
  if (!isRight) return undefined
  return { namespace: uri === undefined ? Number(index ?? 0) : unescapeUri(uri), identifier }
}

/** In `nsu=` a `;` or `%` of the URI is percent-encoded (OPC 10000-6, 5.3.1.11). */
function unescapeUri(uri: string): string {
  return uri.replaceAll(/%3b/gi, ';').replaceAll('%25', '%')
}

function isIdentifier(text: string): boolean {
  const body = text.slice(2)
  if (text.startsWith('i=')) return /^\d{1,10}$/.test(body) && Number(body) <= uint32Max
  if (text.startsWith('g=')) return guid.test(text)
  if (text.startsWith('b=')) return /^[A-Za-z0-9+/]+={0,2}$/.test(body)
  return text.startsWith('s=') && body.length > 0 && body.length <= 4_096
}

/** `/Objects/2:Line/2:Press`, or with a URI `/Objects/nsu=http://…;Line`; `&` escapes the character after it. undefined when it is no such path. */
export function parseBrowsePath(text: string): readonly PathStep[] | undefined {
  if (!text.startsWith('/')) return undefined
  const steps = splitPath(text.slice(1)).map(parseStep)
  return steps.length > 0 && steps.length <= 64 && steps.every((step) => step !== undefined) ? steps : undefined
}

/** At each `/` that is not escaped and not inside a namespace URI. */
function splitPath(text: string): readonly string[] {
  const parts: string[] = ['']
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at] ?? ''
    const last = parts.length - 1
    const part = parts[last] ?? ''
    if (character === '&') {
      parts[last] = part + character + (text[at + 1] ?? '')
      at += 1
    } else if (character === '/' && !(part.startsWith('nsu=') && !part.includes(';'))) parts.push('')
    else parts[last] = part + character
  }
  return parts
}

function parseStep(text: string): PathStep | undefined {
  const [, uri, index, name = ''] = /^(?:nsu=([^;]+);|(\d{1,5}):)?(.+)$/s.exec(text) ?? []
  const plain = name.replaceAll(/&(.)/gs, '$1')
  const isBarePrefix = index === undefined && /^\d{1,5}:$/.test(name)
  if (name === '' || isBarePrefix || Number(index ?? 0) > uint16Max) return undefined
  return { namespace: uri === undefined ? Number(index ?? 0) : unescapeUri(uri), name: plain }
}
