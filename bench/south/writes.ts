import { setTimeout as sleep } from 'node:timers/promises'
import { connectAsync } from 'mqtt'
import { type Measure, quantile } from '../report.ts'
import { sitePath } from './gateway.ts'

interface Writes {
  readonly mqttPort: number
  /** d00…; each has a tag `setpoint`. */
  readonly devices: number
  readonly count: number
}

interface Result {
  readonly id: string
  readonly status: string
  readonly value?: number
}

const resultTimeoutMs = 5_000
const p99MsMax = 100

/** One write after the other, at no set pace: from publishing `…/set` to the result that says what was read back. */
export async function benchWrites({ mqttPort, devices, count }: Writes): Promise<readonly Measure[]> {
  const client = await connectAsync(`mqtt://127.0.0.1:${mqttPort}`)
  const waiting = new Map<string, (result: Result) => void>()
  client.on('message', (_topic, payload) => {
    const result = JSON.parse(payload.toString()) as Result
    waiting.get(result.id)?.(result)
  })
  await client.subscribeAsync(`${sitePath}/+/setpoint/set/result`, { qos: 0 })
  const tookMs: number[] = []
  let confirmed = 0
  try {
    for (let place = 0; place < count; place += 1) {
      const wish = { id: `w${place}`, value: (place * 7_919) % 65_536 }
      const begun = performance.now()
      const answered = new Promise<Result>((resolve) => waiting.set(wish.id, resolve))
      client.publish(`${sitePath}/d${String(place % devices).padStart(2, '0')}/setpoint/set`, JSON.stringify(wish))
      const result = await Promise.race([answered, sleep(resultTimeoutMs, undefined, { ref: false })])
      tookMs.push(performance.now() - begun)
      waiting.delete(wish.id)
      if (result?.status === 'done' && result.value === wish.value) confirmed += 1
      await sleep(Math.random() * 20)
    }
  } finally {
    await client.endAsync(true)
  }
  const name = (what: string): string => `a write while 10000 tags/s are polled: ${what}`
  return [
    { name: name('request to confirmed read-back p50'), value: quantile(tookMs, 0.5), unit: 'ms' },
    { name: name('request to confirmed read-back p99'), value: quantile(tookMs, 0.99), unit: 'ms', limit: { atMost: p99MsMax } },
    { name: name('confirmed'), value: confirmed / count, unit: 'share', limit: { atLeast: 1 } },
  ]
}
