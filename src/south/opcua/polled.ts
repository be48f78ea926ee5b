import type { Clock } from '../../base/clock.ts'
import { Fault } from '../../base/fault.ts'
import type { Reading, Tag } from '../../model/tag.ts'
import type { PolledSource, PollResult } from '../driver.ts'
import type { Changes } from './changes.ts'
import type { OpcuaAddress } from './config.ts'
import type { MissingNodes } from './missing.ts'
import type { Nodes } from './nodes.ts'

export interface PolledOptions {
  readonly tags: readonly Tag<OpcuaAddress>[]
  readonly nodes: Nodes
  /** ms between two looks for nodes that were not there. */
  readonly retryMs: number
  readonly read: (tags: readonly number[], signal: AbortSignal) => Promise<readonly Reading[]>
  readonly missing: MissingNodes
  readonly changes: Changes
  readonly clock: Clock
}

/** Reads the tags of each scan class, for a server that does not report by itself. */
export function polledSource(options: PolledOptions): PolledSource {
  const { tags, nodes, retryMs, read, clock, missing, changes } = options
  const byScan = Map.groupBy(tags.keys(), (tag) => tags[tag]?.scan ?? '')
  let lookedMs = clock.elapsed()
  const lookAgain = async (): Promise<void> => {
    if (clock.elapsed() - lookedMs < retryMs) return
    lookedMs = clock.elapsed()
    await nodes.findAbsent()
  }
  const poll = async (scan: string, signal: AbortSignal): Promise<PollResult> => {
    const wanted = byScan.get(scan) ?? []
    try {
      await lookAgain()
      const readings = await changes.among(read(wanted, signal))
      missing.take(readings)
      return { readings }
    } catch (error) {
      if (error instanceof Fault && error.code === 'opcua.no-answer') return { readings: [], silence: { tags: wanted, fault: error } }
      throw error
    }
  }
  return { kind: 'polled', poll }
}
