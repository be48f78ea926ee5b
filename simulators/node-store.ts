import type { Node } from './devices/labeller.ts'
import type { Line } from './plant/line.ts'

export interface NodeValue {
  readonly value: boolean | number | string
  /** When it last changed. */
  readonly time: Date
}

/** What an OPC UA device holds right now. It outlives a restart of the server, as values do in a PLC. */
export interface NodeStore {
  /** A status that all values have now; undefined: good. */
  readonly status: number | undefined
  read(name: string): NodeValue
  write(node: Node, value: number | string): void
}

/** The side of the store that the plant sees. */
export interface PlantNodeStore extends NodeStore {
  refresh(): void
  /** Keeps one node, or all, from changing. Returns whether there is such a node. */
  freeze(name: string | undefined): boolean
  spoil(status: number): void
  /** Ends what freeze and spoil did. */
  mend(): void
}

export function createNodeStore(nodes: readonly Node[], line: Line): PlantNodeStore {
  const values = new Map<string, NodeValue>()
  const frozen = new Set<string>()
  let status: number | undefined
  const refreshNode = (node: Node): void => {
    const value = node.read(line)
    if (values.get(node.name)?.value !== value) values.set(node.name, { value, time: new Date() })
  }
  for (const node of nodes) refreshNode(node)
  return {
    get status() {
      return status
    },
    read: (name) => values.get(name) ?? { value: 0, time: new Date() },
    write: (node, value) => {
      node.write?.apply(line, value)
      refreshNode(node)
    },
    refresh: () => {
      for (const node of nodes) if (!frozen.has(node.name)) refreshNode(node)
    },
    freeze: (name) => {
      const names = nodes.map((node) => node.name).filter((node) => name === undefined || node === name)
      for (const each of names) frozen.add(each)
      return names.length > 0
    },
    spoil: (code) => {
      status = code
    },
    mend: () => {
      frozen.clear()
      status = undefined
    },
  }
}
