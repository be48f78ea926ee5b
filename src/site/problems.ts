import type { SiteProblem } from './site.ts'
import type { Finding, SourceFile, Spot } from './source.ts'

/** More than anybody reads at once; the rest is counted. */
const problemsMax = 500
/** Of those, so that ten thousand warnings leave room for what stops the site. */
const warningsMax = 400

/** Collects the problems of a site, each at its place. */
export class ProblemList {
  readonly #problems: SiteProblem[] = []
  #warnings = 0
  #left = 0
  #leftErrors = 0

  add(source: SourceFile, spot: Spot, finding: Finding): void {
    if (this.#isFull(finding)) {
      this.#leave(finding) // finding the place takes time
      return
    }
    const { note } = source
    const message = note === undefined ? finding.message : `${finding.message.replace(/\.$/, '')} (${note}).`
    this.addAt({ file: source.file, ...source.place(spot) }, { ...finding, message })
  }

  addAt(place: { readonly file: string; readonly line?: number; readonly column?: number }, finding: Finding): void {
    if (this.#isFull(finding)) {
      this.#leave(finding)
      return
    }
    if (isWarning(finding)) this.#warnings += 1
    this.#problems.push({ line: 1, column: 1, severity: 'error', ...place, ...finding })
  }

  get hasErrors(): boolean {
    return this.#leftErrors > 0 || this.#problems.some((problem) => problem.severity === 'error')
  }

  #isFull(finding: Finding): boolean {
    return this.#problems.length >= problemsMax || (isWarning(finding) && this.#warnings >= warningsMax)
  }

  #leave(finding: Finding): void {
    this.#left += 1
    if (!isWarning(finding)) this.#leftErrors += 1
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
      severity: this.#leftErrors > 0 ? 'error' : 'warning',
    }
    return [...sorted, more]
  }
}

function isWarning({ severity = 'error' }: Finding): boolean {
  return severity !== 'error'
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
