/** A pattern over paths: `*` is anything within a level, `?` one character of it, `**` any number of levels, none included. */
export interface PathGlob {
  matches(levels: readonly string[]): boolean
  /** Whether something below these levels could match. */
  mayMatchBelow(levels: readonly string[]): boolean
}

const anyLevels = '**'

/** Takes time in proportion to the pattern and the path, whatever they are. */
export function pathGlob(text: string): PathGlob {
  const parts = text.split('/').filter((part) => part !== '')
  const after = (levels: readonly string[]): ReadonlySet<number> =>
    levels.reduce((states, level) => step(parts, states, level), skipped(parts, [0]))
  return {
    matches: (levels) => after(levels).has(parts.length),
    mayMatchBelow: (levels) => [...after(levels)].some((state) => state < parts.length),
  }
}

/** Where in the pattern one can be after one more level. */
function step(parts: readonly string[], states: ReadonlySet<number>, level: string): ReadonlySet<number> {
  const next: number[] = []
  for (const state of states) {
    const part = parts[state]
    if (part === undefined) continue
    if (part === anyLevels) next.push(state)
    else if (levelMatches(part, level)) next.push(state + 1)
  }
  return skipped(parts, next)
}

/** `**` may also stand for no level at all. */
function skipped(parts: readonly string[], states: readonly number[]): ReadonlySet<number> {
  const all = new Set(states)
  for (const state of all) if (parts[state] === anyLevels) all.add(state + 1) // a set visits what is added while it is walked
  return all
}

/** Greedy, with one place to come back to: never more steps than pattern times text. */
function levelMatches(pattern: string, text: string): boolean {
  let at = 0
  let inText = 0
  let star = -1
  let starText = 0
  while (inText < text.length) {
    if (pattern[at] === '*') {
      star = at
      at += 1
      starText = inText
    } else if (at < pattern.length && (pattern[at] === '?' || pattern[at] === text[inText])) {
      at += 1
      inText += 1
    } else if (star >= 0) {
      at = star + 1
      starText += 1
      inText = starText
    } else return false
  }
  while (pattern[at] === '*') at += 1
  return at === pattern.length
}
