import type { SiteProblem } from './site.ts'
import type { Finding, SourceFile, Spot } from './source.ts'

/** More than anybody reads at once; the rest is counted. */
const problemsMax = 500

/** Collects the problems of a site, each at its place. */
export class ProblemList {
  readonly #problems: SiteProblem[] = []
  #left = 0

  add(source: SourceFile, spot: Spot, finding: Finding): void {
    if (this.#isFull()) return // finding the place takes time
    const { note } = source
    const message = note === undefined ? finding.message : `${finding.message.replace(/\.$/, '')} (${note}).`
    this.addAt({ file: source.file, ...source.place(spot) }, { ...finding, message })
  }

  addAt(place: { readonly file: string; readonly line?: number; readonly column?: number }, finding: Finding): void {
    if (this.#isFull()) return
    this.#problems.push({ line: 1, column: 1, severity: 'error', ...place, ...finding })
  }

  get hasErrors(): boolean {
    return this.#problems.some((problem) => problem.severity === 'error')
  }

  #isFull(): boolean {
    if (this.#problems.length < problemsMax) return false
    this.#left += 1
    return true
  }

  /** By file, in the order of the text. */
  all(): readonly SiteProblem[] {
    const sorted = this.#problems.toSorted((a, b) => compare(a.file, b.file) || a.line - b.line || a.column - b.column)
    if (this.#left === 0) return sorted
    const more: SiteProblem = {
      file: sorted.at(-1)?.file ?? 'lineside.yaml',
      line: 1,
      column: 1,
      code: 'site.more-problems',
      message: `There are ${this.#left} more problems.`,
      remedy: 'Mend the ones above first.',
      severity: 'error',
    }
    return [...sorted, more]
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
