import type { KeptRun } from '../../store/contract.ts'
import { allSteps } from './all-steps.ts'
import type { FlowDefinition, StepOf } from './definition.ts'
import { revive } from './frozen.ts'
import { isMeantBy } from './past.ts'
import { type FlowsOptions, untilAnswered } from './ports.ts'

/** Runs of a flow that are looked at: a device whose turn is longer ago than that is taken for one that never had a turn. */
const runsMax = 50

interface Around {
  readonly options: Pick<FlowsOptions, 'store' | 'clock' | 'log' | 'data'>
  readonly life: AbortSignal
}

/** What the picks by turns of a site took in earlier lives, as the journal has it. */
export class TakenBefore {
  readonly #devices = new Map<string, readonly string[]>()

  /** The one whose turn was last comes last. */
  of(flow: string, step: string): readonly string[] {
    return this.#devices.get(`${flow}/${step}`) ?? []
  }

  async read(flows: Iterable<FlowDefinition>, around: Around): Promise<void> {
    for (const { flow, steps } of flows) {
      const picks = allSteps(steps).flatMap((step) => (step.kind === 'pick' && step.by === 'round-robin' ? [step] : []))
      if (picks.length === 0) continue
      const runs = await lastRuns(flow, picks, around)
      for (const { id } of picks) this.#devices.set(`${flow}/${id}`, takenIn(runs, id))
    }
  }
}

/** Oldest first, and no more than are needed to see each device that could be picked. */
async function lastRuns(flow: string, picks: readonly StepOf<'pick'>[], { options, life }: Around): Promise<readonly KeptRun[]> {
  const { store, clock, log, data } = options
  const patience = { clock, log, stop: life, what: 'The store does not tell yet which devices runs have picked.' }
  const runs: KeptRun[] = []
  const isSeen = ({ id, capability }: StepOf<'pick'>): boolean => {
    const taken = new Set(takenIn(runs, id))
    return data.devices.every(({ device, capabilities }) => taken.has(device) || !capabilities.includes(capability))
  }
  for (const { run } of await untilAnswered(() => store.call('runs', { flow, rowsMax: runsMax }), patience)) {
    if (picks.every(isSeen)) break
    const kept = await untilAnswered(() => store.call('run', { run }), patience)
    if (kept !== null) runs.unshift(kept)
  }
  return runs
}

function takenIn(runs: readonly KeptRun[], step: string): readonly string[] {
  const picked = runs.flatMap(({ records }) =>
    records.flatMap((record) => {
      if (record.kind !== 'outcome' || record.status !== 'done' || !isMeantBy(step, record.step)) return []
      const { result } = revive(record.data) as { readonly result?: { readonly device?: unknown } }
      return typeof result?.device === 'string' ? [{ device: result.device, timeMs: record.timeMs }] : []
    }),
  )
  const inTurn = picked.toSorted((one, other) => one.timeMs - other.timeMs).map(({ device }) => device)
  return [...new Set(inTurn.toReversed())].toReversed()
}
