import { describe, expect, it } from 'vitest'
import { keyOf, type StepPlace, wishOf } from '../../../src/control/flows/effect.ts'
import { Past } from '../../../src/control/flows/past.ts'

describe('what a person has a run do again', () => {
  const at = (step: string) => ({ run: 'r', step, timeMs: 0 as never })
  const intent = (step: string) => ({ ...at(step), kind: 'intent', data: '{}' }) as const
  const outcome = (step: string, status: 'done' | 'failed') => ({ ...at(step), kind: 'outcome', status, data: '{"code":"x"}' }) as const
  const retry = { ...at('*'), kind: 'decision', data: JSON.stringify({ order: 'retry', steps: ['one', 'two'], by: 'ben' }) } as const
  const once = [intent('one'), outcome('one', 'done'), intent('two'), outcome('two', 'failed')]
  const keys = (records: ConstructorParameters<typeof Past>[0], of: (place: StepPlace) => string): readonly string[] => {
    const past = new Past(records)
    return ['one', 'two', 'three'].map((key) => of({ run: { id: 'r' }, key, attempt: 0, again: past.again(key) } as StepPlace))
  }

  it('has for services and receivers a key of its own where it was done, and else the one that it had', () => {
    expect(keys(once, keyOf)).toEqual(['r/one', 'r/two', 'r/three'])
    expect(keys([...once, retry], keyOf)).toEqual(['r/one+1', 'r/two', 'r/three'])
    expect(keys([...once, retry, ...once, retry], keyOf)).toEqual(['r/one+2', 'r/two', 'r/three'])
  })

  it('is a wish of its own for devices and other flows, however it ended before', () => {
    expect(keys([...once, retry], wishOf)).toEqual(['r/one+1', 'r/two+1', 'r/three'])
  })
})
