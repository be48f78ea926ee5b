import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compileCondition, compileExpression, type ExpressionScope } from '../../src/model/expression.ts'
import type { ExpressionPlace } from '../../src/model/expression-environments.ts'
import type { ExpressionTypes } from '../../src/model/expression-types.ts'
import type { Quality } from '../../src/model/quality.ts'
import type { TagValue } from '../../src/model/tag.ts'
import { compileTemplate, payloadText } from '../../src/model/template.ts'

const values: Readonly<Record<string, TagValue | null>> = {
  'filler/level': 220,
  'motor/running': false,
  missing: null,
  nan: Number.NaN,
  counter: 9_007_199_254_740_993n,
  zones: [70, 80, 90],
  recipe: 'cola',
}

function scope(more: Partial<ExpressionScope> = {}, quality: Quality = 'good'): ExpressionScope {
  return { tag: (name) => (name in values ? { value: values[name] ?? null, quality } : undefined), value: 3, quality: 'good', ...more }
}

function evaluated(text: string, quality: Quality = 'good', place: ExpressionPlace = 'flow'): unknown {
  const compiled = compileExpression(text, place)
  return 'problem' in compiled ? compiled.problem : compiled.expression.evaluate(scope({}, quality))
}

describe('an expression', () => {
  it.each([
    ["tags['filler/level'] > 210", true],
    ['value < 495.0', true],
    ['value == 3', true],
    ['value + 1', 4],
    ['value / 2', 1.5],
    ['value % 2 == 1', true],
    ["!tags['motor/running']", true],
    ["tags['counter'] == 9007199254740993", true],
    ["tags['counter'] + 1", 9_007_199_254_740_994n],
    ["tags['counter'] * 0.5", 4_503_599_627_370_496],
    ["tags['zones'].exists(zone, zone > 85)", true],
    ["tags['zones'][1]", 80],
    ["tags['recipe'] == 'cola' && quality == 'good'", true],
    ["tags['recipe'] == 3", false],
    [' tags [ "filler/level" ] - tags[\'filler/level\']', 0],
  ])('mixes numbers, texts and lists as people write them: %s', (text, expected) => {
    expect(evaluated(text)).toEqual(expected)
  })

  it.each([
    "tags['missing'] > 1",
    "tags['missing'] != 1",
    "tags['nowhere'] != 1",
    "!(tags['nan'] > 1)",
    "tags['nowhere'] == 1",
    "tags['recipe'] > 3",
    '1 / 0',
    "tags['zones'][7]",
  ])('is unknown, not false, when an operand is: %s', (text) => {
    expect(evaluated(text)).toBeUndefined()
  })

  it('is unknown while a quality is bad or stale, and goes on while it is uncertain', () => {
    const text = "!tags['motor/running']"
    expect((['good', 'uncertain', 'bad', 'stale'] as const).map((quality) => evaluated(text, quality))).toEqual([
      true,
      true,
      undefined,
      undefined,
    ])
  })

  it('needs no unknown operand where the known one decides', () => {
    expect(evaluated("tags['missing'] > 1 || value == 3")).toBe(true)
    expect(evaluated("tags['missing'] > 1 && value == 4")).toBe(false)
    expect(evaluated("tags['missing'] > 1 || value == 4")).toBeUndefined()
  })

  it('names its tags, each once', () => {
    const compiled = compileExpression("tags['a/b'] > tags['c'] || tags['a/b'] < 1", 'device')
    expect(compiled).toMatchObject({ expression: { tags: ['a/b', 'c'] } })
  })

  it.each([
    ['value >', 7],
    ['levle > 1', 0],
    ['size(tags) > 1', 5],
    ["1 > 0 && tags['recipe'].matches('(a+)+')", 9],
    ['[1, 2].map(x, [1, 2].map(y, x * y))', 0],
    [`${'('.repeat(500)}1`, expect.any(Number)],
    ['1 + '.repeat(2_000), 0],
    [`${'('.repeat(50)}1${')'.repeat(50)}`, expect.any(Number)],
    [`1${' + 1'.repeat(300)} > 0`, expect.any(Number)],
    [`1 in [${'1, '.repeat(100)}1]`, expect.any(Number)],
    [`size({${Array.from({ length: 51 }, (_, key) => `${key}: 1`).join(', ')}}) > 0`, expect.any(Number)],
  ])('is refused, with the place, when it is wrong or could hang: %s', (text, offset) => {
    const compiled = compileExpression(text, 'flow')
    expect(compiled).toMatchObject({ problem: { offset, message: expect.any(String), remedy: expect.any(String) } })
  })

  it('sees only tags in a device file', () => {
    expect(compileExpression('value > 1', 'device')).toHaveProperty('problem')
  })

  it.each([
    ["tags['running'] > 3", 0],
    ["1 < 2 && tags['recipe'] == 3", 9],
    ["tags['speed'] > 3 && value + 1 > 2", 21],
  ])('is refused where the types of its tags make it unknown for ever: %s', (text, offset) => {
    const types = { running: 'bool', recipe: 'string', speed: 'f32' } as const
    const compiled = compileCondition(text, 'flow', { tag: (name) => types[name as keyof typeof types], value: 'bool' })
    expect(compiled).toMatchObject({ problem: { offset, message: expect.stringContaining('do not go together') } })
  })

  it.each([['value'], ['!value'], ['value && true']])('is refused where a number stands for a condition: %s', (text) => {
    expect(compileCondition(text, 'flow', { tag: () => undefined, value: 'f32' })).toHaveProperty('problem')
    expect(compileCondition(text, 'flow', { tag: () => undefined, value: 'bool' })).toHaveProperty('expression')
    expect(compileCondition(text, 'flow', { tag: () => undefined })).toHaveProperty('expression')
  })

  it('mixes numbers also where types are known', () => {
    const types: ExpressionTypes = { tag: () => 'u16', value: 'bool' }
    const text = "tags['a'] in [1, 2] && value || tags['a'] / 2 == 3 && tags['b'] > 1.5 && quality == 'good'"
    expect(compileCondition(text, 'flow', types)).toHaveProperty('expression')
  })

  it('is refused as a condition when it can never be true', () => {
    expect(compileCondition('1 + 1', 'flow')).toHaveProperty('problem')
  })
})

