import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compileCondition, compileExpression, type ExpressionScope } from '../../src/model/expression.ts'
import type { ExpressionTypes } from '../../src/model/expression-types.ts'
import type { TagValue, ValueType } from '../../src/model/tag.ts'

const types = {
  level: 'f64',
  count: 'i16',
  total: 'u64',
  recipe: 'string',
  running: 'bool',
  since: 'time',
  unknown: undefined,
} as const satisfies Readonly<Record<string, ValueType | undefined>>

const known: ExpressionTypes = {
  tag: (name) => types[name as keyof typeof types],
  value: 'f32',
  reference: (root) => (root === 'input' ? { type: 'f64', keys: 1 } : undefined),
}

const apart = expect.stringMatching(/^Types that do not go together: .*\.$|^A number stands where a condition is due\.$/)

describe('check of an expression', () => {
  it.each([
    ["value > 'x'", 0],
    ["'x' <= value", 0],
    ["tags['level'] == 'x'", 0],
    ["tags['level'] != true", 0],
    ["tags['running'] == tags['level']", 0],
    ["tags['total'] < tags['recipe']", 0],
    ["tags['running'] && (tags['level'] + 1 > 'x')", 20],
    ["input.limit > 'x'", 0],
    ["value + 'x'", 0],
    ["tags['count'] - duration('1s')", 0],
    ["tags['level'] in ['a', 'b']", 0],
    ["tags['level'] in [1, 2] && tags['level'] == 'x'", 27],
    ["(tags['running'] ? tags['level'] : 1) > 'x'", 1],
    ["[1, 2].exists(one, tags['level'] > string(one))", 19],
    ["-value == 'x'", 0],
    ['value && true', 0],
    ['tags["level"] ? 1 : 2', 0],
  ])('tells a number that meets what is none: %s', (text, offset) => {
    expect(compileExpression(text, 'step', known)).toMatchObject({ problem: { offset, message: apart } })
  })

  it.each([
    ["tags['level'].value > 1", 'A number has nothing below it, and `.value` asks for it.'],
    ["-value.raw > 1 || tags['count'][0] == 1", 'A number has nothing below it, and `.raw` asks for it.'],
    ["1 > 0 && tags['running'].value", 'A bool has nothing below it, and something there is asked for.'],
    ["tags['recipe'][0] == 'x'", 'A text has nothing below it, and something there is asked for.'],
    ["tags['recipe'].value.length == 1", 'A text has nothing below it, and something there is asked for.'],
  ])('tells what is asked for below a value: %s', (text, message) => {
    const remedy = expect.stringContaining('A tag is its value') as string
    expect(compileExpression(text, 'step', known)).toMatchObject({ problem: { message, remedy } })
  })

  it.each(['abs(value)', 'round(1.5)', "tags['recipe'].upper()"])('tells a function that is not there: %s', (text) => {
    expect(compileExpression(text, 'step', known)).toMatchObject({
      problem: {
        message: expect.stringMatching(/^There is no function '.*'\.$/) as string,
        remedy: expect.not.stringContaining('matches') as string, // which is there, and refused
      },
    })
  })

  it.each([
    'trigger.value.deep == 1',
    "tags['unknown'].deep == 1",
    "tags['unknown'][0] == 1",
    "tags['total'] > 1",
    "tags['total'] == tags['level']",
    "tags['count'] + 0.5 >= tags['total'] * 2",
    "tags['unknown'] > 'x' || tags['unknown'] == 1",
    "trigger.value == 'x' && vars.limit > 1",
    "tags['level'] in [1, 'high']",
    "size(tags['recipe']) > tags['level']",
    "tags['recipe'].contains('x') && tags['recipe'] + 'y' == 'xy'",
    "(tags['running'] ? 'a' : 'b') == tags['recipe']",
    "(tags['running'] ? tags['level'] : tags['unknown']) == 'x'",
    "timestamp(tags['since']) + duration('1s') > timestamp('2026-01-01T00:00:00Z')",
    "timestamp(tags['since']).getHours() < tags['count']",
    "string(value) == 'x' && double(tags['recipe']) > value",
    "['a'].exists(value, value == 'a') && cel.bind(value, 'a', value == 'a')",
    "'x' + string(value) == tags['recipe']",
    'value == null',
    'has(input.limit) && input.limit > 1',
    "['a'].exists(one, !has(input.limit) || input.limit > 1)",
  ])('says nothing of what can be meant: %s', (text) => {
    expect(compileExpression(text, 'step', known)).toHaveProperty('expression')
  })

  it('knows a number for what it gives, so that it is no condition', () => {
    for (const text of ['value', "tags['level'] + 1", "tags['running'] ? value : 1"]) {
      expect(compileCondition(text, 'step', known)).toHaveProperty('problem')
      expect(compileExpression(text, 'step', known)).toMatchObject({ type: 'double' })
    }
  })
})

