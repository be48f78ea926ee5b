import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { initialFiles } from '../../src/cli/initial-site.ts'
import { runFlowTests } from '../../src/runtime/flow-tests.ts'
import { loadFlowTests } from '../../src/site/flow-tests.ts'
import { loadSite } from '../../src/site/load.ts'
import { type Files, loadFiles, siteFolder, siteYaml } from './site-folder.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** The files of the repository's own site, as far as they are there. */
async function exampleSite(): Promise<Files> {
  const names = (await Promise.all(['devices', 'flows'].map((folder) => yamlFiles(folder)))).flat()
  const texts = await Promise.all(
    ['lineside.yaml', ...names].map(async (name) => [name, await readFile(join(root, name), 'utf8').catch(() => '')] as const),
  )
  return { ...Object.fromEntries(texts.filter(([, text]) => text !== '')) }
}

async function yamlFiles(folder: string): Promise<readonly string[]> {
  const entries = await readdir(join(root, folder)).catch(() => [])
  return entries.filter((entry) => entry.endsWith('.yaml')).map((entry) => `${folder}/${entry}`)
}

interface Block {
  readonly line: number
  /** `devices/x.yaml`, from its first line `# devices/x.yaml`; undefined where it does not say. */
  readonly file: string | undefined
  readonly text: string
}

/** The ```yaml blocks of a document. */
function yamlBlocks(markdown: string): readonly Block[] {
  const fence = /^```ya?ml\n(.*?)^```/gms
  return [...markdown.matchAll(fence)].map((match) => {
    const text = match[1] ?? ''
    const [, file] = /^# *((?:devices\/|flows\/)?[\w.-]+\.yaml)/.exec(text) ?? []
    return { line: markdown.slice(0, match.index).split('\n').length, file, text }
  })
}

/** Whatever secrets a text names: they stand for those that a reader would have. */
function secretsIn(texts: readonly string[]): NodeJS.ProcessEnv {
  const names = texts.flatMap((text) => [...text.matchAll(/\$\{secret:([\w.-]+)\}/g)].map((match) => match[1] ?? ''))
  return Object.fromEntries(names.map((name) => [`LINESIDE_SECRET_${name.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')}`, 'secret']))
}

/** Documents written for those who run Lineside; decisions tell history, in whatever form it had. */
async function documents(): Promise<readonly string[]> {
  const entries = await readdir(join(root, 'docs'), { recursive: true }).catch(() => [])
  return [
    'README.md',
    ...entries.filter((entry) => entry.endsWith('.md') && !entry.startsWith('decisions')).map((entry) => join('docs', entry)),
  ]
}

/** What is shown as a test passes. */
async function failedTests(files: Files, shown: Files): Promise<readonly unknown[]> {
  if (!Object.keys(shown).some((file) => file.endsWith('.test.yaml'))) return []
  await using folder = await siteFolder(files)
  const { site, problems } = await loadSite(folder.path, { environment: {} })
  if (site === undefined) return problems
  const tests = await loadFlowTests(site)
  const failed: unknown[] = [...tests.problems]
  for await (const result of runFlowTests(site, tests.files)) if (!result.isPassed && result.file in shown) failed.push(result)
  return failed
}

/** The device that documents speak of when they need one. */
const press07 = Object.fromEntries(Object.entries(initialFiles('line-1')).filter(([file]) => file.startsWith('devices/')))

describe.each(await documents())('%s', (document) => {
  it('shows only YAML that passes the check, together with the example site', async () => {
    const markdown = await readFile(join(root, document), 'utf8').catch(() => '')
    const blocks = yamlBlocks(markdown)
    expect(
      blocks
        .filter(({ file }) => file === undefined)
        .map(({ line }) => `${document}:${line} does not begin with # lineside.yaml, # devices/… or # flows/…`),
    ).toEqual([])
    const shown = Object.fromEntries(blocks.map(({ file = '', text }) => [file, text]))
    const files = { 'lineside.yaml': siteYaml, ...press07, ...(blocks.length === 0 ? {} : await exampleSite()), ...shown }
    const { problems } = await loadFiles(files, { environment: secretsIn(Object.values(files).map(String)) })
    expect(problems.filter(({ severity, file }) => severity === 'error' && file in shown)).toEqual([])
    expect(await failedTests(files, shown)).toEqual([])
  })
})

describe('the example site', () => {
  it('passes the check', async () => {
    const texts = Object.values(await exampleSite()).map(String)
    const { problems } = await loadSite(root, { environment: secretsIn(texts) })
    expect(problems.filter(({ severity }) => severity === 'error')).toEqual([])
  })
})

describe('the search for YAML in documents', () => {
  it('sees every block and the file it stands for', () => {
    const markdown = 'a\n```yaml\n# devices/x.yaml   a device\ndevice: x\n```\n```sh\nls\n```\n```yml\na: 1\n```\n'
    expect(yamlBlocks(markdown)).toMatchObject([
      { line: 2, file: 'devices/x.yaml' },
      { line: 9, file: undefined },
    ])
  })
})
