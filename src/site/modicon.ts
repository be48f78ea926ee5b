/** A Modicon number, or why it is none. */
export type Modicon = { readonly at: string } | { readonly message: string; readonly remedy: string }

const areas: Readonly<Record<string, string>> = { '0': 'co', '1': 'di', '3': 'ir', '4': 'hr' }
const offsetMax = 65_535

/**
 * `40101`, `400101` or `40101.3` as an address of a device file. Only tables may have them: the same number means different things in different
 * manuals. undefined where the text is none and is to be taken as it stands.
 */
export function modiconAddress(text: string, addressing: 'zero' | 'one'): Modicon | undefined {
  const [, number = '', bit] = /^(\d+)(?:\.(\d{1,2}))?$/.exec(text.trim()) ?? []
  if (number === '') return undefined
  if (number.length < 5) {
    return {
      message: `${text} is too short for a Modicon number`,
      remedy:
        'Write co:0 for 00001 and so on: programs for tables drop zeros in front. Write the others with 5 or 6 digits: 40101 or 400101.',
    }
  }
  const area = areas[number[0] ?? '']
  const offset = Number(number.slice(1)) - 1
  if (area === undefined || number.length > 6 || offset < 0 || offset > offsetMax) {
    return {
      message: `${text} is no Modicon number`,
      remedy:
        'They begin with 0 (coils), 1 (discrete inputs), 3 (input registers) or 4 (holding registers) and count from 1: 40001 to 465536.',
    }
  }
  return { at: `${area}:${addressing === 'one' ? offset + 1 : offset}${bit === undefined ? '' : `.${bit}`}` }
}
