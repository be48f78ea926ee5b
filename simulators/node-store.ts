import type { Node } from './devices/labeller.ts'
import type { Line } from './plant/line.ts'

/** What of a node may cross to the thread of the OPC UA server. */
export interface NodeFace extends Pick<Node, 'name' | 'dataType' | 'range' | 'unit'> {
  readonly write?: { readonly min: number; readonly max: number }
}

export interface NodeValue {
  readonly value: boolean | number | string
  /** When it last changed, ms since 1970. */
  readonly timeMs: number
}

/** News for the OPC UA server: what changed, and the status that all values have now (undefined: good). */
export interface NodeUpdate {
  readonly values: ReadonlyMap<string, NodeValue>
  readonly status: number | undefined
}

/** What an OPC UA device holds right now. It outlives a restart of the server, as values do in a PLC. */
export interface NodeStore {
  everything(): NodeUpdate
  refresh(): void
  write(name: string, value: number | string): void
  /** Keeps one node, or all, from changing. Returns whether there is such a node. */
  freeze(name: string | undefined): boolean
  spoil(status: number): void
  /** Ends what freeze and spoil did; whether they had done anything. */
  mend(): boolean
}

export interface NodeStoreOptions {
  readonly nodes: readonly Node[]
  readonly line: Line
  readonly tell: (update: NodeUpdate) => void
}

export function createNodeStore({ nodes, line, tell }: NodeStoreOptions): NodeStore {
  const values = new Map<string, NodeValue>()
  const frozen = new Set<string>()
  let status: number | undefined
  const refresh = (): void => {
    const changed = nodes.filter((node) => !frozen.has(node.name) && values.get(node.name)?.value !== node.read(line))
    for (const node of changed) values.set(node.name, { value: node.read(line), timeMs: Date.now() })
    if (changed.length > 0) tell({ values: new Map([...values].filter(([name]) => changed.some((node) => node.name === name))), status })
  }
  const setStatus = (next: number | undefined): void => {
    if (status === next) return
    status = next
    tell({ values: new Map(), status })
  }
  return {
    everything: () => ({ values, status }),
    refresh,
    write: (name, value) => {
      nodes.find((node) => node.name === name)?.write?.apply(line, value)
      refresh()
    },
    freeze: (name) => {
      const names = nodes.map((node) => node.name).filter((node) => name === undefined || node === name)
      for (const each of names) frozen.add(each)
      return names.length > 0
    },
    spoil: setStatus,
    mend: () => {
      const isHurt = frozen.size > 0 || status !== undefined
      frozen.clear()
      setStatus(undefined)
      return isHurt
    },
  }
}

export function faceOf({ name, dataType, range, unit, write }: Node): NodeFace {
  return {
    name,
    dataType,
    ...(range === undefined ? {} : { range }),
    ...(unit === undefined ? {} : { unit }),
    ...(write === undefined ? {} : { write: { min: write.min, max: write.max } }),
  }
}
