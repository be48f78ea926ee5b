import { systemClock } from '../../src/base/clock.ts'
import { Starts } from '../../src/control/flows/starts.ts'
import { TagTable } from '../../src/control/tag-table.ts'
import { checkedExpression } from '../../src/model/expression.ts'
import { asTagId, type TagMeta } from '../../src/model/tag.ts'
import { type Measure, quantile } from '../report.ts'
import { type Rounds, roundsOf } from './rounds.ts'

const conditionUsMax = 2
const queueingMsMax = 1
const tags = 10_000
/** As many as may wait at all. */
const waiting = 10_000

/** What a change costs a trigger that looks at it, and how long a free place stays free while many wait. In this process, without a gateway. */
export async function benchConditions({ isSmoke, say }: Rounds): Promise<readonly Measure[]> {
  return await roundsOf({ isSmoke, say, what: 'conditions and queueing' }, async () => [
    condition(isSmoke ? 10_000 : 500_000),
    ...(await queueing(isSmoke ? 100 : 2_000)),
  ])
}

function condition(times: number): Measure {
  const metas = Array.from(
    { length: tags },
    (_, place): TagMeta => ({
      ...{ id: asTagId(`d${place % 50}/t${place}`), device: `d${place % 50}`, path: `t${place}`, type: 'u16', scan: 'fast' },
    }),
  )
  const table = new TagTable(metas, systemClock)
  const now = systemClock.now()
  table.take(
    0,
    metas.map((_, tag) => ({ tag, value: tag % 1_000, quality: 'good' as const })),
    now,
  )
  const expression = checkedExpression("value < 495 && tags['d7/t7'] > 3 || quality != 'good'", 'flow')
  let trues = 0
  const begun = performance.now()
  for (let round = 0; round < times; round += 1) {
    const sample = table.sampleOf(metas[round % tags]?.id ?? asTagId('d0/t0'))
    const tag = (name: string) => table.sampleOf(asTagId(name))
    if (expression.evaluate({ tag, ...(sample === undefined ? {} : { value: sample.value, quality: sample.quality }) }) === true) trues += 1
  }
  const us = ((performance.now() - begun) * 1_000) / times
  if (trues === 0 || trues === times) throw new Error('the condition is not looked at')
  return { name: 'a condition over two tags, as a trigger looks at it', value: us, unit: 'µs', limit: { atMost: conditionUsMax } }
}

/** One run after the other, while as many starts of all priorities wait as may. */
async function queueing(runs: number): Promise<readonly Measure[]> {
  const starts = new Starts({ clock: systemClock, pressure: () => undefined, cancel: () => {} })
  const tookMs: number[] = []
  const enteredMs: number[] = []
  const priorities = ['critical', 'high', 'normal', 'low'] as const
  const state = { freeAt: performance.now(), place: 0 }
  const over = Promise.withResolvers<void>()
  const offer = (): void => {
    state.place += 1
    const priority = priorities[state.place % 4] ?? 'normal'
    const begun = performance.now()
    starts.offer({
      run: `r${state.place}`,
      flow: 'bench',
      group: 'bench',
      concurrency: { limit: 1, overflow: 'queue', queueMax: waiting },
      priority,
      locks: ['gate'],
      holder: `r${state.place}`,
      isExempt: false,
      begin: async () => {
        tookMs.push(performance.now() - state.freeAt)
        if (tookMs.length === runs) over.resolve()
        await new Promise((resolve) => setImmediate(resolve))
        if (tookMs.length < runs) setImmediate(offer)
        state.freeAt = performance.now()
      },
      giveWay: () => {},
    })
    enteredMs.push(performance.now() - begun)
  }
  for (let place = 0; place < waiting; place += 1) offer()
  await over.promise
  const name = `queueing, ${waiting} waiting`
  return [
    { name: `${name}: a start enters, p99`, value: quantile(enteredMs, 0.99), unit: 'ms', limit: { atMost: queueingMsMax } },
    { name: `${name}: a free place is taken, p99`, value: quantile(tookMs, 0.99), unit: 'ms', limit: { atMost: queueingMsMax } },
  ]
}