describe('any text', () => {
  const pieces = fc.constantFrom(
    'tags',
    "['filler/level']",
    "tags['zones']",
    'value',
    'quality',
    'trigger',
    '.',
    '(',
    ')',
    '[',
    ']',
    '{',
    '}',
    ':',
    ',',
    '?',
    '!',
    '-',
    '+',
    '*',
    '/',
    '%',
    '<',
    '==',
    '&&',
    '||',
    ' in ',
    '1',
    '2.5',
    '0u',
    "'x'",
    'b"x"',
    'true',
    'null',
    '.exists(x, x > 1)',
    '.map(x, x)',
    'has(trigger.a)',
    'size(',
    'int(',
    'string(',
    'timestamp(',
    'duration("1s")',
    '.split("")',
    'cel.bind(a, 1, a)',
    '\\',
    '"',
    '\n',
    '__proto__',
    'constructor',
  )
  const text = fc.oneof(
    fc.array(pieces, { maxLength: 12 }).map((all) => all.join('')),
    fc.string({ unit: 'binary' }),
  )

  it('either compiles or is refused with its place, and its evaluation never throws', () => {
    fc.assert(
      fc.property(text, (written) => {
        const compiled = compileExpression(written, 'flow', { tag: () => 'f64', value: 'bool' })
        if ('problem' in compiled) expect(compiled.problem.offset).toBeGreaterThanOrEqual(0)
        else expect(() => compiled.expression.evaluate(scope())).not.toThrow()
      }),
      { numRuns: 3_000 },
    )
  })
})

describe('a template', () => {
  function made(source: unknown): unknown {
    const compiled = compileTemplate(source, 'flow')
    return 'problems' in compiled ? compiled.problems : compiled.template.evaluate(scope())
  }

  it('gives the value itself where it is one expression, and text where there is more', () => {
    expect(made('${value + 1}')).toBe(4)
    expect(made("Level ${tags['filler/level']} in $${mm}")).toBe('Level 220 in ${mm}')
  })

  it('fills every text of a JSON value', () => {
    expect(made({ list: ['${value}', 1, null], text: '${ {"}": "x}"}["}"] }' })).toEqual({ list: [3, 1, null], text: 'x}' })
  })

  it('is unknown when one of its expressions is', () => {
    expect(made({ a: 1, b: ["${tags['missing']}"] })).toBeUndefined()
  })

  it('says in which of its texts an expression is wrong', () => {
    expect(made({ a: ['x ${levle}'] })).toMatchObject([{ path: ['a', 0], offset: 4 }])
    expect(made('${value')).toBe(3) // the end of the text closes it
  })

  it('becomes a payload that JSON can carry', () => {
    expect(payloadText({ big: 9_007_199_254_740_993n, bytes: new Uint8Array([1]) })).toBe('{"big":"9007199254740993","bytes":"AQ=="}')
    expect(payloadText('as it is')).toBe('as it is')
  })
})
