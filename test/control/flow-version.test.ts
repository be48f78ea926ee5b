import { describe, expect, it } from 'vitest'
import { flowSchema } from '../../src/control/flows/config.ts'
import { definitionHash } from '../../src/control/flows/version.ts'

const file = { flow: 'f', on: [{ start: 'viewer' }], steps: [{ id: 'a', write: { 'x/a': 1, 'x/b': 2 } }] }

describe('the hash of a flow', () => {
  it('is that of what it means, whatever the order of its keys and whether defaults are written', () => {
    const { steps, on, flow } = file
    expect(definitionHash(flowSchema.parse({ steps, version: 1, priority: 'normal', on, flow }))).toBe(
      definitionHash(flowSchema.parse(file)),
    )
  })

  it('is another for each change, the order of writes included', () => {
    const steps = [{ id: 'a', write: { 'x/b': 2, 'x/a': 1 } }]
    const others = [
      { ...file, version: 2 },
      { ...file, steps },
      { ...file, locks: ['l'] },
    ]
    expect(new Set([file, ...others].map((other) => definitionHash(flowSchema.parse(other)))).size).toBe(4)
  })
})
