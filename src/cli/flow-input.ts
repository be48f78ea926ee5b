import { Fault } from '../base/fault.ts'
import type { Gateway } from './gateway.ts'

interface InputRow {
  readonly flow: string
  readonly inputs?: Readonly<Record<string, { readonly type: string }>>
}

/** `speed=200`, `name=peach`: JSON where it is JSON, else text; and text where the flow asks for text, for a batch may be called 0815. */
export async function inputOf(gateway: Gateway, flow: string, texts: readonly string[]): Promise<Readonly<Record<string, unknown>>> {
  const pairs = texts.map(pairOf)
  const given = pairs.map(([name, text]) => [name, parsed(name, text)] as const)
  if (given.every(([, value]) => typeof value === 'string')) return Object.fromEntries(given)
  const inputs = await inputsOf(gateway, flow)
  return Object.fromEntries(
    given.map(([name, value], place) => [name, inputs[name]?.type === 'text' && typeof value !== 'string' ? pairs[place]?.[1] : value]),
  )
}

function pairOf(text: string): readonly [name: string, text: string] {
  const at = text.indexOf('=')
  if (at < 1) throw new Fault('usage.input', `"${text}" is no input.`, { remedy: 'Give it as NAME=VALUE.' })
  return [text.slice(0, at), text.slice(at + 1)]
}

function parsed(name: string, text: string): unknown {
  try {
    const value: unknown = JSON.parse(text, (key, item: unknown) => finite(name, key, item))
    return typeof value === 'number' && !Number.isFinite(value) ? text : value
  } catch (error) {
    if (error instanceof Fault) throw error
    return text
  }
}

/** JSON has no infinity: on its way `1e999` would become a null, which is as if nothing were given, and the default of the flow would count. */
function finite(name: string, key: string, item: unknown): unknown {
  if (key === '' || typeof item !== 'number' || Number.isFinite(item)) return item
  throw new Fault('usage.input', `A number in "${name}" is too large.`, { remedy: 'Give one of less than 1.8e308.' })
}

/** Who may start a flow need not be allowed to look at it. */
async function inputsOf(gateway: Gateway, flow: string): Promise<NonNullable<InputRow['inputs']>> {
  const answer = await gateway.get('/api/v1/workflows').catch((error: unknown) => {
    if (error instanceof Fault && error.code.startsWith('access.')) return { items: [] }
    throw error
  })
  const { items = [] } = answer as { readonly items?: readonly InputRow[] }
  return items.find((row) => row.flow === flow)?.inputs ?? {}
}
