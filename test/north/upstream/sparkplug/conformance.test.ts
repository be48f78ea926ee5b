import { readFileSync } from 'node:fs'
import { beforeAll, describe, expect, it } from 'vitest'
import { hostJudges } from '../../broker/sparkplug/judges.ts'
import { type Evidence, judges } from './judges.ts'
import { hostedLife, liveLife, lostLife } from './scenario.ts'

describe('a Sparkplug edge node, as a passive monitor sees it, keeps', () => {
  let evidence: Evidence

  beforeAll(async () => {
    const [live, lost, hosted] = await Promise.all([liveLife(), lostLife(), hostedLife()])
    evidence = { live, lost, hosted }
  }, 90_000)

  it.each([...judges])('%s', (_id, judge) => judge(evidence))
})

describe('docs/sparkplug.md', () => {
  it('calls met what a test shows, and nothing else', () => {
    const text = readFileSync('docs/sparkplug.md', 'utf8')
    const met = text
      .split('\n')
      .flatMap((line) => (/^\|.*\| met \|/.test(line) ? [...line.matchAll(/`([a-z0-9-]+(?:bdSeq|UTC)?)`/g)].map(([, id]) => id) : []))
    expect(met.toSorted()).toEqual([...judges.keys(), ...hostJudges.keys()].toSorted())
  })
})
