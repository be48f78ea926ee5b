import { type FlowContext, report } from './flow-context.ts'
import { flowLoops, type Link } from './flow-loops.ts'
import type { LoadedParts } from './loaded.ts'

/** Flows that may start themselves again by what they do: meant where a next round is, and a machine that never rests where it is not. */
export function checkFlowLoops(contexts: readonly FlowContext[], parts: LoadedParts): void {
  for (const loop of flowLoops(contexts, parts)) {
    const [first] = loop
    const last = loop.at(-1)
    const context = first?.from.flow
    if (first === undefined || last === undefined || context === undefined) continue
    const { step } = first.act
    const path = step !== undefined ? [...step.path, step.step.kind] : ['on', ...(last.start.place === undefined ? [] : [last.start.place])]
    const finding = {
      code: 'flow.loop',
      message: `${loop.length > 1 ? 'These start each other' : 'This flow starts itself'} again and again: ${drawn(loop)}.`,
      remedy: 'Nothing is to be done if each round is meant. Otherwise let a `when` or `where` leave out what comes from here.',
      severity: 'warning',
    } as const
    report({ path }, finding, context)
  }
}

/** `a → w writes press-07/lamp → b → (down) → tag press-07/speed → a` */
function drawn(loop: readonly Link[]): string {
  const steps = loop.flatMap(({ from, act }) => [from.name, act.text])
  return [...steps, loop[0]?.from.name ?? ''].filter((text) => text !== '').join(' → ')
}
