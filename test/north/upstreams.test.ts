import { describe, expect, it, vi } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import type { Door } from '../../src/base/door.ts'
import { LiveTagsCopy } from '../../src/north/live-tags.ts'
import { upstreamConfigSchema } from '../../src/north/upstream/config.ts'
import { startUpstreams } from '../../src/north/upstreams.ts'
import type { StoreCalls } from '../../src/store/contract.ts'
import { keptLog } from '../support/quiet-log.ts'
import { makeStateFolder } from '../support/state-folder.ts'
import { openTestStore } from '../support/store-samples.ts'
import { tagMeta } from './broker/gateway.ts'
import { freePort, startProgram } from './support/program.ts'
import { FarBroker } from './upstream/far-broker.ts'

const site = 'acme/line-1'
const topic = `${site}/press/setpoint/set`
const writable = { confirmMs: 0, tolerance: 0, role: 'operator', ratePerSecondMax: 10 } as const

describe('the upstreams of a gateway', () => {
  it('answer a command from above at once, though nothing else goes up', { timeout: 30_000 }, async () => {
    await using far = new FarBroker(await freePort())
    await far.start()
    using folder = makeStateFolder()
    await using store = await openTestStore(folder.path)
    // The store behind its door: it tells nobody of what this room brings itself.
    const call = ((name: keyof StoreCalls, ask: never) => (store[name] as (ask: never) => unknown)(ask)) as Door<StoreCalls>['call']
    const door: Door<StoreCalls> = { ...{ call, tell: () => true, isOpen: true, unanswered: 0 }, attach() {}, onAttach() {}, close() {} }
    const plant = upstreamConfigSchema.parse({ url: far.url, canary: false, receive: [{ from: topic, do: 'write' }] })
    await using upstreams = await startUpstreams({
      ...{
        site,
        node: 'edge-07',
        upstreams: { plant },
        stateFolder: folder.path,
        store: door,
        mqtt: { host: '127.0.0.1' },
        clock: systemClock,
      },
      live: new LiveTagsCopy([tagMeta('press/setpoint', { write: writable })]),
      commands: { write: async ({ id, value }) => ({ id, status: 'done', value, tookMs: 3 }), noteRefused: () => {} },
      broker: { port: 0, tlsPort: undefined, publish: async () => {} },
      chance: () => 0,
      log: keptLog(),
    })
    await vi.waitFor(() => expect(far.lines().join('\n')).toContain('Sending SUBACK'), 5_000)
    await using program = startProgram('/usr/bin/mosquitto_pub', ['-p', String(far.port), '-t', topic, '-m', '42', '-q', '1'])
    await program.exit
    await vi.waitFor(() => expect(far.received()).toContain(`${topic}/result`), 3_000)
    expect(upstreams.metrics().find(({ labels }) => labels?.['outcome'] === 'taken')?.value).toBe(1)
  })
})
