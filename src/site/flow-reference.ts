import { z } from 'zod'
import { deedShape, expectShape, flowTestShape, serviceAnswerSchema, tagStateSchema, testCaseShape } from '../control/flow-tests/config.ts'
import { flowShape, inputSchema, stepSchema, triggerSchema } from '../control/flows/config.ts'
import { type ReferenceRow, rowsOf, type Section } from './device-reference.ts'
import { instanceShape, parameterSchema, templateShape } from './flow-template-schema.ts'
import { jsonSchemaOf } from './json-schema.ts'

/** Keys that stand beside a kind of step and say something about it. */
const beside: Readonly<Record<string, readonly string[]>> = { write: ['confirm'], switch: ['else'], parallel: ['join'] }
const common = ['id', 'needs', 'when', 'timeout', 'retry', 'in-doubt', 'undo', 'on-failure']
/** What stands below these is told in sections of its own. */
const told = ['on', 'input', 'steps', 'undo', 'on-failure', 'else']

/** Every key that a flow file may have, section by section, made from the schemas that check it. */
export function flowReference(): readonly Section[] {
  const steps = rows(stepSchema)
  const kinds = [...new Set(steps.map(firstKey))].filter((key) => !common.includes(key) && !Object.values(beside).flat().includes(key))
  return [
    { title: 'The flow', rows: rows(z.strictObject(flowShape)) },
    { title: 'An input', rows: rows(inputSchema) },
    { title: 'A trigger', rows: rows(triggerSchema) },
    { title: 'Every step', rows: steps.filter((row) => common.includes(firstKey(row))) },
    ...kinds.map((kind) => ({
      title: `A step that does ${kind}`,
      rows: steps.filter((row) => [kind, ...(beside[kind] ?? [])].includes(firstKey(row))),
    })),
    { title: 'A template', rows: rows(z.strictObject(templateShape)) },
    { title: 'A parameter of a template', rows: rows(parameterSchema) },
    { title: 'A flow made of a template', rows: rows(z.strictObject(instanceShape)) },
    ...testReference(),
  ]
}

/** Of `flows/*.test.yaml`. */
function testReference(): readonly Section[] {
  const shallow = (shape: z.ZodRawShape, told: readonly string[]): readonly ReferenceRow[] =>
    rows(z.strictObject(shape)).filter((row) => row.key === firstKey(row) || !told.includes(firstKey(row)))
  return [
    { title: 'A file of tests', rows: shallow(flowTestShape, ['tags', 'services', 'plant', 'cases']) },
    { title: 'A case', rows: shallow(testCaseShape, ['tags', 'services', 'do', 'expect']) },
    { title: 'A line of `do` or `plant`', rows: shallow(deedShape, ['set']) },
    { title: 'What is expected', rows: rows(z.strictObject(expectShape)) },
    { title: 'The answer of a service in a test', rows: rows(serviceAnswerSchema) },
    { title: 'A tag in a test', rows: rows(tagStateSchema) },
  ]
}

function rows(schema: z.ZodType): readonly ReferenceRow[] {
  const seen = new Set<string>()
  const all = rowsOf(jsonSchemaOf(schema), '').filter(({ key }) => {
    const isFirst = !seen.has(key)
    seen.add(key)
    return isFirst && !(told.includes(firstKey({ key })) && /[.[]/.test(key))
  })
  // Steps hold steps: their schema refers to itself, and says no type where it is referred to.
  return all.map((row) => (row.key.endsWith('steps') ? { ...row, value: 'list' } : row))
}

function firstKey({ key }: { readonly key: string }): string {
  return key.split(/[.[]/)[0] ?? ''
}
