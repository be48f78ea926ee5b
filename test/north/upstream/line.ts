import { epochMs, systemClock } from '../../../src/base/clock.ts'
import { upstreamConfigSchema } from '../../../src/north/upstream/config.ts'
import type { OwnDoor } from '../../../src/north/upstream/own-broker.ts'
import type { ReceivingPorts } from '../../../src/north/upstream/receiving.ts'
import { startUpstream } from '../../../src/north/upstream/upstream.ts'
import type { OutgoingMessage } from '../../../src/store/contract.ts'
import { keptLog } from '../../support/quiet-log.ts'
import { makeStateFolder } from '../../support/state-folder.ts'
import { openTestStore } from '../../support/store-samples.ts'

export const site = 'acme/line-1'
const node = 'edge-07'

/** An upstream that sends what is in a real outbox. */
export async function startLine(url: string, options: object = {}, receiving?: Partial<ReceivingPorts>, ownDoors: readonly OwnDoor[] = []) {
  const folder = makeStateFolder()
  const store = await openTestStore(folder.path)
  const config = upstreamConfigSchema.parse({ url, keepalive: '2s', inflight: 50, ...options })
  const listeners = new Set<() => void>()
  const ports: ReceivingPorts = {
    publish: async () => {},
    write: async ({ id }) => ({ id, status: 'done', tookMs: 1 }),
    noteRefused: () => {},
    findTag: () => undefined,
    parseWish: async () => ({ value: 1 }),
    wishIdOf: async () => undefined,
    answer: async () => {},
    ...receiving,
  }
  const log = keptLog()
  const upstream = startUpstream({
    ...{ name: 'plant', config, site, node, clock: systemClock, chance: () => 0, log, receiving: ports, ownDoors },
    outbox: {
      next: (afterId, rowsMax, only) => store.nextUnsent({ upstream: 'plant', afterId, rowsMax, ...(only === undefined ? {} : { only }) }),
      survey: (afterId, rowsMax, only) =>
        store.surveyUnsent({ upstream: 'plant', afterId, rowsMax, ...(only === undefined ? {} : { only }) }),
      remove: (ids, outcome = 'sent') => store.removeSent({ upstream: 'plant', ids, outcome }),
      onAccepted: (listener) => {
        listeners.add(listener)
        return { [Symbol.dispose]: () => listeners.delete(listener) }
      },
    },
  })
  const accept = async (...messages: readonly (Pick<OutgoingMessage, 'subject'> & Partial<OutgoingMessage>)[]): Promise<void> => {
    await store.accept(messages.map((more) => ({ upstream: 'plant', kind: 'message', body: '{}', timeMs: epochMs(Date.now()), ...more })))
    for (const listener of listeners) listener()
  }
  return {
    upstream,
    store,
    log,
    accept,
    books: async () => (await store.outboxStatus(null))[0]?.streams ?? [],
    waiting: async () => (await store.outboxStatus(null))[0]?.waitingRows,
    metric: (name: string) => upstream.metrics().find((metric) => metric.name === `lineside_upstream_${name}`)?.value,
    [Symbol.asyncDispose]: async () => {
      await upstream[Symbol.asyncDispose]()
      await store[Symbol.asyncDispose]()
      folder[Symbol.dispose]()
    },
  }
}
