import { suggestion } from './did-you-mean.ts'
import { type FlowContext, report } from './flow-context.ts'
import type { StepAt } from './flow-steps.ts'

const stepsMax = 100
const depthMax = 6

/** The steps of a flow make a graph that can be gone through from its beginning to its end. */
export function checkGraph(context: FlowContext): void {
  checkIds(context)
  checkSize(context)
  for (const siblings of new Set(context.steps.map((at) => at.siblings))) {
    if (new Set(siblings.map(({ step }) => step.id)).size < siblings.length) continue // who waits for whom is not known
    const areNeedsThere = checkNeeds(siblings, context)
    if (!checkCycles(siblings, context) && areNeedsThere) checkReach(siblings, context)
  }
}

function checkIds(context: FlowContext): void {
  const seen = new Set<string>()
  for (const { step, path } of context.steps) {
    if (seen.has(step.id)) {
      const finding = {
        code: 'flow.step-duplicate',
        message: `There is a step \`${step.id}\` above.`,
        remedy: 'Give each step of a flow a name of its own, nested ones included.',
      }
      report({ path: [...path, 'id'] }, finding, context)
    }
    seen.add(step.id)
  }
}

function checkSize(context: FlowContext): void {
  const counted = context.steps.filter(({ isUndo }) => !isUndo)
  const first = counted[stepsMax]
  if (first !== undefined) {
    const message = `The flow has ${counted.length} steps; ${stepsMax} are allowed, nested ones counted.`
    const remedy = 'Move some of them to a flow of their own, and `run` it.'
    report({ path: first.path }, { code: 'flow.too-many-steps', message, remedy }, context)
  }
  const deep = counted.find(({ around }) => around.length >= depthMax)
  if (deep === undefined) return
  const message = `Steps are nested ${depthMax + 1} deep here; ${depthMax} are allowed.`
  report(
    { path: deep.path },
    { code: 'flow.too-deep', message, remedy: 'Move the inner ones to a flow of their own, and `run` it.' },
    context,
  )
}

/** Whether all that is needed is there. */
function checkNeeds(siblings: readonly StepAt[], context: FlowContext): boolean {
  const ids = siblings.map(({ step }) => step.id)
  let isRight = true
  for (const { step, path } of siblings) {
    for (const [place, need] of step.needs.entries()) {
      if (ids.includes(need)) continue
      isRight = false
      if (context.flow.steps.includes(undefined) && path.length === 2) continue // it may be the one that is wrong
      const elsewhere = context.steps.some((other) => other.step.id === need)
      const finding = {
        code: 'flow.need-unknown',
        message: elsewhere
          ? `\`${need}\` stands in another list than \`${step.id}\`.`
          : `There is no step \`${need}\` beside \`${step.id}\`.`,
        remedy: elsewhere
          ? 'A step can only wait for those in its own list: name the step that this one is inside of.'
          : suggestion(
              need,
              ids.filter((id) => id !== step.id),
            ),
      }
      report({ path: [...path, 'needs', place] }, finding, context)
    }
  }
  return isRight
}

/** Whether some steps wait for each other. */
function checkCycles(siblings: readonly StepAt[], context: FlowContext): boolean {
  const cycle = cycleOf(siblings.map(({ step }) => [step.id, step.needs]))
  const first = siblings.find(({ step }) => step.id === cycle?.[0])
  if (cycle === undefined || first === undefined) return false
  const finding = {
    code: 'flow.cycle',
    message: `These steps wait for each other: ${cycle.join(' → ')}.`,
    remedy: 'Take one of these `needs` away.',
  }
  report({ path: [...first.path, 'needs'] }, finding, context)
  return true
}

/** Some way that leads back to where it begins: `a, b, a`. */
export function cycleOf(edges: readonly (readonly [string, readonly string[]])[]): readonly string[] | undefined {
  const next = new Map(edges)
  const done = new Set<string>()
  for (const [start] of edges) {
    const way: { readonly name: string; place: number }[] = [{ name: start, place: 0 }]
    for (let top = way.at(-1); top !== undefined; top = way.at(-1)) {
      const target = next.get(top.name)?.[top.place]
      top.place += 1
      if (target === undefined) {
        done.add(top.name)
        way.pop()
        continue
      }
      const before = way.findIndex(({ name }) => name === target)
      if (before >= 0) return [...way.slice(before).map(({ name }) => name), target]
      if (!done.has(target)) way.push({ name: target, place: 0 })
    }
  }
  return undefined
}

/** What follows an `end` or a `fail` that is always come to is never done. */
function checkReach(siblings: readonly StepAt[], context: FlowContext): void {
  const ends = siblings.filter(({ step }) => (step.kind === 'end' || step.kind === 'fail') && step.when === undefined)
  const lost = new Map(ends.map(({ step }) => [step.id, step.id]))
  for (let size = -1; size < lost.size; ) {
    size = lost.size
    for (const { step } of siblings) {
      const through = step.needs.map((need) => lost.get(need)).find((end) => end !== undefined)
      if (through !== undefined && !lost.has(step.id)) lost.set(step.id, through)
    }
  }
  for (const { step, path } of siblings) {
    const end = lost.get(step.id)
    if (end === undefined || end === step.id) continue
    const finding = {
      code: 'flow.unreachable',
      message: `\`${step.id}\` is never done: the run ends at \`${end}\`.`,
      remedy: `Give \`${end}\` a \`when\`, or remove what follows it.`,
    }
    report({ path }, finding, context)
  }
}
