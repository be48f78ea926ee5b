import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { revealSecret } from '../../src/base/secret.ts'
import { secretSchema } from '../../src/base/secret-schema.ts'

describe('a secret', () => {
  it('is read from the systemd credential first, without its line end', () => {
    const folder = mkdtempSync(join(tmpdir(), 'lineside-secret-'))
    try {
      writeFileSync(join(folder, 'broker'), 'from-systemd\n')
      const environment = { CREDENTIALS_DIRECTORY: folder, LINESIDE_SECRET_BROKER: 'from-environment' }
      expect(revealSecret({ secret: 'broker' }, environment)).toBe('from-systemd')
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it('is read from the environment where systemd has none', () => {
    expect(revealSecret({ secret: 'plant-broker' }, { LINESIDE_SECRET_PLANT_BROKER: 'text' })).toBe('text')
  })

  it('that nobody knows is a fault that says where to put it', () => {
    expect(() => revealSecret({ secret: 'x' }, {})).toThrowError(
      expect.objectContaining({ code: 'secret.unknown', remedy: expect.stringContaining('LINESIDE_SECRET_X') }),
    )
  })

  it('stands in a site file by name only', () => {
    expect(secretSchema.parse('${secret:x}')).toEqual({ secret: 'x' })
    expect(secretSchema.safeParse('hunter2').success).toBe(false)
  })
})
