import type { FlowStep, StepOf } from '../control/flows/config.ts'
import { checkQuery } from './check-flow-query.ts'
import { checkAlarm } from './check-flow-triggers.ts'
import { checkWrite } from './check-flow-writes.ts'
import { suggestion } from './did-you-mean.ts'
import { type FlowContext, isKnownDevice, knownTag, report } from './flow-context.ts'
import { checkedTemplate, checkStepCondition } from './flow-expressions.ts'
import type { StepAt } from './flow-steps.ts'
import type { Path } from './source.ts'

/** Each step by itself: what it names is there, what it computes compiles, what it does can be done. */
export function checkSteps(context: FlowContext): void {
  for (const at of context.steps) {
    const { step, path } = at
    if (step.when !== undefined) checkStepCondition(step.when, [...path, 'when'], at, context)
    checkStep(step, at, context)
  }
}

type StepCheck<Kind extends FlowStep['kind']> = (step: StepOf<Kind>, at: StepAt, context: FlowContext) => void

const checks: { readonly [Kind in FlowStep['kind']]: StepCheck<Kind> } = {
  write: checkWrite,
  read: (step, at, context) => checkTagNames(step.tags, [...at.path, 'read', 'tags'], at, context),
  publish: checkPublish,
  emit: (step, at, context) => templates({ subject: step.subject, data: step.data }, [...at.path, 'emit'], at, context),
  wait: checkWait,
  set: (step, at, context) => templates(step.variables, [...at.path, 'set'], at, context),
  switch: (step, at, context) => {
    for (const [place, one] of step.cases.entries()) checkStepCondition(one.when, [...at.path, 'switch', place, 'when'], at, context)
  },
  parallel: () => {},
  each: checkEach,
  run: checkRun,
  request: checkRequest,
  call: checkCall,
  query: checkQuery,
  approve: (step, at, context) => templates({ text: step.text }, [...at.path, 'approve'], at, context),
  pick: checkPick,
  raise: (step, at, context) => templates({ text: step.text }, [...at.path, 'raise'], at, context),
  clear: (step, at, context) => checkAlarm(step.alarm, [...at.path, 'clear', 'alarm'], context),
  log: (step, at, context) => templates({ text: step.text, data: step.data }, [...at.path, 'log'], at, context),
  fail: (step, at, context) => void checkedTemplate(step.text, [...at.path, 'fail'], at, context),
  end: (step, at, context) => templates({ output: step.output }, [...at.path, 'end'], at, context),
}

function checkStep<Kind extends FlowStep['kind']>(step: StepOf<Kind>, at: StepAt, context: FlowContext): void {
  checks[step.kind as Kind](step, at, context)
}

function templates(texts: Readonly<Record<string, unknown>>, path: Path, at: StepAt, context: FlowContext): void {
  for (const [key, text] of Object.entries(texts)) if (text !== undefined) checkedTemplate(text, [...path, key], at, context)
}

function checkTagNames(names: readonly string[], path: Path, at: StepAt, context: FlowContext): void {
  for (const [place, name] of names.entries()) {
    if (name.includes('${')) checkedTemplate(name, [...path, place], at, context)
    else knownTag(name, { path: [...path, place] }, context)
  }
}

function checkPublish(step: StepOf<'publish'>, at: StepAt, context: FlowContext): void {
  templates({ topic: step.topic, payload: step.payload }, [...at.path, 'publish'], at, context)
  const owner = step.topic.replace(/\/set(\/result)?$/, '')
  if (!context.parts.tags.has(owner)) return
  const finding = {
    code: 'flow.topic-of-tag',
    message: `${step.topic} is the topic of the tag ${owner}.`,
    remedy: 'Publish to a topic of your own, or write to the tag with a write step.',
  }
  report({ path: [...at.path, 'publish', 'topic'] }, finding, context)
}

function checkWait(step: StepOf<'wait'>, at: StepAt, context: FlowContext): void {
  if (step.until === undefined) return
  const path = [...at.path, 'wait', 'until']
  checkStepCondition(step.until, path, at, context)
  const { flow } = context
  const isBounded = [at, ...at.around].some(({ step: outer }) => outer.timeoutMs !== undefined)
  if (step.untilMs !== undefined || isBounded || flow.config === undefined || flow.config.timeoutMs !== undefined) return
  const finding = {
    code: 'flow.wait-unbounded',
    message: `\`${step.id}\` may wait for ever${flow.config.locks.length > 0 ? `, and holds ${flow.config.locks.join(', ')} all the while` : ''}.`,
    remedy: 'Give it a timeout: `wait: { until: …, timeout: 5m }`, or the flow a `timeout`.',
    severity: 'warning',
  } as const
  report({ path }, finding, context)
}

function checkEach(step: StepOf<'each'>, at: StepAt, context: FlowContext): void {
  const path = [...at.path, 'each', 'in']
  const template = checkedTemplate(step.in, path, at, context)
  const list = template?.isConstant === true ? template.evaluate({ tag: () => undefined }) : undefined
  const isText =
    typeof step.in === 'string' && (template?.isConstant === true || ['string', 'bool', 'int', 'double'].includes(template?.type ?? 'dyn'))
  if (isText) {
    report({ path }, { code: 'flow.no-list', message: 'This is no list.', remedy: 'Write a list, or one `${…}` that gives one.' }, context)
  }
  if (!Array.isArray(list) || list.length <= step.limit) return
  const message = `The list has ${list.length} items, and the limit is ${step.limit}.`
  report({ path }, { code: 'flow.each-limit', message, remedy: `Set \`limit: ${list.length}\`.` }, context)
}

