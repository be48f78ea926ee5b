import { describe, expect, it } from 'vitest'
import { ProblemList } from '../../src/site/problems.ts'

const finding = (severity: 'error' | 'warning') => ({ code: `test.${severity}`, message: 'It is.', remedy: 'Mend it.', severity })

function listOf(warnings: number, errors: number): ProblemList {
  const list = new ProblemList()
  for (let count = 0; count < warnings; count += 1) list.addAt({ file: 'a.yaml' }, finding('warning'))
  for (let count = 0; count < errors; count += 1) list.addAt({ file: 'b.yaml' }, finding('error'))
  return list
}

describe('the problems of a site', () => {
  it('show what stops it behind any number of warnings', () => {
    const list = listOf(10_000, 3)
    expect(list.hasErrors).toBe(true)
    expect(list.all().filter(({ code }) => code === 'test.error')).toHaveLength(3)
  })

  it('stop it where only those that are no more shown do', () => {
    const list = listOf(0, 1_000)
    expect(list.all()).toHaveLength(501)
    expect(list.all().at(-1)).toMatchObject({ code: 'site.more-problems', severity: 'error', message: 'There are 500 more problems.' })
  })

  it('do not stop it where all of them are warnings', () => {
    const list = listOf(10_000, 0)
    expect(list.hasErrors).toBe(false)
    expect(list.all().at(-1)).toMatchObject({ code: 'site.more-problems', severity: 'warning' })
  })
})
