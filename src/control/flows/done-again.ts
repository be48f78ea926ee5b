/** How often a person had something done again: in all, and after it was known to be done. */
export interface Again {
  readonly times: number
  readonly done: number
}

export const notAgain: Again = { times: 0, done: 0 }

/** Once more, of these parts. */
export function countedAgain(
  before: ReadonlyMap<string, Again> | undefined,
  parts: Iterable<readonly [key: string, { readonly status?: string }]>,
): ReadonlyMap<string, Again> {
  const counted = new Map(before)
  for (const [key, { status }] of parts) {
    const { times, done } = counted.get(key) ?? notAgain
    counted.set(key, { times: times + 1, done: done + (status === 'done' ? 1 : 0) })
  }
  return counted
}