function checkRun(step: StepOf<'run'>, at: StepAt, context: FlowContext): void {
  const path = [...at.path, 'run']
  templates(step.input, [...path, 'input'], at, context)
  const { flows, isFlowMissing } = context.site
  const target = flows.get(step.flow)
  if (target === undefined) {
    if (isFlowMissing) return
    const finding = {
      code: 'flow.flow-unknown',
      message: `There is no flow \`${step.flow}\`.`,
      remedy: suggestion(step.flow, flows.keys()),
    }
    report({ path: [...path, 'flow'] }, finding, context)
    return
  }
  if (target.part.config === undefined) return
  const { input } = target.part.config
  for (const name of Object.keys(step.input)) {
    if (Object.hasOwn(input, name)) continue
    const finding = {
      code: 'flow.input-unknown',
      message: `${step.flow} has no input \`${name}\`.`,
      remedy: suggestion(name, Object.keys(input)),
    }
    report({ path: [...path, 'input', name], part: 'key' }, finding, context)
  }
  for (const [name, { type, default: preset, range }] of Object.entries(input)) {
    const given = step.input[name]
    const at = { path: given === undefined ? [...path, 'flow'] : [...path, 'input', name] }
    if (given === undefined) {
      if (preset !== undefined) continue
      const finding = {
        code: 'flow.input-missing',
        message: `${step.flow} needs the input \`${name}\`.`,
        remedy: `Add \`input: { ${name}: … }\`.`,
      }
      report(at, finding, context)
      continue
    }
    const problem = inputProblem(given, { type, range })
    if (problem !== undefined)
      report(at, { code: 'flow.input-type', message: `\`${name}\` of ${step.flow} ${problem}.`, remedy: 'Change it to fit.' }, context)
  }
}

const inputTypes = { number: ['number', 'a number'], text: ['string', 'a text'], boolean: ['boolean', 'true or false'] } as const

function inputProblem(
  value: unknown,
  { type, range }: { readonly type: keyof typeof inputTypes | 'any'; readonly range: readonly [number, number] | undefined },
): string | undefined {
  if (type === 'any' || (typeof value === 'string' && value.includes('${'))) return undefined
  const [wanted, words] = inputTypes[type]
  if (typeof value !== wanted) return `must be ${words}`
  if (typeof value !== 'number' || range === undefined || (value >= range[0] && value <= range[1])) return undefined
  return `must lie within ${range[0]} to ${range[1]}`
}

function checkRequest(step: StepOf<'request'>, at: StepAt, context: FlowContext): void {
  const path = [...at.path, 'request']
  templates({ path: step.path, body: step.body, headers: step.headers }, path, at, context)
  const { services } = context.site
  if (services.includes(step.service)) return
  const finding = {
    code: 'flow.service-unknown',
    message: `There is no service \`${step.service}\` in lineside.yaml.`,
    remedy: services.length === 0 ? `Name it there: \`services: { ${step.service}: { url: … } }\`.` : suggestion(step.service, services),
  }
  report({ path: [...path, 'service'] }, finding, context)
}

/** What can be called at all. */
const driversWithMethods = ['opcua']

function checkCall(step: StepOf<'call'>, at: StepAt, context: FlowContext): void {
  const path = [...at.path, 'call']
  templates({ device: step.device, object: step.object, method: step.method, inputs: step.inputs }, path, at, context)
  if (!step.device.includes('${') && isKnownDevice(step.device, { path: [...path, 'device'] }, context)) {
    const device = context.parts.devices.find(({ part }) => part.device === step.device)?.part
    if (device !== undefined && !driversWithMethods.includes(device.driver)) {
      const message = `${step.device} speaks ${device.driver}, which knows no methods.`
      const finding = { code: 'flow.call-unsupported', message, remedy: 'Write to a tag instead, or call a device that speaks opcua.' }
      report({ path: [...path, 'device'] }, finding, context)
    }
  }
  const retry = step.retry ?? context.flow.config?.retry
  if (retry === undefined || retry.attempts <= 1) return
  const finding = {
    code: 'flow.retry-unsafe',
    message: `Nobody can say whether a call without an answer has worked: a second could do it twice.`,
    remedy: 'Give the step `retry: { attempts: 1 }`, unless the method does no harm when it is called twice.',
    severity: 'warning',
  } as const
  report({ path: step.retry === undefined ? path : [...at.path, 'retry'] }, finding, context)
}

function checkPick(step: StepOf<'pick'>, at: StepAt, context: FlowContext): void {
  const path = [...at.path, 'pick']
  const { capabilities } = context.site
  const able = capabilities.get(step.capability)
  if (able === undefined) {
    if (context.parts.isIncomplete) return
    const finding = {
      code: 'flow.capability-unknown',
      message: `No device has the capability \`${step.capability}\`.`,
      remedy: suggestion(step.capability, capabilities.keys()),
    }
    report({ path: [...path, 'capability'] }, finding, context)
    return
  }
  const named = [...(step.from ?? []).map((device, place) => ({ device, path: [...path, 'from', place] }))]
  if (step.fallback !== undefined) named.push({ device: step.fallback, path: [...path, 'fallback'] })
  for (const { device, path: where } of named) {
    if (!isKnownDevice(device, { path: where }, context) || able.includes(device) || context.parts.isIncomplete) continue
    const finding = {
      code: 'flow.capability-missing',
      message: `${device} has no capability \`${step.capability}\`.`,
      remedy: suggestion(device, able),
    }
    report({ path: where }, finding, context)
  }
}
