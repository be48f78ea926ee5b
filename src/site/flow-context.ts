import type { FlowDefinition } from '../control/flows/config.ts'
import type { TagMeta } from '../model/tag.ts'
import { suggestion } from './did-you-mean.ts'
import type { StepAt } from './flow-steps.ts'
import type { FlowPart, From, LoadedParts } from './loaded.ts'
import type { ProblemList } from './problems.ts'
import { valueAt } from './schema-problems.ts'
import type { Finding, SourceFile, Spot } from './source.ts'

/** What the checks of one flow know: itself, and everything around it. */
export interface FlowContext {
  readonly source: SourceFile
  readonly flow: FlowPart
  readonly steps: readonly StepAt[]
  readonly parts: LoadedParts
  readonly site: FlowSurroundings
  readonly problems: ProblemList
}

/** What the flows of a site know of each other and of the site, gathered once. */
export interface FlowSurroundings {
  readonly flows: ReadonlyMap<string, From<FlowPart>>
  readonly definitions: ReadonlyMap<string, FlowDefinition>
  readonly stepsOf: ReadonlyMap<FlowPart, readonly StepAt[]>
  /** Some flow file is broken: a flow that is not found may be in it. */
  readonly isFlowMissing: boolean
  readonly services: readonly string[]
  readonly alarms: ReadonlySet<string>
  /** First words of the events that the flows emit. */
  readonly emitted: ReadonlySet<string>
  readonly capabilities: ReadonlyMap<string, readonly string[]>
}

export function surroundingsOf(parts: LoadedParts, stepsOf: FlowSurroundings['stepsOf']): FlowSurroundings {
  const steps = [...stepsOf.values()].flat().map(({ step }) => step)
  const capabilities = new Map<string, string[]>()
  for (const { part } of parts.devices) {
    for (const capability of part.capabilities) capabilities.set(capability, [...(capabilities.get(capability) ?? []), part.device])
  }
  return {
    flows: new Map(parts.flows.flatMap((from) => (from.part.flow === undefined ? [] : [[from.part.flow, from]]))),
    definitions: new Map(parts.flows.flatMap(({ part }) => (part.config === undefined ? [] : [[part.config.flow, part.config]]))),
    stepsOf,
    isFlowMissing: parts.areFlowsIncomplete || parts.flows.some(({ part }) => part.flow === undefined),
    services: Object.keys(mapAt(parts.site?.source.value, 'services')),
    alarms: new Set([
      ...steps.flatMap((step) => (step.kind === 'raise' ? [step.alarm] : [])),
      ...parts.deviceParts.flatMap(({ part, source }) =>
        Object.keys(mapAt(source.value, 'alarms')).map((name) => `${part.device}/${name}`),
      ),
    ]),
    emitted: new Set(steps.flatMap((step) => (step.kind === 'emit' ? [step.event.split('.')[0] ?? ''] : []))),
    capabilities,
  }
}

function mapAt(value: unknown, key: string): object {
  const map = valueAt(value, [key])
  return typeof map === 'object' && map !== null ? map : {}
}

export function report(spot: Spot, finding: Finding, { source, problems }: FlowContext): void {
  problems.add(source, spot, finding)
}

/** The tag of this name; none is told of, unless a device file is broken and may hold it. */
export function knownTag(id: string, spot: Spot, context: FlowContext): TagMeta | undefined {
  const { parts } = context
  const tag = parts.tags.get(id)
  if (tag !== undefined || parts.isIncomplete || parts.named.has(id)) return tag // told of there
  const finding = {
    code: 'flow.tag-unknown',
    message: `There is no tag \`${id.slice(0, 200)}\` in this site.`,
    remedy: suggestion(id, parts.tags.keys()),
  }
  report(spot, finding, context)
  return undefined
}

/** Whether there is a device of this name. */
export function isKnownDevice(name: string, spot: Spot, context: FlowContext): boolean {
  const { parts } = context
  const names = parts.deviceParts.map(({ part }) => part.device)
  if (names.includes(name)) return true
  if (parts.isIncomplete) return false
  const message = `There is no device \`${name.slice(0, 200)}\` in this site.`
  report(spot, { code: 'flow.device-unknown', message, remedy: suggestion(name, names) }, context)
  return false
}
