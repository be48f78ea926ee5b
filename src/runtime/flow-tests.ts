import { systemClock } from '../base/clock.ts'
import { carryOutCase } from '../control/flow-tests/bench.ts'
import { benchSite } from '../control/flow-tests/bench-site.ts'
import type { Entry } from '../control/flow-tests/chronicle.ts'
import { type Difference, differences } from '../control/flow-tests/expectations.ts'
import type { LoadedFlowTests } from '../site/flow-tests.ts'
import type { Site } from '../site/site.ts'

/** One case, carried out and compared. */
export interface FlowTestResult {
  readonly file: string
  readonly line: number
  readonly flow: string
  readonly name: string
  readonly isPassed: boolean
  readonly differences: readonly Difference[]
  /** What happened, in the time of the plant. */
  readonly story: readonly Entry[]
  /** Of the plant's time. */
  readonly lastedMs: number
  /** Of our own. */
  readonly tookMs: number
}

export interface FlowTestFilter {
  readonly flow?: string
  /** A part of the name of a case. */
  readonly case?: string
}

/** Carries the cases out one after the other, in virtual time; no plant, disk or network is touched. */
export async function* runFlowTests(
  site: Site,
  files: readonly LoadedFlowTests[],
  filter: FlowTestFilter = {},
): AsyncGenerator<FlowTestResult> {
  const bench = benchSite({ ...site, history: site.storage.history })
  for (const { file, tests, lines } of files) {
    if (filter.flow !== undefined && tests.flow !== filter.flow) continue
    for (const [place, own] of tests.cases.entries()) {
      if (filter.case !== undefined && !own.name.includes(filter.case)) continue
      const beganMs = systemClock.elapsed()
      const shown = await carryOutCase({ site: bench, file: tests, case: own, clock: systemClock })
      const found = differences(own.expect, tests.flow, shown)
      shown.life.kill()
      yield {
        file,
        line: lines[place] ?? 1,
        flow: tests.flow,
        name: own.name,
        isPassed: found.length === 0,
        differences: found,
        story: shown.chronicle.entries,
        lastedMs: shown.lastedMs,
        tookMs: systemClock.elapsed() - beganMs,
      }
    }
  }
}
