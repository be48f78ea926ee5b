import { describe, expect, it } from 'vitest'
import { epochMs, systemClock } from '../../src/base/clock.ts'
import type { Door } from '../../src/base/door.ts'
import type { OneFlow } from '../../src/control/flows/all-flows.ts'
import { compileFlow } from '../../src/control/flows/compiled.ts'
import { flowSchema } from '../../src/control/flows/config.ts'
import { definitionHash } from '../../src/control/flows/version.ts'
import { tellChangedVersions } from '../../src/control/flows/version-watch.ts'
import type { SiteEvent } from '../../src/model/event.ts'
import type { StoreCalls } from '../../src/store/contract.ts'
import { keptLog } from '../support/quiet-log.ts'
import { makeStateFolder } from '../support/state-folder.ts'
import { openTestStore } from '../support/store-samples.ts'

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

async function startedWith(now: typeof file, before: typeof file & { readonly version?: number }) {
  using folder = makeStateFolder()
  await using store = await openTestStore(folder.path)
  const compiled = compileFlow(flowSchema.parse(before))
  await store.recordRuns({ records: [{ kind: 'begun', run: 'a', flow: 'f', timeMs: epochMs(1), definition: compiled.text, input: '{}' }] })
  const told: SiteEvent[] = []
  const door = { call: (name: 'runs' | 'run', ask: never) => store[name](ask) } as unknown as Door<StoreCalls>
  const flow = { compiled: compileFlow(flowSchema.parse(now)) } as OneFlow
  await tellChangedVersions([flow], { store: door, record: (event) => void told.push(event), clock: systemClock, log: keptLog() })
  return told
}

describe('a gateway that starts', () => {
  const changed = { ...file, steps: [{ id: 'a', write: { 'x/a': 2, 'x/b': 2 } }] }

  it('says that a flow has changed and its version has not, with both hashes', async () => {
    expect(await startedWith(changed, file)).toMatchObject([
      {
        type: 'flow.version-changed',
        subject: 'f',
        data: { flow: 'f', version: 1, was: definitionHash(flowSchema.parse(file)), is: definitionHash(flowSchema.parse(changed)) },
      },
    ])
  })

  it('says nothing of a flow that is as it was, or has another version', async () => {
    expect(await startedWith(file, file)).toEqual([])
    expect(await startedWith(changed, { ...file, version: 2 })).toEqual([])
  })
})
