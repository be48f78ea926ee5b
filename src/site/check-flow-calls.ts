import type { FlowDefinition } from '../control/flows/config.ts'
import { cycleOf } from './check-flow-graph.ts'
import { type FlowContext, report } from './flow-context.ts'
import type { StepAt } from './flow-steps.ts'

/** Flows that run each other, and flows that wait for each other's locks. */
export function checkFlowCalls(contexts: readonly FlowContext[]): void {
  const edges = contexts.flatMap(({ flow, steps }) => (flow.flow === undefined ? [] : [[flow.flow, runsOf(steps)] as const]))
  checkRecursion(contexts, edges)
  const isRecursive = cycleOf(edges) !== undefined
  for (const context of contexts) {
    if (context.flow.config === undefined) continue
    checkContention(context.flow.config, context)
    if (!isRecursive) checkLockOrder(context.flow.config, context)
    checkStarted(context.flow.config, contexts, context)
  }
}

type Edges = readonly (readonly [string, readonly string[]])[]

function runsOf(steps: readonly StepAt[]): readonly string[] {
  return steps.flatMap(({ step }) => (step.kind === 'run' ? [step.flow] : []))
}

/** Each loop once; what has been told of is taken away, and the rest looked at again. */
function checkRecursion(contexts: readonly FlowContext[], edges: Edges): void {
  let left = edges
  for (let cycle = cycleOf(left); cycle !== undefined; cycle = cycleOf(left)) {
    const [from = '', to = ''] = cycle
    left = left.map(([name, targets]) => [name, name === from ? targets.filter((target) => target !== to) : targets])
    const context = contexts.find(({ flow }) => flow.flow === from)
    const step = context?.steps.find(({ step: one }) => one.kind === 'run' && one.flow === to)
    if (context === undefined || step === undefined) continue
    const finding = {
      code: 'flow.recursion',
      message: `These flows run each other without end: ${cycle.join(' → ')}.`,
      remedy: 'Take one of these `run` away, or let a trigger start the next round.',
    }
    report({ path: [...step.path, 'run', 'flow'] }, finding, context)
  }
}

function checkContention(flow: FlowDefinition, context: FlowContext): void {
  const { definitions } = context.site
  for (const [place, lock] of flow.locks.entries()) {
    const others = [...definitions.values()]
      .filter((other) => other.flow !== flow.flow && other.locks.includes(lock))
      .map((other) => other.flow)
    if (others.length === 0) continue
    const finding = {
      code: 'flow.contention',
      message: `${flow.flow} waits while one of these runs, and they for it: ${others.slice(0, 10).join(', ')}${others.length > 10 ? ', …' : ''}.`,
      remedy: 'Nothing is to be done if that is meant: it is what a lock is for.',
      severity: 'note',
    } as const
    report({ path: ['locks', place] }, finding, context)
  }
}

/**
 * All locks are taken in one order, so that two runs cannot wait for each other. A run that is waited for takes its locks later: those that its
 * callers hold already are no matter, and of the others each must come after all that the caller holds.
 */
function checkLockOrder(flow: FlowDefinition, context: FlowContext): void {
  const last = flow.locks.toSorted().at(-1)
  if (last === undefined) return
  for (const { step, path } of context.steps) {
    if (step.kind !== 'run' || !step.isAwaited) continue
    const lock = [...locksBelow(step.flow, context)].find((name) => !flow.locks.includes(name) && name < last)
    if (lock === undefined) continue
    const finding = {
      code: 'flow.lock-order',
      message: `${step.flow} would wait for \`${lock}\` while ${flow.flow} holds \`${last}\`, and whoever holds \`${lock}\` may wait for \`${last}\`.`,
      remedy: `Name \`${lock}\` in the locks of ${flow.flow}, too.`,
    }
    report({ path: [...path, 'run', 'flow'] }, finding, context)
  }
}

function locksBelow(name: string, context: FlowContext, seen: Set<string> = new Set()): ReadonlySet<string> {
  const from = context.site.flows.get(name)
  if (from === undefined || seen.has(name)) return new Set()
  seen.add(name)
  const inner = (context.site.stepsOf.get(from.part) ?? []).flatMap(({ step }) =>
    step.kind === 'run' && step.isAwaited ? [...locksBelow(step.flow, context, seen)] : [],
  )
  return new Set([...(from.part.config?.locks ?? []), ...inner])
}

function checkStarted(flow: FlowDefinition, contexts: readonly FlowContext[], context: FlowContext): void {
  if (flow.on.length > 0 || context.site.isFlowMissing || contexts.some(({ steps }) => runsOf(steps).includes(flow.flow))) return
  const routes = context.parts.site?.part.keys.routes ?? []
  if (routes.some(({ to }) => to.kind === 'flow' && to.flow === flow.flow)) return
  const finding = {
    code: 'flow.never-started',
    message: `Nothing starts ${flow.flow}.`,
    remedy: 'Give it a trigger: `on: [{ start: operator }]` lets people and programs start it.',
    severity: 'warning',
  } as const
  report({ path: ['flow'] }, finding, context)
}
