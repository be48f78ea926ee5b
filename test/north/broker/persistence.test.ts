import assert from 'node:assert'
import { createRequire } from 'node:module'
import { afterEach, describe, it } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { mqttConfigSchema } from '../../../src/north/broker/config.ts'
import { startKeeping } from '../../../src/north/broker/keeping.ts'
import type { Persistence } from '../../../src/north/broker/persistence.ts'
import { sessionStoreOf } from '../../support/session-store.ts'
import { makeStateFolder } from '../../support/state-folder.ts'
import { openTestStore } from '../../support/store-samples.ts'
import { memoryLog } from './gateway.ts'

/** What the suite uses of node:test's context. */
interface Context {
  readonly plan: (count: number) => void
  readonly diagnostic: () => void
  readonly assert: Record<string, (...args: unknown[]) => void>
}

type AbstractSuite = (options: {
  readonly test: (title: string, run: (context: Context) => Promise<void>) => void
  readonly persistence: () => Promise<Persistence>
  readonly testAsync: true
}) => void

const fromAedes = createRequire(createRequire(import.meta.url).resolve('aedes'))
const abstractSuite = fromAedes('aedes-persistence/abstract.js') as AbstractSuite
let parts = new AsyncDisposableStack()

describe('the persistence, over the store', () => {
  afterEach(async () => {
    await parts.disposeAsync()
    parts = new AsyncDisposableStack()
  })

  abstractSuite({ test: (title, run) => void it(`passes: ${title}`, () => runCounted(run)), persistence, testAsync: true })
})

async function persistence(): Promise<Persistence> {
  const folder = parts.use(makeStateFolder())
  const store = parts.use(await openTestStore(folder.path))
  const config = mqttConfigSchema.parse({ port: 0 })
  const options = { config, clock: systemClock, log: memoryLog(), store: sessionStoreOf(store), transient: [], onMended: () => {} }
  return parts.use(await startKeeping(options)).persistence
}

async function runCounted(run: (context: Context) => Promise<void>): Promise<void> {
  let planned: number | undefined
  let asserted = 0
  const counted = (name: 'ok' | 'equal' | 'notEqual' | 'deepEqual') => {
    return (...args: unknown[]): void => {
      asserted += 1
      ;(assert[name] as (...all: unknown[]) => void)(...args)
    }
  }
  await run({
    plan: (count) => {
      planned = count
    },
    diagnostic: () => {},
    assert: { ok: counted('ok'), equal: counted('equal'), notEqual: counted('notEqual'), deepEqual: counted('deepEqual') },
  })
  if (planned !== undefined) assert.equal(asserted, planned)
}
