import { Fault } from '../../base/fault.ts'

const valueLengthMax = 1_024

/** The query of a request with each of the known keys at most once. Anything else is refused with the Fault `api.bad-query`: a typo must not be silently ignored. */
export function plainQuery<Key extends string>(query: unknown, keys: readonly Key[]): { readonly [K in Key]?: string } {
  const plain: { [K in Key]?: string } = {}
  for (const [key, value] of Object.entries(query ?? {})) {
    const known = keys.find((one) => one === key)
    if (known === undefined) throw badQuery(`There is no query parameter "${key.slice(0, 40)}" here.`, `Use one of: ${keys.join(', ')}.`)
    if (typeof value !== 'string') throw badQuery(`"${key}" is given more than once.`, 'Give it once.')
    if (value.length > valueLengthMax) throw badQuery(`"${key}" has ${value.length} characters.`, `Give at most ${valueLengthMax}.`)
    plain[known] = value
  }
  return plain
}

function badQuery(message: string, remedy: string): Fault {
  return new Fault('api.bad-query', message, { remedy })
}
