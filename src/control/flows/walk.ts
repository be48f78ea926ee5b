import type { StepList } from './compiled.ts'
import type { Frame } from './frame.ts'
import { Group } from './group.ts'
import type { Run } from './run.ts'
import { doStep } from './step.ts'

/** Does the steps of a list, each as soon as all that it needs have ended. Rejects with the first failure, when nothing of it is under way any more. */
export async function walkList(run: Run, list: StepList, frame: Frame): Promise<void> {
  if (!list.isChain) return await walkGraph(run, list, frame)
  for (const step of list.steps) await doStep(run, step, frame)
}

async function walkGraph(run: Run, { steps, needs, dependents }: StepList, frame: Frame): Promise<void> {
  const group = new Group(frame.stop)
  const missing = [...needs]
  const begin = (place: number): void => {
    const step = steps[place]
    if (step === undefined) return
    group.add(async (stop) => {
      await doStep(run, step, { ...frame, stop })
      for (const next of dependents[place] ?? []) {
        const left = (missing[next] ?? 0) - 1
        missing[next] = left
        if (left === 0) begin(next)
      }
    })
  }
  for (const [place, count] of needs.entries()) if (count === 0) begin(place)
  await group.ended()
}
