import { readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { monotonicMs } from './line/load-value.ts'

export interface CalmOptions<Result> {
  /** Rounds that count. */
  readonly rounds: number
  /** One round, whatever the host does. */
  readonly isSmoke: boolean
  readonly what: string
  readonly round: (place: number) => Promise<Result>
  say(text: string): void
  /** The share of the processors that the host has kept from us since the last question. Default: as Linux counts it. */
  readonly stolenShare?: () => number
}

/** Above this a round says more of the host's other guests than of what is measured. */
export const calmShareMax = 0.01
const triesPerRound = 3

/**
 * The host of a virtual machine may take its processors away for milliseconds, and no program can be punctual then. So rounds go on, up to three times as
 * many as count, until enough were calm; what counts are those in which the least was taken away. The choice looks at nothing that they measured.
 */
export async function calmRounds<Result>(options: CalmOptions<Result>): Promise<readonly Result[]> {
  const { rounds, isSmoke, what, round, say, stolenShare = linuxStolenShare() } = options
  const count = isSmoke ? 1 : rounds
  const all: { readonly result: Result; readonly stolen: number }[] = []
  const calm = (): number => all.filter(({ stolen }) => stolen <= calmShareMax).length
  while (all.length < count || (!isSmoke && calm() < count && all.length < count * triesPerRound)) {
    say(`${what}, round ${all.length + 1}`)
    stolenShare()
    const result = await round(all.length)
    const stolen = stolenShare()
    all.push({ result, stolen })
    if (stolen > calmShareMax) say(`The host took ${(stolen * 100).toFixed(1)} % of the processors away.`)
  }
  const chosen = all.toSorted((one, other) => one.stolen - other.stolen).slice(0, count)
  const most = chosen.at(-1)?.stolen ?? 0
  if (most > calmShareMax && !isSmoke) say(`${what}: no calmer rounds than with ${(most * 100).toFixed(1)} % taken away`)
  return chosen.map(({ result }) => result)
}

const tickMs = 10
const stolenField = 8

/** Of all processors together, from /proc/stat. */
function linuxStolenShare(): () => number {
  const read = (): { readonly stolenMs: number; readonly atMs: number } => {
    const ticks = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0]?.split(/ +/)[stolenField]
    return { stolenMs: Number(ticks) * tickMs, atMs: monotonicMs() }
  }
  let last = read()
  return () => {
    const now = read()
    const share = (now.stolenMs - last.stolenMs) / Math.max(1, now.atMs - last.atMs) / cpus().length
    last = now
    return share
  }
}
