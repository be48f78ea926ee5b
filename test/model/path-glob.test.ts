import { describe, expect, it } from 'vitest'
import { pathGlob } from '../../src/model/path-glob.ts'

describe('a glob over paths', () => {
  it.each([
    ['**', 'a', true],
    ['**', 'a/b/c', true],
    ['a', 'a', true],
    ['a', 'a/b', false],
    ['a/*', 'a/b', true],
    ['a/*', 'a/b/c', false],
    ['a/**', 'a', true],
    ['a/**', 'a/b/c', true],
    ['**/c', 'c', true],
    ['**/c', 'a/b/c', true],
    ['**/c', 'a/b/cc', false],
    ['a/**/d', 'a/d', true],
    ['a/**/d', 'a/b/c/d', true],
    ['**/diag*/**', 'line/diagnostics/x/y', true],
    ['pump-?', 'pump-1', true],
    ['pump-?', 'pump-12', false],
    ['*a*b*', 'xxaxxbxx', true],
    ['*a*b*', 'xxbxxaxx', false],
    ['a.b', 'axb', false],
  ])('%s on %s: %s', (glob, path, isMatch) => {
    expect(pathGlob(glob).matches(path.split('/'))).toBe(isMatch)
  })

  it.each([
    ['line/press/**', 'line', true],
    ['line/press/**', 'line/press/a/b', true],
    ['line/press/**', 'other', false],
    ['line/press', 'line/press', false],
    ['**/speed', 'anything/at/all', true],
  ])('%s may match below %s: %s', (glob, path, mayMatch) => {
    expect(pathGlob(glob).mayMatchBelow(path.split('/'))).toBe(mayMatch)
  })

  it('takes no more than a moment for the worst of patterns', () => {
    const started = performance.now()
    expect(pathGlob(`${'**/'.repeat(100)}x`).matches(Array.from({ length: 200 }, () => 'a'))).toBe(false)
    expect(pathGlob('*a'.repeat(100)).matches([`${'a'.repeat(5_000)}b`])).toBe(false)
    expect(performance.now() - started).toBeLessThan(1_000)
  })
})