/** A small expression with all that it is made of, and with `!` before what stands as a condition: unknown where that is none. */
interface Built {
  readonly text: string
  readonly parts: readonly string[]
}

const numbers = ["tags['level']", "tags['count']", "tags['total']", 'value', '1', '2.5']
const others = ["tags['recipe']", "tags['running']", "tags['since']", "'x'", "'7'", 'true', "duration('1s')"]
const signs = ['==', '!=', '<', '<=', '>', '>=', '+', '-', '*', '/', '%']

const leaf = fc.constantFrom(...numbers, ...others, "tags['unknown']").map((text) => ({ text, parts: [text] }))

function made(text: string, from: readonly Built[], conditions: readonly Built[] = []): Built {
  return { text, parts: [...from.flatMap(({ parts }) => parts), ...conditions.map((one) => `!(${one.text})`), text] }
}

const { node } = fc.letrec<{ readonly node: Built }>((tie) => {
  const pair = fc.tuple(tie('node'), tie('node'))
  return {
    node: fc.oneof(
      { maxDepth: 3 },
      leaf,
      fc.tuple(pair, fc.constantFrom(...signs, 'in')).map(([two, sign]) => made(`(${two[0].text} ${sign} ${two[1].text})`, two)),
      fc.tuple(pair, fc.constantFrom('&&', '||')).map(([two, sign]) => made(`(${two[0].text} ${sign} ${two[1].text})`, two, two)),
      fc.tuple(tie('node'), pair).map(([of, two]) => made(`(${of.text} ? ${two[0].text} : ${two[1].text})`, [of, ...two], [of])),
      pair.map((two) => made(`[${two[0].text}, ${two[1].text}]`, two)),
      fc.tuple(fc.constantFrom('!', '-', 'string', 'size', 'int'), tie('node')).map(([name, of]) => made(`${name}(${of.text})`, [of])),
    ),
  }
})

const scopes: readonly ExpressionScope[] = [0, 1, 2, 3, 4, 5].map((turn) => {
  const pick = (...values: readonly TagValue[]): TagValue => values[turn % values.length] ?? 0
  const values: Readonly<Record<string, TagValue>> = {
    level: pick(1, 7, -2.5, 0),
    count: pick(7, 1, 2),
    total: pick(9_007_199_254_740_993n, 7n, 1n),
    recipe: pick('x', '7', ''),
    running: pick(true, false),
    since: pick('2026-01-01T00:00:00Z', 'x'),
    unknown: pick(1, 'x', true, 7n, 0, 'true'),
  }
  return { tag: (name) => ({ value: values[name] ?? null, quality: 'good' }), value: pick(1, 7, 2.5), quality: 'good' }
})

/** Unknown with all values; or a comparison that, where it is known, is never equal, or never other. */
function isDead(text: string): boolean {
  const compiled = compileExpression(text, 'step')
  if ('problem' in compiled) return false
  const outcomes = new Set(scopes.map((scope) => compiled.expression.evaluateAny(scope)))
  outcomes.delete(undefined)
  return outcomes.size === 0 || (outcomes.size === 1 && / (==|!=|in) /.test(text))
}

describe('check, for any expression', () => {
  it('calls wrong only what has a part that is the same whatever the values', () => {
    let wrong = 0
    fc.assert(
      fc.property(node, ({ text, parts }) => {
        const compiled = compileExpression(text, 'step', known)
        if (!('problem' in compiled) || !/number/.test(compiled.problem.message)) return
        wrong += 1
        expect(parts.some(isDead)).toBe(true)
      }),
      { numRuns: 10_000 },
    )
    expect(wrong).toBeGreaterThan(100)
  })

  it('tells each number that is compared or reckoned with what is none', () => {
    const pair = fc.tuple(fc.constantFrom(...numbers), fc.constantFrom(...others), fc.boolean())
    fc.assert(
      fc.property(pair, fc.constantFrom(...signs), ([number, other, isTurned], sign) => {
        const text = isTurned ? `${other} ${sign} ${number}` : `${number} ${sign} ${other}`
        expect(compileExpression(text, 'step', known)).toHaveProperty('problem')
        expect(isDead(text) || 'problem' in compileExpression(text, 'step')).toBe(true)
      }),
    )
  })
})
