import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { lineside } from '../support/lineside-program.ts'

const page = await readFile(fileURLToPath(new URL('../../docs/tools.md', import.meta.url)), 'utf8')
const commands = ['browse', 'probe', 'import', 'export', 'trust']

/** The command lines of the page, without comments and what stands in front. */
const lines = [...page.matchAll(/^```sh\n(.*?)^```/gms)]
  .flatMap(([, text = '']) => text.replaceAll(/\\\n\s*/g, '').split('\n'))
  .flatMap((line) => /lineside (\w+) ?(.*?)(?: +#.*)?$/.exec(line) ?? [])
  .filter((_, place) => place % 3 !== 0)

const linesOf = (command: string): string =>
  lines.flatMap((word, place) => (place % 2 === 0 && word === command ? [lines[place + 1] ?? ''] : [])).join('\n')

async function optionsOf(command: string): Promise<readonly string[]> {
  const { out } = await lineside([command, '--help'])
  return [...out.matchAll(/^ {2}(?:-\w, )?(--[\w-]+)/gm)].map(([, option = '']) => option).filter((option) => option !== '--help')
}

describe('the page about the tools', () => {
  it.each(commands)('shows every option of lineside %s', async (command) => {
    const options = await optionsOf(command)
    expect(options.length).toBeGreaterThan(1)
    expect(options.filter((option) => !new RegExp(`${option}(?![\\w-])`).test(linesOf(command)))).toEqual([])
  })

  it.each(commands)('shows no option that lineside %s does not have', async (command) => {
    const options = await optionsOf(command)
    const shown = [...linesOf(command).matchAll(/(?<=^|\s)--[\w-]+/g)].map(([option]) => option)
    expect(shown.filter((option) => !options.includes(option))).toEqual([])
  })
})
