import type { BenchOptions } from '../main.ts'
import type { Measure } from '../report.ts'
import { benchConditions } from './conditions.ts'
import { benchDisk } from './disk.ts'
import { benchMany, benchResume } from './many.ts'
import { benchObserving } from './observing.ts'
import { benchParallel } from './parallel.ts'
import { benchReaction } from './reaction.ts'
import type { Rounds } from './rounds.ts'
import { benchFlat, benchRouting } from './routing.ts'
import { benchRules } from './rules.ts'

type Part = (options: Rounds) => Promise<readonly Measure[]> | readonly Measure[]

const parts: Readonly<Record<string, Part>> = {
  disk: benchDisk,
  conditions: benchConditions,
  reaction: benchReaction,
  parallel: benchParallel,
  many: benchMany,
  resume: benchResume,
  routing: benchRouting,
  flat: benchFlat,
  observing: benchObserving,
  rules: benchRules,
}

/** Every number that issue 5 asks for. */
export async function benchFlows({ only, ...options }: BenchOptions): Promise<readonly Measure[]> {
  const wanted = Object.entries(parts).filter(([name]) => only === undefined || only.includes(name))
  if (wanted.length === 0) throw new Error(`the parts of this bench are ${Object.keys(parts).join(', ')}`)
  const measures: Measure[] = []
  for (const [, part] of wanted) measures.push(...(await part(options)))
  return measures
}
