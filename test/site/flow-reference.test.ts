import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { referenceMarkdown } from '../../src/site/device-reference.ts'
import { flowReference } from '../../src/site/flow-reference.ts'
import { ProblemList } from '../../src/site/problems.ts'
import { parseYamlFile } from '../../src/site/yaml-file.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

describe('docs/flows-reference.md', () => {
  it('holds the reference that the schemas make (mend: npm run docs)', () => {
    const text = readFileSync(join(root, 'docs/flows-reference.md'), 'utf8')
    const [, generated] = /<!-- generated: npm run docs -->\n\n(.*)\n<!-- end/s.exec(text) ?? []
    expect(generated).toBe(referenceMarkdown(flowReference()))
  })

  it('tells of every key something, and of no key twice', () => {
    for (const { title, rows } of flowReference()) {
      expect(rows.filter(({ description }) => description === '').map(({ key }) => `${title}: ${key}`)).toEqual([])
      expect(new Set(rows.map(({ key }) => key)).size).toBe(rows.length)
    }
  })
})

describe('docs/flows.md', () => {
  it('links to pages and flows that are there', () => {
    const text = readFileSync(join(root, 'docs/flows.md'), 'utf8')
    const links = [...text.matchAll(/\]\(([\w/.-]+\.(?:md|yaml))\)/g)].map(([, link]) => link)
    expect(links.length).toBeGreaterThan(8)
    for (const link of links) expect(readFileSync(join(root, 'docs', link ?? ''), 'utf8').length).toBeGreaterThan(0)
  })
})

/** All keys of a value, from its own root: `retry.attempts`, `switch[].when`. */
function keysIn(value: unknown, prefix: string): readonly string[] {
  if (Array.isArray(value)) return value.flatMap((item) => keysIn(item, `${prefix.replace(/\.$/, '')}[].`))
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, inner]) => [`${prefix}${key}`, ...keysIn(inner, `${prefix}${key}.`)])
}

/** Every map in a value, for a step may be anywhere. */
function mapsIn(value: unknown): readonly object[] {
  if (Array.isArray(value)) return value.flatMap(mapsIn)
  return typeof value === 'object' && value !== null ? [value, ...Object.values(value).flatMap(mapsIn)] : []
}

describe('the documents and the flows of the example site together', () => {
  const blocks = globSync(['README.md', 'docs/**/*.md'], { cwd: root }).flatMap((file) =>
    [...readFileSync(join(root, file), 'utf8').matchAll(/^```yaml\n(.*?)^```/gms)].map(([, text = '']) => text),
  )
  const files = globSync('flows/*.yaml', { cwd: root }).map((file) => readFileSync(join(root, file), 'utf8'))
  const values = [...blocks, ...files].map((text) => parseYamlFile('shown.yaml', text, new ProblemList())?.value)
  const shown = new Set(values.flatMap(mapsIn).flatMap((map) => keysIn(map, '')))

  it.each(flowReference())('show each option once: $title', ({ rows }) => {
    expect(rows.map(({ key }) => key).filter((key) => !shown.has(key))).toEqual([])
  })
})
