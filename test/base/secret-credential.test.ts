import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { revealSecret } from '../../src/base/secret.ts'

const folder = mkdtempSync(join(tmpdir(), 'lineside-credentials-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('a secret under systemd', () => {
  it('is read from its own credential, and from one of a folder of secrets', () => {
    writeFileSync(join(folder, 'own'), 'one\n')
    writeFileSync(join(folder, 'lineside_plant'), 'two\n')
    const environment = { CREDENTIALS_DIRECTORY: folder }
    expect(['own', 'plant'].map((secret) => revealSecret({ secret }, environment))).toEqual(['one', 'two'])
    expect(() => revealSecret({ secret: 'none' }, environment)).toThrow(expect.objectContaining({ code: 'secret.unknown' }))
  })
})
