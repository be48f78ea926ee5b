import type { NodeId } from 'node-opcua-client'
import type { OpcuaConfig } from './config.ts'
import { resolveTags } from './resolve.ts'

/** The node whose events are asked for; undefined where none are, or the server does not have it. */
export async function notifierOf({ opcua }: OpcuaConfig, options: Parameters<typeof resolveTags>[1]): Promise<NodeId | undefined> {
  if (opcua.events === undefined) return undefined
  const [place] = await resolveTags([{ address: { node: opcua.events.node } }], options)
  return place !== undefined && 'node' in place ? place.node : undefined
}
