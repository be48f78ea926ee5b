import { describe, expect, it } from 'vitest'
import { compileCondition } from '../../src/model/expression.ts'

function told(text: string) {
  const compiled = compileCondition(text, 'flow')
  return 'problem' in compiled ? compiled.problem : undefined
}

describe('what comes from another language', () => {
  it.each([
    ['value < 495 AND value > 3', 'AND', '&&'],
    ['value < 3 or value > 9', 'or', '||'],
    ['NOT (value > 3)', 'NOT', '!'],
    ['value <> 495', '<>', '!='],
    ['value = 495', '=', '=='],
    ['value => 3', '=>', '>='],
    ['value ≤ 3', '≤', '<='],
    ['value > 3 & value < 9', '&', '&&'],
    ["quality == 'good' and value = 3", 'and', '&&'],
    ['value mod 2 == 1', 'mod', '%'],
    ['trigger.value == TRUE', 'TRUE', 'true'],
    ['IF value > 3 THEN true', 'IF', 'condition ? one : other'],
    ['quality == “good”', '“', '"'],
  ])('%s is told with what to write', (text, found, right) => {
    expect(told(text)).toEqual({
      message: `\`${found}\` is not written so here.`,
      remedy: `Write \`${right}\` in its place.`,
      offset: text.indexOf(found),
    })
  })

  it('is a tag by its bare name, and a unit behind a number', () => {
    expect(told('press-07/motor/in == 1')).toMatchObject({ remedy: "Write tags['press-07/motor/in'].", offset: 0 })
    expect(told('tags[plc/in/go] == 1')).toMatchObject({ remedy: "Write tags['plc/in/go'].", offset: 5 })
    expect(told('value > 80 °C && value < 90')).toMatchObject({ message: '`°C` is more than a number.' })
  })

  it('is not looked for in texts, nor in what is right', () => {
    expect(told("quality == 'this or that' && value % 2 == 1 && value != 4 && value/2 >= 1")).toBeUndefined()
    expect(told("quality == 'this or that' value")?.message).toMatch(/^Unexpected/)
    expect(told('valu > 3')?.message).toBe('Unknown variable: valu.')
  })
})
