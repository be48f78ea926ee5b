import { coerceNodeId, type ExpandedNodeId, NodeId } from 'node-opcua-client'
import { parseNodeText } from './address.ts'

/** The library does not export the name of this kind. */
const textKind = coerceNodeId('s=x').identifierType

/** What a node's id means, whatever index its namespace has today. */
export interface Namespaces {
  textOf(node: NodeId | ExpandedNodeId): string | undefined
  nodeOf(text: string): NodeId | undefined
}

/** By the namespaces that the server lists. Nodes of other servers have no text here. */
export function namespacesOf(uris: readonly string[]): Namespaces {
  return {
    textOf: (node) => {
      const { namespaceUri, serverIndex } = node as Partial<ExpandedNodeId>
      if (serverIndex !== undefined && serverIndex !== 0) return undefined
      const uri = namespaceUri ?? uris[node.namespace]
      const identifier = node.toString().replace(/^(?:svr=\d+;)?(?:ns=\d+;|nsu=[^;]*;)?/, '')
      const isStandard = node.namespace === 0 && (namespaceUri === undefined || namespaceUri === null)
      if (isStandard) return identifier
      return uri === undefined || uri === null ? undefined : `nsu=${escapedUri(uri)};${identifier}`
    },
    nodeOf: (text) => {
      const parsed = parseNodeText(text)
      const index = parsed === undefined ? -1 : typeof parsed.namespace === 'string' ? uris.indexOf(parsed.namespace) : parsed.namespace
      if (parsed === undefined || index < 0) return undefined
      // The library would cut a text at its first line break.
      if (parsed.identifier.startsWith('s=')) return new NodeId(textKind, parsed.identifier.slice(2), index)
      try {
        return coerceNodeId(`ns=${index};${parsed.identifier}`)
      } catch {
        return undefined
      }
    },
  }
}

/** OPC 10000-6, 5.3.1.11: what would end the URI is percent-encoded. */
function escapedUri(uri: string): string {
  return uri.replaceAll('%', '%25').replaceAll(';', '%3B')
}
