import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { deviceReference, referenceMarkdown } from '../../src/site/device-reference.ts'
import { ProblemList } from '../../src/site/problems.ts'
import { parseYamlFile } from '../../src/site/yaml-file.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

describe('docs/devices.md', () => {
  it('holds the reference that the schemas make (mend: npm run docs)', () => {
    const text = readFileSync(join(root, 'docs/devices.md'), 'utf8')
    const [, generated] = /<!-- generated: npm run docs -->\n\n(.*)\n<!-- end/s.exec(text) ?? []
    expect(generated).toBe(referenceMarkdown())
  })

  it('links to pages that are there', () => {
    const text = readFileSync(join(root, 'docs/devices.md'), 'utf8')
    const links = [...text.matchAll(/\]\(([\w/.-]+\.md)\)/g)].map(([, link]) => link)
    expect(links.length).toBeGreaterThan(8)
    for (const link of links) expect(readFileSync(join(root, 'docs', link ?? ''), 'utf8')).toMatch(/^# /)
  })
})

/** Keys of maps from the root; those of tags by what is below the tag, those in lists by what is below an entry. */
function keysIn(value: unknown, prefix: string): readonly string[] {
  if (Array.isArray(value)) return value.flatMap((item) => keysIn(item, `${prefix.replace(/\.$/, '')}[].`))
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, inner]) => {
    if (prefix === 'tags.') return keysIn(inner, 'tag:')
    return [`${prefix}${key}`, ...(key === 'scan' && prefix === '' ? [] : keysIn(inner, `${prefix}${key}.`))]
  })
}

/** By driver: every key that some device file of the example site or of a document shows. */
function shownKeys(): ReadonlyMap<string, ReadonlySet<string>> {
  const shown = new Map<string, Set<string>>()
  const documents = globSync(['README.md', 'docs/**/*.md'], { cwd: root }).flatMap((file) =>
    [...readFileSync(join(root, file), 'utf8').matchAll(/^```yaml\n(.*?)^```/gms)].map(([, text = '']) => text),
  )
  const files = globSync('devices/*.yaml', { cwd: root }).map((file) => readFileSync(join(root, file), 'utf8'))
  for (const text of [...documents, ...files]) {
    const value = parseYamlFile('shown.yaml', text, new ProblemList())?.value
    if (typeof value !== 'object' || value === null || !('driver' in value)) continue
    const keys = shown.get(String(value.driver)) ?? new Set()
    for (const key of keysIn(value, '')) keys.add(key)
    shown.set(String(value.driver), keys)
  }
  return shown
}

describe('the documents and the example site together', () => {
  const shown = shownKeys()

  it.each(deviceReference().map(({ title, rows }) => ({ title, rows })))('show each option once: $title', ({ title, rows }) => {
    const [, driver] = /(?:driver: |A tag of )([\w-]+)/.exec(title) ?? []
    // RTU over TCP has the quirks of Modbus TCP and the line of RTU: what either shows counts for it.
    const family = driver?.startsWith('modbus') ? [...shown.keys()].filter((name) => name.startsWith('modbus')) : [driver ?? '']
    const keys =
      driver === undefined
        ? new Set([...shown.values()].flatMap((set) => [...set]))
        : new Set(family.flatMap((name) => [...(shown.get(name) ?? [])]))
    const isTag = title.includes('tag')
    expect(rows.map(({ key }) => (isTag ? `tag:${key}` : key)).filter((key) => !keys.has(key))).toEqual([])
  })
})
