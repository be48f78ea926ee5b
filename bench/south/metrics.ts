/** One scrape of a gateway's /metrics. */
export interface Scrape {
  /** The sum of all rows of this name, and of these labels where they are given. */
  sum(name: string, isWanted?: (labels: Labels) => boolean): number
  /** Upper bound to how many were at most it, over all rows that are wanted. */
  buckets(name: string, isWanted?: (labels: Labels) => boolean): ReadonlyMap<number, number>
}

export type Labels = Readonly<Record<string, string>>

interface Row {
  readonly name: string
  readonly labels: Labels
  readonly value: number
}

export async function scrape(apiPort: number): Promise<Scrape> {
  const response = await fetch(`http://127.0.0.1:${apiPort}/metrics`)
  if (!response.ok) throw new Error(`/metrics answers ${response.status}`)
  const byName = Map.groupBy((await response.text()).split('\n').flatMap(rowOf), ({ name }) => name)
  const rows = (name: string, isWanted: (labels: Labels) => boolean): readonly Row[] =>
    (byName.get(name) ?? []).filter(({ labels }) => isWanted(labels))
  return {
    sum: (name, isWanted = () => true) => rows(name, isWanted).reduce((sum, { value }) => sum + value, 0),
    buckets: (name, isWanted = () => true) => {
      const counts = new Map<number, number>()
      for (const { labels, value } of rows(`${name}_bucket`, isWanted)) {
        const bound = labels['le'] === '+Inf' ? Number.POSITIVE_INFINITY : Number(labels['le'])
        counts.set(bound, (counts.get(bound) ?? 0) + value)
      }
      return counts
    },
  }
}

const rowPattern = /^([a-z_0-9]+)(?:\{(.*)\})? (\S+)$/i

function rowOf(line: string): readonly Row[] {
  const [, name, labels = '', value] = rowPattern.exec(line) ?? []
  if (name === undefined || value === undefined) return []
  const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key = '', text = '']) => [key, text])
  return [{ name, labels: Object.fromEntries(pairs) as Labels, value: Number(value) }]
}

/** Between two scrapes; linear within a bucket, as Prometheus has it. undefined where nothing was observed. */
export function quantileBetween(
  before: ReadonlyMap<number, number>,
  after: ReadonlyMap<number, number>,
  share: number,
): number | undefined {
  const bounds = [...after.keys()].toSorted((one, other) => one - other)
  const counts = bounds.map((bound) => (after.get(bound) ?? 0) - (before.get(bound) ?? 0))
  const wanted = (counts.at(-1) ?? 0) * share
  if (wanted === 0) return undefined
  const place = counts.findIndex((count) => count >= wanted)
  const [low, high] = [place === 0 ? 0 : (bounds[place - 1] ?? 0), bounds[place] ?? 0]
  const below = place === 0 ? 0 : (counts[place - 1] ?? 0)
  const inside = (counts[place] ?? 0) - below
  return high === Number.POSITIVE_INFINITY || inside === 0 ? high : low + ((high - low) * (wanted - below)) / inside
}
