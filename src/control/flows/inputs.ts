import { Fault } from '../../base/fault.ts'
import { jsonSafe } from '../../model/template.ts'
import type { FlowDefinition, FlowInput } from './definition.ts'

const inputCharsMax = 64 * 1024

/** What a run gets: what was given, checked, and the defaults of what was not. Throws `flow.bad-input`. */
export function inputFor({ flow, input }: FlowDefinition, given: unknown): Readonly<Record<string, unknown>> {
  const values = jsonSafe(given ?? {})
  if (typeof values !== 'object' || values === null || Array.isArray(values)) throw badInput(flow, 'it is no map of names and values')
  const stranger = Object.keys(values).find((name) => !Object.hasOwn(input, name))
  if (stranger !== undefined) throw badInput(flow, `it has no input "${stranger.slice(0, 64)}"${namesText(Object.keys(input))}`)
  const whole = Object.fromEntries(
    Object.entries(input).map(([name, rule]) => [name, valueFor(flow, name, { rule, given: { ...values }[name] })]),
  )
  if (JSON.stringify(whole).length > inputCharsMax) throw badInput(flow, `it has more than ${inputCharsMax} characters`)
  return whole
}

function valueFor(flow: string, name: string, { rule, given }: { readonly rule: FlowInput; readonly given: unknown }): unknown {
  const value = given ?? rule.default
  if (value === undefined) throw badInput(flow, `"${name}" is missing`)
  if (rule.type !== 'any' && typeof value !== types[rule.type])
    throw badInput(flow, `"${name}" is ${JSON.stringify(value)?.slice(0, 60)}, and no ${rule.type}`)
  const [least, largest] = rule.range ?? []
  if (typeof value === 'number' && ((least !== undefined && value < least) || (largest !== undefined && value > largest))) {
    throw badInput(flow, `"${name}" is ${value}, and must lie from ${least} to ${largest}`)
  }
  return value
}

const types = { number: 'number', text: 'string', boolean: 'boolean' } as const

function namesText(names: readonly string[]): string {
  return names.length === 0 ? '; it takes none' : `; it has ${names.join(', ')}`
}

function badInput(flow: string, why: string): Fault {
  return new Fault('flow.bad-input', `${flow} cannot be started with this input: ${why}.`, {
    remedy: 'Give what `input:` in its file asks for.',
  })
}
