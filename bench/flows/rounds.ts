import { calmRounds } from '../calm.ts'
import { type Measure, median } from '../report.ts'

export interface Rounds {
  /** One short round: does the bench work? */
  readonly isSmoke: boolean
  /** For those that go on for as long as is asked. */
  readonly minutes?: number
  say(text: string): void
}

const rounds = 3

/** The same again and again; of each number the median. */
export async function roundsOf(
  { isSmoke, say, what }: Rounds & { readonly what: string },
  round: () => Promise<readonly Measure[]>,
): Promise<readonly Measure[]> {
  const all = await calmRounds({ rounds, isSmoke, say, what, round })
  return (all[0] ?? []).map((measure) => {
    const same = all.flatMap((measures) => measures.filter(({ name }) => name === measure.name))
    const peerValue = median(same.flatMap((each) => each.peerValue ?? []))
    return { ...measure, value: median(same.flatMap(({ value }) => value ?? [])), ...(peerValue === undefined ? {} : { peerValue }) }
  })
}
