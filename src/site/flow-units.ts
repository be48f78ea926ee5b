import type { FlowDefinition, FlowStep } from '../control/flows/config.ts'
import type { TagMeta } from '../model/tag.ts'
import { isNumeric } from './check-values.ts'
import type { Finding } from './source.ts'

/** A unit that begins with a digit, 1/min, has a blank in front. */
const amount = /^\s*([+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?)(?:\s*([^\s\d.].{0,31}?)|\s+(\S.{0,31}?))\s*$/i

/** `80 °C` for a tag with a number: the number, once its unit is seen to be that of the tag. undefined where it is nothing of the kind. */
export function valueWithUnit(tag: TagMeta, value: unknown): { readonly value: number } | { readonly finding: Finding } | undefined {
  if (typeof value !== 'string' || tag.type === undefined || !isNumeric(tag.type) || tag.length !== undefined) return undefined
  const [, digits, beside, apart] = amount.exec(value) ?? []
  const unit = beside ?? apart
  if (digits === undefined || unit === undefined) return undefined
  if (tag.unit === unit) return { value: Number(digits) }
  if (tag.unit === undefined) {
    const message = `${tag.id} does not say its unit, so nobody can say whether ${unit} is right.`
    const remedy = `Write ${digits}, or give the tag \`unit: ${unit}\` in its device file.`
    return { finding: { code: 'flow.unit-missing', message, remedy } }
  }
  const message = `${tag.id} takes ${tag.unit}, and this is in ${unit}.`
  return { finding: { code: 'flow.unit', message, remedy: `Write it in ${tag.unit}.` } }
}

/** The flow with plain numbers where its file has them with their units. */
export function withoutUnits(flow: FlowDefinition, tags: ReadonlyMap<string, TagMeta>): FlowDefinition {
  return { ...flow, steps: flow.steps.map((step) => plainStep(step, tags)) }
}

function plainStep(step: FlowStep, tags: ReadonlyMap<string, TagMeta>): FlowStep {
  const plain = (steps: readonly FlowStep[]): readonly FlowStep[] => steps.map((inner) => plainStep(inner, tags))
  const { onFailure } = step
  const common = {
    undo: plain(step.undo),
    ...(onFailure === undefined ? {} : { onFailure: typeof onFailure === 'string' ? onFailure : plain(onFailure) }),
  }
  switch (step.kind) {
    case 'write':
      return { ...step, ...common, writes: step.writes.map((write) => ({ ...write, value: plainValue(write, tags) })) }
    case 'switch':
      return { ...step, ...common, cases: step.cases.map((one) => ({ ...one, steps: plain(one.steps) })), otherwise: plain(step.otherwise) }
    case 'parallel':
      return { ...step, ...common, branches: step.branches.map((branch) => ({ ...branch, steps: plain(branch.steps) })) }
    case 'each':
      return { ...step, ...common, steps: plain(step.steps) }
    default:
      return { ...step, ...common }
  }
}

type Write = Extract<FlowStep, { kind: 'write' }>['writes'][number]

function plainValue({ tag, value }: Write, tags: ReadonlyMap<string, TagMeta>): Write['value'] {
  const meta = tags.get(tag)
  const united = meta === undefined ? undefined : valueWithUnit(meta, value)
  return united !== undefined && 'value' in united ? united.value : value
}
