import type { Way } from './compiled.ts'
import { evaluated } from './evaluated.ts'
import { failed, failureOf, StepFailure, unknownValue } from './faults.ts'
import { type Frame, roundOf, type Spot } from './frame.ts'
import { freeze } from './frozen.ts'
import { Group } from './group.ts'
import type { Run } from './run.ts'
import { scopeOf } from './scope.ts'
import { undoAll, undoable } from './unwind.ts'

const itemsMax = 1_000
const itemsCharsMax = 64 * 1024

/** Leads through what stands below a step. Which way it goes is decided once, and kept before the first step of it. */
export async function walkWay(run: Run, way: Way, spot: Spot): Promise<unknown> {
  switch (way.kind) {
    case 'switch':
      return await walkSwitch(run, way, spot)
    case 'parallel':
      return await walkParallel(run, way, spot)
    case 'each':
      return await walkEach(run, way, spot)
    default:
      way satisfies never
      return undefined
  }
}

type SwitchWay = Extract<Way, { readonly kind: 'switch' }>
type ParallelWay = Extract<Way, { readonly kind: 'parallel' }>
type EachWay = Extract<Way, { readonly kind: 'each' }>

async function walkSwitch(run: Run, way: SwitchWay, { frame, key, compiled }: Spot): Promise<unknown> {
  const name = decided<string>(run, key, () => caseOf(run, way, { frame, id: compiled.step.id }))
  const steps = way.cases.find((each) => each.name === name)?.steps ?? way.otherwise
  await frame.walk(steps, frame)
  return { case: name }
}

/** One that is unknown is not passed over: the case below it might be the wrong one. */
function caseOf(run: Run, { cases }: SwitchWay, { frame, id }: { readonly frame: Frame; readonly id: string }): string {
  const scope = scopeOf(run, frame)
  for (const { name, when } of cases) {
    const isIt = when.evaluate(scope)
    if (typeof isIt !== 'boolean') throw failureOf(unknownValue(id, `the condition \`${when.text}\``))
    if (isIt) return name
  }
  return 'else'
}

async function walkEach(run: Run, way: EachWay, { frame, key, compiled }: Spot): Promise<unknown> {
  const items = decided<readonly unknown[]>(run, key, () =>
    itemsOf(evaluated(way.items, scopeOf(run, frame), { step: compiled.step.id, what: 'its list' }), way, compiled.step.id),
  )
  for (const [index, item] of items.entries()) await frame.walk(way.steps, roundOf(frame, { as: way.as, item, index }))
  return { count: items.length }
}

function itemsOf(list: unknown, { limit }: EachWay, id: string): readonly unknown[] {
  if (!Array.isArray(list)) throw failed('flow.wrong-type', `${id} goes through a list, and was given ${typeof list}.`, 'Give it a list.')
  const most = Math.min(limit, itemsMax)
  if (list.length > most)
    throw failed('flow.too-large', `${id} was given ${list.length} items; ${most} are allowed.`, 'Raise its `limit`, or give it fewer.')
  if (freeze(list).length > itemsCharsMax)
    throw failed('flow.too-large', `The items of ${id} are more than ${itemsCharsMax} characters.`, 'Give it less.')
  return list
}

async function walkParallel(run: Run, way: ParallelWay, { frame, key }: Spot): Promise<unknown> {
  const known = run.past.way(key) as readonly string[] | undefined
  const done = known ?? (await raced(way, frame))
  if (known === undefined) run.decide(key, { order: 'way', way: done })
  else for (const { name, steps } of way.branches) if (known.includes(name)) await frame.walk(steps, frame)
  const others = way.branches.filter(({ name }) => !done.includes(name))
  await undoAll(
    run,
    others.flatMap(({ steps }) => undoable(run, steps, frame)),
  )
  return { done }
}

/** The branches that were done when there were enough of them. */
async function raced({ branches, wanted }: ParallelWay, frame: Frame): Promise<readonly string[]> {
  const group = new Group(frame.stop)
  const done: string[] = []
  let lost = 0
  for (const { name, steps } of branches) {
    group.add(async (stop) => {
      try {
        await frame.walk(steps, { ...frame, stop })
      } catch (error) {
        if (!(error instanceof StepFailure)) throw error
        lost += 1
        if (branches.length - lost < wanted) throw error
        return
      }
      done.push(name)
      if (done.length >= wanted) group.close()
    })
  }
  await group.ended()
  return done.slice(0, wanted)
}

function decided<What>(run: Run, key: string, decide: () => What): What {
  const known = run.past.way(key) as What | undefined
  if (known !== undefined) return known
  const way = decide()
  run.decide(key, { order: 'way', way })
  return way
}
