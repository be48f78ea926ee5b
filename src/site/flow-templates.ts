import { isName } from '../model/name.ts'
import { suggestion } from './did-you-mean.ts'
import { parseFlow } from './flow-files.ts'
import { instanceSchema, type Parameter, templateSchema } from './flow-template-schema.ts'
import { filledIn } from './flow-template-text.ts'
import { flowJsonSchema } from './json-schemas.ts'
import type { FlowPart, From } from './loaded.ts'
import { once } from './parse-once.ts'
import type { ProblemList } from './problems.ts'
import { reportIssues, valueAt } from './schema-problems.ts'
import type { Path, SourceFile } from './source.ts'

interface Template {
  readonly source: SourceFile
  readonly name: string
  readonly parameters: Readonly<Record<string, Parameter>>
  /** What is wrong with its own markers is told once, not for each flow. */
  isTold: boolean
}

/** A flow that is to be made of a template, and where that is written. */
interface Instance {
  readonly flow: string
  readonly from: string
  readonly given: Readonly<Record<string, string | number | boolean>>
  readonly source: SourceFile
  readonly fromPath: Path
  readonly givenPath: Path
  readonly namePath: Path
}

export interface FlowParts {
  readonly parts: readonly From<FlowPart>[]
  /** Some flow that is made of a template could not be made. */
  readonly isIncomplete: boolean
}

/** Every flow of the files, those made of templates in place of the templates. */
export function flowParts(sources: readonly SourceFile[], problems: ProblemList): FlowParts {
  const templates = new Map<string, Template>()
  const instances: Instance[] = []
  const parts: From<FlowPart>[] = []
  let isIncomplete = false
  for (const source of sources) {
    const taking = { templates, instances, problems }
    if (valueAt(source.value, ['template']) !== undefined) isIncomplete = !takeTemplate(source, taking) || isIncomplete
    else if (valueAt(source.value, ['from']) !== undefined) isIncomplete = !takeInstance(source, taking) || isIncomplete
    else parts.push({ source, part: parseFlow(source, problems) })
  }
  for (const instance of instances) {
    const template = templates.get(instance.from)
    const part = template === undefined ? undefined : made(instance, template, problems)
    if (part !== undefined) parts.push(part)
    if (template === undefined && !isIncomplete) reportUnknown(instance, templates, problems)
  }
  reportUnused(templates, instances, problems)
  return { parts, isIncomplete: isIncomplete || instances.some(({ flow }) => !parts.some(({ part }) => part.flow === flow)) }
}

interface Taking {
  readonly templates: Map<string, Template>
  readonly instances: Instance[]
  readonly problems: ProblemList
}

function takeTemplate(source: SourceFile, { templates, instances, problems }: Taking): boolean {
  const result = templateSchema.safeParse(source.value, once)
  if (!result.success) {
    reportIssues(result.error, { source, problems, schema: flowJsonSchema })
    return false
  }
  const { flow: name, template: parameters } = result.data
  const first = templates.get(name)
  if (first !== undefined) {
    const finding = { code: 'template.duplicate', message: `${first.source.file} names a template \`${name}\` too.`, remedy: 'Rename one.' }
    problems.add(source, { path: ['flow'] }, finding)
    return true
  }
  templates.set(name, { source, name, parameters, isTold: false })
  for (const [flow, given] of Object.entries(result.data.instances)) {
    const path = ['instances', flow]
    instances.push({ flow, from: name, given, source, fromPath: path, givenPath: path, namePath: path })
  }
  return true
}

function takeInstance(source: SourceFile, { instances, problems }: Taking): boolean {
  const result = instanceSchema.safeParse(source.value, once)
  if (!result.success) {
    reportIssues(result.error, { source, problems, schema: flowJsonSchema })
    return false
  }
  const { flow, from, with: given } = result.data
  instances.push({ flow, from, given, source, fromPath: ['from'], givenPath: ['with'], namePath: ['flow'] })
  return true
}

