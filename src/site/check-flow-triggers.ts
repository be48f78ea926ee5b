import { createRequire } from 'node:module'
import type * as Croner from 'croner'
import { loadedLibrary } from '../base/library.ts'
import { type FlowTrigger, unsettledAlarm } from '../control/flows/config.ts'
import { isNumeric, scalarType } from './check-values.ts'
import { suggestion } from './did-you-mean.ts'
import { type FlowContext, knownTag, report } from './flow-context.ts'
import { checkCondition } from './flow-expressions.ts'
import type { Path } from './source.ts'

/** What starts a flow is there, and can ever be. */
export function checkTriggers(context: FlowContext): void {
  const { flow } = context
  for (const [place, trigger] of flow.on.entries()) if (trigger !== undefined) checkTrigger(trigger, ['on', place], context)
  const per = flow.config?.concurrency.per
  if (per !== undefined) checkCondition(per, { path: ['concurrency', 'per'], place: 'start' }, context)
  checkInputsGiven(context)
}

function checkTrigger(trigger: FlowTrigger, path: Path, context: FlowContext): void {
  switch (trigger.kind) {
    case 'tag':
      checkTagTrigger(trigger, path, context)
      return
    case 'topic':
      checkTopic(trigger.topic, [...path, 'topic'], context)
      if (trigger.where !== undefined) checkCondition(trigger.where, { path: [...path, 'where'], place: 'message' }, context)
      return
    case 'event':
      if (trigger.where !== undefined) checkCondition(trigger.where, { path: [...path, 'where'], place: 'message' }, context)
      checkEvent(trigger.event, [...path, 'event'], context)
      return
    case 'alarm':
      if (!isOfRuns(trigger.alarm, context)) checkAlarm(trigger.alarm, [...path, 'alarm'], context)
      return
    case 'cron':
      checkCron(trigger, path, context)
      return
    case 'interval':
    case 'start':
      return
    default:
      trigger satisfies never
  }
}

function checkTagTrigger(trigger: Extract<FlowTrigger, { kind: 'tag' }>, path: Path, context: FlowContext): void {
  const tag = knownTag(trigger.tag, { path: [...path, 'tag'] }, context)
  const value = scalarType(tag)
  checkCondition(trigger.when, { path: [...path, 'when'], place: 'flow', value }, context)
  if (trigger.deadband === undefined || value === undefined || isNumeric(value)) return
  const finding = {
    code: 'flow.deadband',
    message: `${trigger.tag} is ${value}: it does not move by ${trigger.deadband}.`,
    remedy: 'Remove `deadband`.',
  }
  report({ path: [...path, 'deadband'] }, finding, context)
}

/** What a tag has on its own topic comes from the gateway itself, and is no message. */
function checkTopic(topic: string, path: Path, context: FlowContext): void {
  const { parts } = context
  const site = parts.site?.part.keys.site
  const tag = site !== undefined && topic.startsWith(`/${site}/`) ? topic.slice(site.length + 2) : topic
  if (!parts.tags.has(tag)) return
  const finding = {
    code: 'flow.topic-of-tag',
    message: `${topic} is the topic of a tag, and what it tells is no message: this would never start the flow.`,
    remedy: `Begin with the tag: \`{ tag: ${tag}, when: … }\`.`,
  }
  report({ path }, finding, context)
}

/** First words of what the gateway itself tells. */
const ownEvents = ['alarm', 'breaker', 'command', 'device', 'flow', 'opcua', 'outbox', 'pipeline', 'route', 'runtime', 'step', 'upstream']

function checkEvent(event: string, path: Path, context: FlowContext): void {
  const [first = ''] = event.split('.')
  const known = [...ownEvents, ...context.site.emitted]
  if (first === '*' || known.includes(first)) return
  const finding = {
    code: 'flow.event-unknown',
    message: `No flow emits an event ${event}, and the gateway knows none that begins so.`,
    remedy: `${suggestion(first, known)} A program outside may still bring it.`,
    severity: 'warning',
  } as const
  report({ path }, finding, context)
}

/** The alarm that the gateway itself raises where a run is left to a person. */
function isOfRuns(alarm: string, { site }: FlowContext): boolean {
  return [...site.flows.keys(), 'pipeline'].some((flow) => alarm === unsettledAlarm(flow))
}

export function checkAlarm(alarm: string, path: Path, context: FlowContext): void {
  const { alarms, isFlowMissing } = context.site
  if (alarms.has(alarm) || isFlowMissing || context.parts.isIncomplete) return
  const finding = {
    code: 'flow.alarm-unknown',
    message: `Nothing raises an alarm \`${alarm}\`.`,
    remedy: alarms.size === 0 ? 'Raise it in a flow: `raise: { alarm: … }`.' : suggestion(alarm, alarms),
  }
  report({ path }, finding, context)
}

function checkCron({ cron, zone = 'UTC' }: Extract<FlowTrigger, { kind: 'cron' }>, path: Path, context: FlowContext): void {
  if (!isZone(zone)) {
    const finding = {
      code: 'flow.zone-unknown',
      message: `There is no time zone \`${zone}\`.`,
      remedy: suggestion(zone, Intl.supportedValuesOf('timeZone')),
    }
    report({ path: [...path, 'zone'] }, finding, context)
    return
  }
  const problem = cronProblem(cron, zone)
  if (problem === undefined) return
  const remedy = 'Write minute, hour, day, month and weekday: `0 6 * * 1-5` is six in the morning from Monday to Friday.'
  report({ path: [...path, 'cron'] }, { code: 'flow.cron', message: problem, remedy }, context)
}

function isZone(zone: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: zone }) !== undefined
  } catch {
    return false
  }
}

/** The library is loaded with the first cron text, and not for sites without. */
function cronProblem(cron: string, zone: string): string | undefined {
  if (cron.startsWith('@')) return 'Names such as @daily are not understood.'
  const { Cron } = loadedLibrary('croner', () => createRequire(import.meta.url)('croner') as typeof Croner)
  try {
    const job = new Cron(cron, { paused: true, timezone: zone })
    const hasNext = job.nextRun() !== null
    job.stop()
    return hasNext ? undefined : 'This moment never comes.'
  } catch (error) {
    const [text = ''] = String(error instanceof Error ? error.message : error).split('\n')
    return `This is no cron text: ${text.replace(/^CronPattern: /, '').slice(0, 200)}.`.replace('..', '.')
  }
}

/** A trigger brings no inputs: those without a default would have no value. */
function checkInputsGiven(context: FlowContext): void {
  const { flow } = context
  const place = flow.on.findIndex((trigger) => trigger !== undefined && trigger.kind !== 'start')
  if (place < 0) return
  for (const [name, input] of Object.entries(flow.input ?? {})) {
    if (input.default !== undefined) continue
    const finding = {
      code: 'flow.input-missing',
      message: `\`${name}\` has no default, and a ${flow.on[place]?.kind} that starts the flow brings no value for it.`,
      remedy: 'Give it a default, or let the flow be started only by `start` and by other flows.',
    }
    report({ path: ['input', name], part: 'key' }, finding, context)
  }
}
