import { calmRounds } from '../calm.ts'
import { type Measure, median } from '../report.ts'

export interface Rounds {
  /** One short round: does the bench work? */
  readonly isSmoke: boolean
  /** For those that go on for as long as is asked. */
  readonly minutes?: number
  say(text: string): void
}

export interface RoundsOptions extends Rounds {
  readonly what: string
  /** V8 is still compiling what has become busy: a round before the others shows what that costs, with a number of its own for each that has a limit. */
  readonly showsStart?: boolean
}

const rounds = 3

/** The same again and again; of each number the median. */
export async function roundsOf(
  { isSmoke, say, what, showsStart = false }: RoundsOptions,
  round: () => Promise<readonly Measure[]>,
): Promise<readonly Measure[]> {
  const early = showsStart && !isSmoke ? await calmRounds({ rounds: 1, isSmoke, say, what: `${what}, just started`, round }) : []
  const all = await calmRounds({ rounds, isSmoke, say, what, round })
  return [...medians(all), ...early.flat().flatMap(atStart)]
}

function atStart({ name, value, unit, limit }: Measure): readonly Measure[] {
  return limit === undefined ? [] : [{ name: `${name}, just started`, value, unit }]
}

function medians(all: readonly (readonly Measure[])[]): readonly Measure[] {
  return (all[0] ?? []).map((measure) => {
    const same = all.flatMap((measures) => measures.filter(({ name }) => name === measure.name))
    const peerValue = median(same.flatMap((each) => each.peerValue ?? []))
    return { ...measure, value: median(same.flatMap(({ value }) => value ?? [])), ...(peerValue === undefined ? {} : { peerValue }) }
  })
}
