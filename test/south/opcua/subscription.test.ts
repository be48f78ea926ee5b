import { type ClientSession, type PublishResponse, resolveNodeId, StatusCodes, TimestampsToReturn } from 'node-opcua-client'
import { describe, expect, it, vi } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { Requests } from '../../../src/south/opcua/requests.ts'
import { Subscription } from '../../../src/south/opcua/subscription.ts'

interface Modifying {
  readonly itemsToModify: readonly { readonly monitoredItemId: number }[]
  readonly timestampsToReturn: TimestampsToReturn
}

interface Waiting {
  readonly timeoutMs: number
  readonly resolve: (response: PublishResponse) => void
  readonly reject: (error: Error) => void
}

/** A server that answers publish requests when it is told to, oldest first. */
async function subscribed(parts: AsyncDisposableStack) {
  const waiting: Waiting[] = []
  const created = Promise.withResolvers<object>()
  const modified: unknown[] = []
  const session = {
    createMonitoredItems: async () => await created.promise,
    modifyMonitoredItems: async ({ itemsToModify, timestampsToReturn }: Modifying) => {
      for (const { monitoredItemId } of itemsToModify) modified.push({ monitoredItemId, timestampsToReturn })
      return { results: itemsToModify }
    },
    createSubscription: async () => ({ subscriptionId: 7, revisedPublishingInterval: 100, revisedMaxKeepAliveCount: 2 }),
    publish: ({ requestHeader: { timeoutHint } }: { readonly requestHeader: { readonly timeoutHint: number } }) =>
      new Promise<PublishResponse>((resolve, reject) => waiting.push({ timeoutMs: timeoutHint, resolve, reject })),
  } as unknown as ClientSession
  const ended = new AbortController()
  parts.defer(() => ended.abort())
  const requests = new Requests({ session, clock: systemClock, timeoutMs: 1_000, ended: ended.signal })
  const lost = vi.fn()
  const options = { requests, url: 'opc.tcp://x', publishingMs: 100, onHeard: () => {}, onLost: lost, ended: ended.signal }
  const subscription = await Subscription.create(options)
  let sequenceNumber = 0
  const settled = () => new Promise((resolve) => setImmediate(resolve))
  return {
    created,
    modified,
    waiting,
    lost,
    subscription,
    report: async (moreNotifications: boolean) => {
      sequenceNumber += 1
      const notificationMessage = { sequenceNumber, notificationData: [{}] }
      waiting.shift()?.resolve({ subscriptionId: 7, moreNotifications, notificationMessage } as unknown as PublishResponse)
      await settled()
    },
    refuse: async (why: string) => {
      waiting.shift()?.reject(new Error(why))
      await settled()
    },
  }
}

describe('a subscription', () => {
  it('keeps three requests at the server as long as that suffices', async () => {
    await using parts = new AsyncDisposableStack()
    const { waiting, report, lost } = await subscribed(parts)
    for (let times = 0; times < 50; times += 1) await report(false)
    expect(waiting).toHaveLength(3)
    expect(lost).not.toHaveBeenCalled()
  })

  it('keeps more of them at a server that has more to say than fits into its reports, up to a limit', async () => {
    await using parts = new AsyncDisposableStack()
    const { waiting, report, lost, subscription } = await subscribed(parts)
    for (let times = 0; times < 9; times += 1) await report(true)
    expect(waiting).toHaveLength(12)
    for (let times = 0; times < 50; times += 1) await report(true)
    expect(waiting).toHaveLength(20)
    expect(lost).not.toHaveBeenCalled()
    // Where nothing changes, the server answers one of them a heartbeat: none of them may be given up before its turn.
    expect(waiting.at(-1)?.timeoutMs).toBeGreaterThan(20 * subscription.heartbeatMs)
  })

  it("asks for the server's own time also where an item brings its first value before its number", async () => {
    await using parts = new AsyncDisposableStack()
    const { subscription, created, modified } = await subscribed(parts)
    const item = { node: resolveNodeId('ns=1;i=1'), tags: [0], samplingMs: 100, queue: 1, handle: 1 }
    const monitored = subscription.monitor([item], 100)
    const asked = subscription.askServerTime(100)
    created.resolve({ results: [{ statusCode: StatusCodes.Good, monitoredItemId: 5, revisedSamplingInterval: 100 }] })
    expect(await monitored).toEqual([0])
    await asked
    expect(modified).toEqual([{ monitoredItemId: 5, timestampsToReturn: TimestampsToReturn.Both }])
  })

  it('keeps no more than the server takes, however much that has to say', async () => {
    await using parts = new AsyncDisposableStack()
    const { waiting, report, refuse, lost } = await subscribed(parts)
    for (let times = 0; times < 5; times += 1) await report(true)
    expect(waiting).toHaveLength(8)
    await refuse('BadTooManyPublishRequests')
    expect(waiting).toHaveLength(7)
    for (let times = 0; times < 9; times += 1) await report(true)
    expect(waiting).toHaveLength(7)
    expect(lost).not.toHaveBeenCalled()
  })
})
