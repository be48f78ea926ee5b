/** What clients may ask of the server at most; past it they get the status code that OPC UA has for it. The server's memory is bounded by these. */
export const limits = {
  connections: 30,
  sessions: 20,
  subscriptionsPerSession: 10,
  subscriptions: 50,
  monitoredItemsPerSubscription: 20_000,
  monitoredItems: 40_000,
  /** Values kept for one monitored item between two reports. */
  queue: 100,
  nodesPerCall: 5_000,
  nodesPerWrite: 500,
  arrayLength: 100_000,
  stringLength: 1_000_000,
  browseContinuationPoints: 20,
  /** 10,000 items at 100 ms cost half a core. */
  samplingMsMin: 100,
  /** How long clients are told that the server is about to go. */
  shutdownMs: 100,
} as const

interface Request {
  readonly schema: { readonly name: string }
  readonly itemsToCreate?: readonly Item[] | null
  readonly itemsToModify?: readonly Item[] | null
}

interface Item {
  readonly requestedParameters?: { queueSize: number; samplingInterval: number } | null
}

/**
 * Takes a request's wishes back to what is allowed, before the library sees them: it allows queues of 5,000, and an assertion of its own kills
 * the process where a sampling interval of 0 (or none) meets a variable that forbids it.
 */
export function clampRequest(request: Request): void {
  for (const { requestedParameters: wish } of [...(request.itemsToCreate ?? []), ...(request.itemsToModify ?? [])]) {
    if (wish === null || wish === undefined) continue
    wish.queueSize = Math.min(wish.queueSize, limits.queue)
    if (!Number.isFinite(wish.samplingInterval))
      wish.samplingInterval = -1 // by the publishing interval (OPC 10000-4, 5.13.1.2)
    else if (wish.samplingInterval >= 0) wish.samplingInterval = Math.max(wish.samplingInterval, limits.samplingMsMin)
  }
}
