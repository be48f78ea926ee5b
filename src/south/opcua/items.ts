import { DataChangeFilter, DataChangeTrigger, DeadbandType, type NodeId } from 'node-opcua-client'
import type { Tag } from '../../model/tag.ts'
import type { OpcuaAddress, OpcuaConfig, ServerDeadband } from './config.ts'
import type { Make } from './makes.ts'
import type { Nodes } from './nodes.ts'

/** One monitored item: a node, and the tags that are it or parts of it. */
export interface Item {
  readonly node: NodeId
  readonly tags: readonly number[]
  readonly samplingMs: number
  readonly queue: number
  readonly deadband?: ServerDeadband
}

export interface ItemsOptions {
  readonly tags: readonly Tag<OpcuaAddress>[]
  readonly nodes: Nodes
  readonly config: OpcuaConfig
  readonly make: Make | undefined
}

/** Tags of one node that want it alike share an item: a structure of fifty fields is sent once. */
export function itemsOf(wanted: readonly number[], { tags, nodes, config, make }: ItemsOptions): Item[] {
  const items = new Map<string, Item & { readonly tags: number[] }>()
  for (const tag of wanted) {
    const node = nodes.of(tag)
    if (node === undefined) continue
    const { sampling, queue = config.opcua.queue, serverDeadband: deadband } = tags[tag]?.address ?? {}
    const samplingMs = Math.max(sampling ?? config.opcua.sampling ?? config.opcua.publishing, make?.samplingMsMin ?? 0)
    const key = `${nodes.keyOf(tag)} ${samplingMs} ${queue} ${deadband?.kind} ${deadband?.value}`
    const same = items.get(key)
    if (same !== undefined) same.tags.push(tag)
    else items.set(key, { node, tags: [tag], samplingMs, queue, ...(deadband === undefined ? {} : { deadband }) })
  }
  return [...items.values()]
}

export function filterOf(deadband: ServerDeadband): DataChangeFilter {
  return new DataChangeFilter({
    trigger: DataChangeTrigger.StatusValue,
    deadbandType: deadband.kind === 'absolute' ? DeadbandType.Absolute : DeadbandType.Percent,
    deadbandValue: deadband.value,
  })
}
