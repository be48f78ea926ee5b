import { setTimeout as sleep } from 'node:timers/promises'
import { monotonicMs } from '../line/load-value.ts'
import { type Measure, quantile } from '../report.ts'
import { startGateway } from '../south/gateway.ts'
import { converse } from './publisher.ts'
import { type Rounds, roundsOf } from './rounds.ts'

const branches = 20
const waitMs = 100
const atMostMs = 120
const runsARound = 10

/** From the message before it to the message behind it, as a subscriber hears them. */
export async function benchParallel({ isSmoke, say }: Rounds): Promise<readonly Measure[]> {
  const parallel = Object.fromEntries(
    Array.from({ length: branches }, (_, place) => [`b${place}`, [{ id: `w${place}`, wait: { for: `${waitMs}ms` } }]]),
  )
  const message = (id: string): object => ({ id, publish: { topic: `parallel/${id}`, payload: '${trigger.payload.n}' }, undo: [] })
  const flow = { on: [{ topic: 'start/parallel' }], steps: [message('before'), { id: 'all', parallel, join: 'all' }, message('behind')] }
  await using gateway = await startGateway({}, { flows: { parallel: flow } })
  await using conversation = await converse(gateway, 'bench/south/parallel/#')
  return await roundsOf({ isSmoke, say, what: `parallel of ${branches} waits` }, async () => {
    const tookMs: number[] = []
    for (let n = 0; n < (isSmoke ? 2 : runsARound); n += 1) {
      conversation.heard()
      await conversation.client.publishAsync('bench/south/start/parallel', JSON.stringify({ n }), { qos: 1 })
      const limit = monotonicMs() + 5_000
      while (conversation.count < 2 && monotonicMs() < limit) await sleep(5)
      const [before, behind] = conversation.heard()
      if (before !== undefined && behind !== undefined) tookMs.push(behind.atMs - before.atMs)
    }
    return [
      {
        name: `parallel of ${branches} waits of ${waitMs} ms, at most of ${runsARound}`,
        value: quantile(tookMs, 1),
        unit: 'ms',
        limit: { atMost: atMostMs },
      },
    ]
  })
}
