import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { matchesFilter } from '../../../src/model/topic.ts'
import { openAccess } from '../../../src/north/access/access.ts'
import { covers, rightsOf } from '../../../src/north/access/rights.ts'

const gateway = { site: 'acme/line-1', node: 'edge-07' }

describe('a rule for reading', () => {
  it.each([
    ['#', 'a/b', true],
    ['#', '#', true],
    ['#', '+/x', true],
    ['#', '$SYS/broker/uptime', false],
    ['#', '$SYS/#', false],
    ['$SYS/#', '$SYS/#', true],
    ['+/a', '$SYS/a', false],
    ['a/#', 'a', true],
    ['a/#', 'a/+/c', true],
    ['a/#', '#', false],
    ['a/#', '+/b', false],
    ['a/+', 'a/+', true],
    ['a/+', 'a/b', true],
    ['a/+', 'a/#', false],
    ['a/+', 'a', false],
    ['a/+', 'a/b/c', false],
    ['a/b', 'a/+', false],
  ])('%s covers %s: %s', (rule, filter, expected) => {
    expect(covers(rule, filter)).toBe(expected)
  })

  it('covers a filter only where it matches every topic that the filter matches', () => {
    const level = fc.constantFrom('a', 'b', '$SYS', '+')
    const filter = fc
      .tuple(fc.array(level, { minLength: 1, maxLength: 3 }), fc.boolean())
      .map(([levels, isOpen]) => [...levels, ...(isOpen ? ['#'] : [])].join('/'))
    const topic = fc.array(fc.constantFrom('a', 'b', '$SYS'), { minLength: 1, maxLength: 4 }).map((levels) => levels.join('/'))
    fc.assert(
      fc.property(filter, filter, topic, (rule, asked, name) => {
        fc.pre(covers(rule, asked) && matchesFilter(name, asked))
        expect(matchesFilter(name, rule)).toBe(true)
      }),
      { numRuns: 2_000, maxSkipsPerRun: 1_000 }, // one in a hundred is a case
    )
  })
})

describe('a role', () => {
  it.each([
    ['viewer', 'acme/line-1/press/speed/set', false],
    ['operator', 'acme/line-1/press/speed/set', true],
    ['operator', 'lineside/edge-07/flows/rinse/start', true],
    ['operator', 'spBv1.0/group/DDATA/node/device', false],
    ['engineer', 'anything/else', true],
    ['admin', 'anything/else', true],
  ] as const)('%s may publish to %s: %s', (role, topic, expected) => {
    expect(rightsOf(role, {}, gateway).mayWrite(topic)).toBe(expected)
  })

  it.each([
    ['viewer', false],
    ['operator', false],
    ['engineer', true],
    ['admin', true],
  ] as const)('%s may read the counters of the broker: %s', (role, expected) => {
    expect(rightsOf(role, {}, gateway).mayRead('$SYS/#')).toBe(expected)
  })

  it.each(['operator', 'engineer', 'admin'] as const)('%s may not speak for another gateway, unless a rule of his own says so', (role) => {
    const topic = 'lineside/edge-99/status'
    expect(rightsOf(role, {}, gateway).mayWrite(topic)).toBe(false)
    expect(rightsOf(role, { write: ['lineside/edge-99/#'] }, gateway).mayWrite(topic)).toBe(true)
  })

  it('let a nameless operator publish anywhere but for another gateway', async () => {
    const door = openAccess({ gateway }).at('mqtt', { role: 'operator', isFromAnywhere: true })
    const admission = await door.admit({ remoteAddress: '10.1.7.5' })
    const rights = admission.isAdmitted ? admission.rights : undefined
    expect(
      ['jobs/next', 'spBv1.0/a', 'lineside/edge-99/status', 'lineside/edge-99/events/x'].map((topic) => rights?.mayWrite(topic)),
    ).toEqual([true, true, false, false])
  })

  it('steps back where the user has rules of his own', () => {
    const rights = rightsOf('admin', { read: ['a/#'], write: [] }, gateway)
    expect([rights.mayRead('a/b'), rights.mayRead('b'), rights.mayWrite('a/b'), rights.hasOwnWriteRules]).toEqual([
      true,
      false,
      false,
      true,
    ])
  })
})
