import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { schemaText } from '../../src/cli/schema.ts'
import { describedAt, knownKeys } from '../../src/site/json-schema.ts'
import { schemaNames, siteJsonSchema } from '../../src/site/json-schemas.ts'

describe.each(schemaNames)('the JSON Schema of a %s file', (name) => {
  it('is the one that is checked in (mend: lineside schema --out schemas)', async () => {
    const checkedIn = await readFile(new URL(`../../schemas/${name}.schema.json`, import.meta.url), 'utf8')
    expect(schemaText(name)).toBe(checkedIn)
  })
})

describe('the JSON Schema of a device file', () => {
  it('offers the keys of every driver, each with its description', () => {
    const schema = siteJsonSchema('device')
    expect(knownKeys(schema, ['tags', 'any/tag'])).toEqual(expect.arrayContaining(['at', 'node', 'unit', 'write']))
    expect(knownKeys(schema, ['connection'])).toEqual(expect.arrayContaining(['host', 'url']))
    expect(describedAt(schema, ['tags', 'any/tag', 'write', 'min'])).toContain('Smallest value')
  })
})
