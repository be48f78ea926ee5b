interface Told {
  readonly message: string
  readonly remedy: string
}

interface Habit {
  readonly pattern: RegExp
  /** What stands there, and what is to stand there instead. */
  readonly tell: (found: string) => Told
}

const instead = (right: string) => (found: string) => ({
  message: `\`${found}\` is not written so here.`,
  remedy: `Write \`${right}\` in its place.`,
})
const word = (names: string, right: string): Habit => ({
  pattern: new RegExp(String.raw`(?<![\w.'])(?:${names})\b`, 'i'),
  tell: instead(right),
})
const sign = (pattern: RegExp, right: string): Habit => ({ pattern, tell: instead(right) })

/** What people write who come from Structured Text, a spreadsheet or a report: each is no CEL, and the library only names the letter it choked on. */
const habits: readonly Habit[] = [
  word('and', '&&'),
  word('or', '||'),
  word('xor', '!='),
  word('not', '!'),
  word('mod', '%'),
  { pattern: /(?<![\w.'])(?:TRUE|True|FALSE|False)\b/, tell: (found) => instead(found.toLowerCase())(found) },
  word('if|then|else', 'condition ? one : other'),
  sign(/<>|≠/, '!='),
  sign(/=>|≥/, '>='),
  sign(/=<|≤/, '<='),
  sign(/:=|(?<![=!<>:])=(?![=<>])/, '=='),
  sign(/(?<!&)&(?!&)/, '&&'),
  sign(/(?<!\|)\|(?!\|)/, '||'),
  sign(/[“”„‟«»]/, '"'),
  sign(/[‘’‚‛]/, "'"),
  {
    pattern: /(?<=\d)\s+(?!(?:and|or|xor|not|mod|in|if|then|else)\b)[\p{L}°µ%][\p{L}\d°³²/]*\s*(?=$|[)&|?:])/iu,
    tell: (found) => ({
      message: `\`${found.trim()}\` is more than a number.`,
      remedy: 'Leave it out: a number here has the unit of its tag.',
    }),
  },
  {
    pattern: /(?<![\w.'/-])(?!(?:value|quality|trigger|input|vars|steps|run|item|index)\b)[a-z][\w-]*(?:\/[a-z][\w-]*)+/i,
    tell: (found) => ({ message: `\`${found}\` alone is no tag.`, remedy: `Write tags['${found}'].` }),
  },
]

/** What of other languages stands first in a text that is no expression; undefined where nothing is known. */
export function habitIn(text: string): (Told & { readonly offset: number }) | undefined {
  const bare = text.replaceAll(/"[^"\n]*"|'[^'\n]*'/g, (quoted) => `'${' '.repeat(quoted.length - 2)}'`)
  const met = habits.flatMap(({ pattern, tell }) => {
    const found = pattern.exec(bare)
    return found === null ? [] : [{ ...tell(found[0]), offset: found.index }]
  })
  return met.toSorted((one, other) => one.offset - other.offset)[0]
}
