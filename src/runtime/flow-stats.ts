import { FlowCounting, type FlowStats } from '../control/flows/stats.ts'
import { openJournalReader } from '../store/journal-reader.ts'

export type { FlowStats } from '../control/flows/stats.ts'

export interface FlowStatsAsk {
  readonly flow?: string
  readonly fromMs: number
  readonly untilMs: number
}

/** How the flows went, from the journal itself, whether the gateway runs or not. Throws as the reader does. */
export function flowStats(stateFolder: string, ask: FlowStatsAsk): readonly FlowStats[] {
  using journal = openJournalReader(stateFolder)
  const counting = new FlowCounting()
  for (const run of journal.runs(ask)) counting.take(run)
  return counting.stats()
}
