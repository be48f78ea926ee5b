import { readFileSync } from 'node:fs'
import { beforeAll, describe, expect, it } from 'vitest'
import { hostJudges } from '../../broker/sparkplug/judges.ts'
import { type Evidence, judges } from './judges.ts'
import { hostedLife, liveLife, lostLife, type Scenario, templatedLife } from './scenario.ts'
import { siteJudges } from './site-judges.ts'
import { templateJudges } from './template-judges.ts'

describe('a Sparkplug edge node, as a passive monitor sees it, keeps', () => {
  let evidence: Evidence

  beforeAll(async () => {
    const [live, lost, hosted] = await Promise.all([liveLife(), lostLife(), hostedLife()])
    evidence = { live, lost, hosted }
  }, 90_000)

  it.each([...judges])('%s', (_id, judge) => judge(evidence))
})

describe('a Sparkplug edge node with templates keeps', () => {
  let life: Scenario

  beforeAll(async () => {
    life = await templatedLife()
  }, 90_000)

  it.each([...templateJudges])('%s', (_id, judge) => judge(life))

  it('that a command to an instance asks for its members, one by one', () => {
    expect(life.edge.asked).toMatchObject([{ tag: 'press-07/recipe/setpoint', value: 42 }])
  })
})

describe('lineside check, of names that differ in capitals alone, keeps', () => {
  it.each([...siteJudges])('%s', (_id, judge) => judge())
})

describe('docs/sparkplug.md', () => {
  it('calls met what a test shows, and nothing else', () => {
    const text = readFileSync('docs/sparkplug.md', 'utf8')
    const met = text
      .split('\n')
      .flatMap((line) => (/^\|.*\| met \|/.test(line) ? [...line.matchAll(/`([a-z0-9-]+(?:bdSeq|UTC)?)`/g)].map(([, id]) => id) : []))
    expect(met.toSorted()).toEqual([...judges.keys(), ...hostJudges.keys(), ...templateJudges.keys(), ...siteJudges.keys()].toSorted())
  })
})