function reportUnknown({ from, source, fromPath }: Instance, templates: ReadonlyMap<string, Template>, problems: ProblemList): void {
  const finding = { code: 'template.unknown', message: `There is no template \`${from}\`.`, remedy: suggestion(from, templates.keys()) }
  problems.add(source, { path: fromPath }, finding)
}

function reportUnused(templates: ReadonlyMap<string, Template>, instances: readonly Instance[], problems: ProblemList): void {
  for (const { name, source } of templates.values()) {
    if (instances.some(({ from }) => from === name)) continue
    const finding = {
      code: 'template.unused',
      message: `No flow is made of the template \`${name}\`, so nothing of it is checked.`,
      remedy: 'Add `instances: { NAME: { … } }` to it.',
      severity: 'warning',
    } as const
    problems.add(source, { path: ['template'], part: 'key' }, finding)
  }
}

/** The flow that a template makes of what is given; what is wrong in it is told at the template's line, with its name. */
function made(instance: Instance, template: Template, problems: ProblemList): From<FlowPart> | undefined {
  const values = valuesOf(instance, template, problems)
  if (values === undefined) return undefined
  const { value, place, unknown } = filledIn(template.source, values)
  for (const { path, name } of template.isTold ? [] : unknown) {
    const finding = {
      code: 'template.parameter-unknown',
      message: `The template has no parameter \`${name}\`.`,
      remedy: `${suggestion(name, Object.keys(template.parameters))} A plain $( is written $$(.`,
    }
    problems.add(template.source, { path }, finding)
  }
  template.isTold ||= unknown.length > 0
  if (unknown.length > 0) return undefined
  const { template: _, instances: __, ...body } = value as Record<string, unknown>
  const source: SourceFile = {
    file: template.source.file,
    value: { ...body, flow: instance.flow },
    note: `in the flow ${instance.flow}`,
    place: (spot) =>
      spot.path[0] === 'flow' ? { file: instance.source.file, ...instance.source.place({ path: instance.namePath }) } : place(spot),
  }
  return { source, part: parseFlow(source, problems) }
}

type Values = Readonly<Record<string, string | number | boolean>>

/** undefined where something is missing or of another type, and that has been reported. */
function valuesOf({ given, source, givenPath, flow }: Instance, { parameters, name }: Template, problems: ProblemList): Values | undefined {
  const values: Record<string, string | number | boolean> = {}
  let isRight = true
  const wrong = (path: Path, code: string, message: string, remedy: string): void => {
    isRight = false
    problems.add(source, { path }, { code, message, remedy })
  }
  for (const key of Object.keys(given)) {
    if (Object.hasOwn(parameters, key)) continue
    wrong(
      [...givenPath, key],
      'template.parameter-unknown',
      `The template ${name} has no parameter \`${key}\`.`,
      suggestion(key, Object.keys(parameters)),
    )
  }
  for (const [key, { type, default: preset }] of Object.entries(parameters)) {
    const value = given[key] ?? preset
    if (value === undefined) {
      wrong(givenPath, 'template.parameter-missing', `${flow} does not say its \`${key}\`.`, `Add \`${key}:\`, ${kinds[type].words}.`)
      continue
    }
    values[key] = value
    if (kinds[type].fits(value)) continue
    wrong([...givenPath, key], 'template.parameter-type', `\`${key}\` must be ${kinds[type].words}.`, `Write ${kinds[type].words}.`)
  }
  return isRight ? values : undefined
}

const isText = (value: unknown): value is string => typeof value === 'string'

/** Whether a device or a tag is there is found at each place where it is used. */
const kinds: Readonly<Record<Parameter['type'], { readonly words: string; readonly fits: (value: unknown) => boolean }>> = {
  device: { words: 'the name of a device', fits: (value) => isText(value) && isName(value) },
  tag: { words: 'a tag, DEVICE/TAG', fits: (value) => isText(value) && value.includes('/') && value.split('/').every(isName) },
  number: { words: 'a number', fits: (value) => typeof value === 'number' },
  text: { words: 'a text', fits: isText },
  boolean: { words: 'true or false', fits: (value) => typeof value === 'boolean' },
}
