import { beforeAll, describe, it } from 'vitest'
import { type HostEvidence, hostJudges, hostLife } from './judges.ts'

describe('a Sparkplug host on the embedded broker keeps', () => {
  let evidence: HostEvidence

  beforeAll(async () => {
    evidence = await hostLife()
  }, 30_000)

  it.each([...hostJudges])('%s', (_id, judge) => judge(evidence))
})
