import type { Tag } from '../../model/tag.ts'
import type { Problem } from '../driver.ts'
import { parseBrowsePath, parseNodeText } from './address.ts'
import { parseFieldPath } from './field.ts'

/** As much of the device file as is looked at here. */
interface CheckedConfig {
  readonly connection: {
    readonly url: string
    readonly security: string
    readonly user?: string
    readonly password?: unknown
    readonly clearPassword: boolean
  }
  readonly opcua: { readonly mode: string; readonly events?: { readonly node: string } }
}

interface CheckedAddress {
  readonly node?: string
  readonly path?: string
  readonly field?: string
}

/** What the schema cannot say of a connection. */
export function checkConnection(config: CheckedConfig): readonly Problem[] {
  const found = [...userProblems(config), ...eventProblems(config)]
  const { connection } = config
  if (connection.clearPassword && connection.password !== undefined) {
    found.push({
      path: ['connection', 'clearPassword'],
      code: 'opcua.password-in-clear',
      message: `Whoever listens between here and ${connection.url} can read the password of ${connection.user ?? 'the user'}.`,
      remedy: 'Let the server offer Basic256Sha256, for the connection or for user names alone, and take clearPassword away.',
      severity: 'warning',
    })
  }
  if (connection.security === 'None') {
    found.push({
      path: ['connection', 'security'],
      code: 'opcua.unencrypted',
      message: `Everything to and from ${connection.url} can be read and changed on the way.`,
      remedy: 'Use security: auto, or Basic256Sha256/SignAndEncrypt, if the server can.',
      severity: 'warning',
    })
  }
  return found
}

function userProblems({ connection }: CheckedConfig): Problem[] {
  if (connection.password !== undefined && connection.user === undefined) {
    return [
      {
        path: ['connection', 'password'],
        code: 'opcua.password-without-user',
        message: 'There is a password, but no user whose it could be.',
        remedy: 'Add connection.user with the name, or take the password away.',
      },
    ]
  }
  return []
}

function eventProblems({ opcua }: CheckedConfig): readonly Problem[] {
  const { events, mode } = opcua
  if (events === undefined) return []
  if (mode === 'poll') {
    return [
      {
        path: ['opcua', 'events'],
        code: 'opcua.events-need-subscription',
        message: 'Events come by subscription, and mode: poll makes none.',
        remedy: 'Use mode: auto, or take opcua.events away.',
      },
    ]
  }
  return parseNodeText(events.node) === undefined ? [badSyntax(['opcua', 'events', 'node'], 'node', events.node)] : []
}

/** What the schema cannot say of a tag. */
export function checkTag(tag: Tag<CheckedAddress>): readonly Problem[] {
  const { node, path, field } = tag.address
  if ((node === undefined) === (path === undefined)) return [wrongCount(tag, node === undefined)]
  const [kind, text] = node === undefined ? (['path', path ?? ''] as const) : (['node', node] as const)
  const isRight = kind === 'node' ? parseNodeText(text) !== undefined : parseBrowsePath(text) !== undefined
  if (!isRight) return [badSyntax(['tags', tag.path, kind], kind, text)]
  const found: Problem[] = field === undefined ? [] : [...fieldProblems(tag, field)]
  if (/(^|;)ns=[1-9]/.test(node ?? '')) found.push(looseIndex(tag))
  return found
}

function fieldProblems(tag: Tag<CheckedAddress>, field: string): readonly Problem[] {
  if (parseFieldPath(field) === undefined) {
    return [
      {
        path: ['tags', tag.path, 'field'],
        code: 'opcua.field-syntax',
        message: `${field.slice(0, 100)} is no path into a structure.`,
        remedy: 'Write it like motor.speed, axes[2].position or [3].',
      },
    ]
  }
  if (tag.write === undefined) return []
  return [
    {
      path: ['tags', tag.path, 'write'],
      code: 'opcua.field-write',
      message: `${tag.path} is one part of a node, and OPC UA writes nodes as a whole: the other parts would be overwritten with what they were.`,
      remedy: 'Take `write` away; or let the PLC show the part as a node of its own, or as a method.',
    },
  ]
}

function wrongCount(tag: Tag<CheckedAddress>, hasNone: boolean): Problem {
  return {
    path: ['tags', tag.path],
    code: hasNone ? 'opcua.no-address' : 'opcua.two-addresses',
    message: hasNone ? `The tag ${tag.path} names neither a node nor a path.` : `The tag ${tag.path} names both a node and a path.`,
    remedy: 'Give it exactly one of node and path.',
  }
}

function badSyntax(path: Problem['path'], kind: 'node' | 'path', text: string): Problem {
  const isNode = kind === 'node'
  return {
    path,
    code: isNode ? 'opcua.node-syntax' : 'opcua.path-syntax',
    message: `${text} is no ${isNode ? 'node id' : 'browse path'}.`,
    remedy: isNode
      ? 'Write it like nsu=http://vendor.example/line;s=Press.Speed, or ns=2;i=42; the kinds are s, i, g and b.'
      : 'Write it like /Objects/2:Line/2:Press: names with / between them, each with its namespace index unless it is 0; & escapes / . : & and others.',
  }
}

function looseIndex(tag: Tag<CheckedAddress>): Problem {
  return {
    path: ['tags', tag.path, 'node'],
    code: 'opcua.namespace-index',
    message: `${tag.address.node} names its namespace by index, which the server may give to another one at any restart.`,
    remedy: 'Write nsu= and the URI of the namespace instead; Lineside pins the index to the URI that it means at the first connection.',
    severity: 'warning',
  }
}
