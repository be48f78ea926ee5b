import { describe, expect, it } from 'vitest'
import type { Compiling } from '../../../src/control/flows/compiling.ts'
import type { StepOf } from '../../../src/control/flows/definition.ts'
import type { StepPlace } from '../../../src/control/flows/effect.ts'
import { pickEffect } from '../../../src/control/flows/steps/pick.ts'
import { checkedExpression } from '../../../src/model/expression.ts'
import { checkedTemplate } from '../../../src/model/template.ts'
import { inTime } from './in-time.ts'

type By = StepOf<'pick'>['by']

/** Picks again and again, each time from what is healthy then. */
function picks(by: By, rounds: readonly string[], { all = 'abc', from = [], load = {} }: Partial<Around> = {}): string {
  const place = { place: 'step', names: [] } as const
  const at: Compiling = {
    id: 'who',
    place,
    template: (source) => checkedTemplate(source, place),
    condition: (text) => checkedExpression(text, place),
  }
  const step = { id: 'who', needs: [], undo: [], kind: 'pick', capability: 'drive', by, fallback: 'z' } as const
  const effect = pickEffect(step, at)
  const devicesWith = (healthy: string) => () =>
    [...all].map((device) => ({ device, isHealthy: healthy.includes(device), load: load[device] ?? 0 }))
  return rounds
    .map((healthy, round) => effect.act(from[round] ?? null, { ports: { devicesWith: devicesWith(healthy) } } as unknown as StepPlace))
    .map((result) => (result as { readonly device: string }).device)
    .join('')
}

interface Around {
  readonly all: string
  /** Whom each round allows. */
  readonly from: readonly (readonly string[])[]
  readonly load: Readonly<Record<string, number>>
}

describe('a pick', () => {
  it.each([
    ['takes one after the other', ['abc', 'abc', 'abc', 'abc', 'abc'], 'abcab'],
    ['leaves out who is away, and takes nobody twice while another one waits', ['abc', 'abc', 'bc', 'abc', 'abc'], 'abcab'],
    ['takes first who was away', ['ab', 'ab', 'abc', 'abc'], 'abca'],
    ['takes the only one as often as it must', ['c', 'c', 'abc'], 'cca'],
    ['takes the one that it falls back to where nobody is there', ['', 'abc'], 'za'],
  ])('by round-robin %s', (_, rounds, expected) => {
    expect(picks('round-robin', rounds)).toBe(expected)
  })

  it('by round-robin is fair to those that only some runs pick from', () => {
    const from = [
      ['a', 'b'],
      ['c', 'd'],
      ['a', 'b'],
      ['c', 'd'],
      ['a', 'b'],
      ['c', 'd'],
    ]
    expect(
      picks(
        'round-robin',
        from.map(() => 'abcd'),
        { all: 'abcd', from },
      ),
    ).toBe('acbdac')
  })

  it('by first-healthy takes the first that answers, and by least-busy the one with the least to do', () => {
    expect(picks('first-healthy', ['abc', 'bc', 'c', ''])).toBe('abcz')
    expect(picks('least-busy', ['abc', 'ab', ''], { load: { a: 3, b: 2, c: 1 } })).toBe('cbz')
  })
})

describe('a pick by turns', () => {
  const device = (name: string): string =>
    `device: ${name}\ndriver: modbus-tcp\nconnection: { host: 127.0.0.1 }\ncapabilities: [drive]\ntags: { speed: { at: hr:0, type: u16 } }\n`
  const turns = `flow: turns
on: [{ topic: go }]
steps:
  - { id: who, pick: { capability: drive, by: round-robin } }
  - { id: told, publish: { topic: told, payload: "\${steps['who'].result.device}" } }
`
  const files = { 'devices/a.yaml': device('a'), 'devices/b.yaml': device('b'), 'devices/c.yaml': device('c'), 'flows/turns.yaml': turns }
  const go = '{ after: 1s, message: { topic: go } }'
  const told = (devices: string): string => [...devices].map((name) => `{ topic: told, payload: ${name} }`).join(', ')

  it('goes on after a power cut with the one whose turn it is', async () => {
    const does = [go, go, '{ after: 1s, kill: true }', go, '{ after: 1s, kill: true }', go, go]
    const test = `flow: turns\ncases:\n  - { name: a, do: [${does.join(', ')}], expect: { publishes: [${told('abcab')}] } }\n`
    expect(await inTime(files, test)).toEqual([])
  })
})
