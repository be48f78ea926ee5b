import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { functionsOf, oversized } from './support/source-size.ts'

const repository = join(import.meta.dirname, '..')
const limits = { functionLinesMax: 50, fileLinesMax: 300 }
const sources = globSync('src/**/*.ts', { cwd: repository })
const tests = globSync('test/**/*.test.ts', { cwd: repository })

/** `.skip`, `.todo` and their like hide a promise; a machine that lacks something fails instead. */
const hidden = /\b(?:it|test|describe|suite|context|ctx)(?:\.\w+)*\.(?:skip|skipIf|runIf|todo|only|fails)\b|\bxit\(|\bxdescribe\(/

function hiddenTests(file: string, text: string): readonly string[] {
  return text.split('\n').flatMap((line, index) => (hidden.test(line) ? [`${file}:${index + 1}  ${line.trim()}`] : []))
}

describe('the source', () => {
  it(`has no function over ${limits.functionLinesMax} lines and no file over ${limits.fileLinesMax}`, () => {
    const problems = sources.flatMap((file) => oversized(file, limits, readFileSync(join(repository, file), 'utf8')))
    expect(problems.map(({ place, problem }) => `${place}  ${problem}`)).toEqual([])
  })

  it('is seen by this test', () => {
    expect(sources).toContain('src/base/door.ts')
    expect(functionsOf(readFileSync(join(repository, 'src/base/door.ts'), 'utf8')).length).toBeGreaterThan(10)
  })
})

describe('the tests', () => {
  it('are all run: none is skipped, left to do or run alone', () => {
    const others = tests.filter((file) => file !== 'test/style.test.ts')
    expect(others.flatMap((file) => hiddenTests(file, readFileSync(join(repository, file), 'utf8')))).toEqual([])
  })
})

describe('the measure of size', () => {
  const body = (lines: number): string => Array.from({ length: lines - 2 }, () => '  let ä = 1').join('\n')

  it.each([
    ['a function', (lines: number) => `function f() {\n${body(lines)}\n}`],
    ['an arrow', (lines: number) => `export const f = async () => {\n${body(lines)}\n}`],
    ['a method', (lines: number) => `class A { #m(): void {\n${body(lines)}\n} }`],
    ['a constructor', (lines: number) => `class A { constructor() {\n${body(lines)}\n} }`],
    ['a getter', (lines: number) => `class A { get a() {\n${body(lines)}\n} }`],
    ["an object's method", (lines: number) => `const a = { m() {\n${body(lines)}\n} }`],
  ])('sees %s that is one line too long, with its place', (_, code) => {
    const before = '#!/usr/bin/env node\n// ü: bytes are not characters\n'
    expect(oversized('a.ts', limits, before + code(50))).toEqual([])
    expect(oversized('a.ts', limits, before + code(51))).toEqual([{ place: 'a.ts:3', problem: 'a function of 51 lines, 50 allowed' }])
  })

  it('sees a file that is one line too long', () => {
    expect(oversized('a.ts', limits, '\n'.repeat(299))).toEqual([])
    expect(oversized('a.ts', limits, `${'// x\n'.repeat(301)}`)).toEqual([{ place: 'a.ts:1', problem: '301 lines, 300 allowed' }])
  })

  it.each(["it.skip('a', f)", "describe.skipIf(x)('a', f)", "it.only.each([1])('a')", "test.todo('a')"])(
    'sees that %s is hidden',
    (line) => {
      expect(hiddenTests('a.test.ts', `\n${line}`)).toEqual([`a.test.ts:2  ${line}`])
    },
  )
})
