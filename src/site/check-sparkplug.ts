import { hostname } from 'node:os'
import type { LoadedParts } from './loaded.ts'
import type { ProblemList } from './problems.ts'
import type { SiteFile } from './site-file.ts'

interface Node {
  readonly upstream: string
  readonly group: string
  readonly edgeNode: string
  readonly servers: readonly string[]
}

/** Groups and edge nodes that differ in capitals alone, and an edge node that is there twice: hosts take both for one. */
export function checkSparkplug({ site }: LoadedParts, problems: ProblemList): void {
  if (site === undefined) return
  const nodes = nodesOf(site.part.keys)
  for (const [place, node] of nodes.entries()) {
    const twin = nodes.slice(0, place).find((other) => areTwins(node, other))
    if (twin === undefined) continue
    const isGroup = node.group !== twin.group
    const [one, other] = isGroup ? [node.group, twin.group] : [node.edgeNode, twin.edgeNode]
    const what = isGroup ? 'Sparkplug groups' : `Sparkplug edge nodes of the group ${node.group}`
    const message =
      one === other
        ? `${node.upstream} and ${twin.upstream} are the same Sparkplug edge node, ${node.group}/${one}, at the same broker: a host mixes up what they say.`
        : `${one} and ${other} are ${what} that differ in capital letters alone: many hosts take them for one.`
    problems.add(
      site.source,
      { path: ['upstreams', node.upstream, 'sparkplug', isGroup ? 'group' : 'edgeNode'] },
      {
        code: 'sparkplug.twin',
        message,
        remedy: one === other ? 'Give one of them another `edgeNode`.' : 'Write both alike, or give one of them another name.',
        severity: 'warning',
      },
    )
  }
}

function nodesOf({ upstreams = {}, node = hostname() }: Partial<SiteFile>): readonly Node[] {
  return Object.entries(upstreams).flatMap(([upstream, { sparkplug, url }]) =>
    sparkplug === undefined
      ? []
      : [{ upstream, group: sparkplug.group, edgeNode: sparkplug.edgeNode ?? node, servers: [url, ...sparkplug.servers] }],
  )
}

function areTwins(one: Node, other: Node): boolean {
  if (one.group !== other.group) return one.group.toLowerCase() === other.group.toLowerCase()
  if (one.edgeNode === other.edgeNode) return one.servers.some((server) => other.servers.includes(server))
  return one.edgeNode.toLowerCase() === other.edgeNode.toLowerCase()
}
