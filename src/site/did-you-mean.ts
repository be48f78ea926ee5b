/** The known word that a mistyped one most likely meant; undefined when none is near. */
function nearest(word: string, known: Iterable<string>): string | undefined {
  const farthest = Math.max(1, Math.floor(word.length / 3))
  let best: string | undefined
  let bestDistance = farthest + 1
  for (const candidate of known) {
    if (Math.abs(candidate.length - word.length) >= bestDistance) continue
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase())
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/** `Did you mean X?`, or what there is to choose from. */
export function suggestion(word: string, known: Iterable<string>): string {
  const all = [...known]
  const near = word.length > wordLengthMax ? undefined : nearest(word, all)
  if (near !== undefined) return `Did you mean \`${near}\`?`
  if (all.length === 0) return 'Remove it.'
  const shown = all.slice(0, shownMax)
  return `Use one of: ${shown.join(', ')}${all.length > shown.length ? ', …' : ''}.`
}

const shownMax = 20
/** Longer words are no typing mistakes, and the distance costs the product of the lengths. */
const wordLengthMax = 100

/** Single letters put in, left out, replaced, or swapped with their neighbour. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, place) => place)
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i]
    for (let j = 1; j <= b.length; j += 1) {
      const isSame = a[i - 1] === b[j - 1]
      let cost = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + (isSame ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) cost = Math.min(cost, (beforeLast[j - 2] ?? 0) + 1)
      row.push(cost)
    }
    beforeLast = last
    last = row
  }
  return last[b.length] ?? 0
}
