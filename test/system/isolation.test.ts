import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import Database from 'better-sqlite3'
import { connectAsync, type MqttClient } from 'mqtt'
import { describe, expect, it, vi } from 'vitest'
import { DaemonProcess, plcFile } from '../support/daemon-process.ts'
import { type ModbusDevice, startModbusDevice } from '../support/modbus-device.ts'

const slow = 180_000
const items = JSON.stringify(Array.from({ length: 1_000 }, (_, place) => place))

/** Each harms nobody but itself. */
const wild = {
  'loop-by-tag': `flow: loop-by-tag
on: [{ tag: wild/gate, when: value }, { topic: hog/go }]
steps:
  - id: "off"
    write: { wild/gate: false }
    confirm: false
    undo: []
  - id: "on"
    write: { wild/gate: true }
    confirm: false
    undo: []
`,
  'loop-by-event': `flow: loop-by-event
on: [{ event: loop.again }, { topic: hog/go }]
concurrency: { limit: 50, overflow: drop }
steps:
  - id: again
    emit: { event: loop.again, data: {} }
`,
  flood: `flow: flood
on: [{ topic: hog/go }]
concurrency: { limit: 1, overflow: queue, queue: 5 }
steps:
  - id: messages
    each:
      in: ${items}
      as: number
      limit: 1000
      steps:
        - id: message
          publish: { topic: hog/flood, payload: { number: "\${number}" } }
  - id: again
    publish: { topic: hog/go, payload: again }
`,
  throws: `flow: throws
on: [{ topic: hog/go }, { topic: hog/flood, where: "trigger.payload.number / 0 > 1" }]
concurrency: { limit: 100, overflow: drop }
steps:
  - id: wrong
    log: { level: info, text: "\${1 / 0}" }
`,
  many: `flow: many
on: [{ topic: hog/go }]
concurrency: { limit: 20, overflow: drop }
steps:
  - id: all
    each:
      in: ${items}
      as: number
      limit: 1000
      steps:
        - id: one
          set: { last: "\${number * 2}" }
`,
}

const quiet = `flow: quiet
on: [{ topic: quiet/+ }]
priority: high
steps:
  - id: heat
    write: { oven/setpoint: "\${trigger.payload.number}" }
    undo: []
`

const starts = 15

/** How long after its message each write of the quiet flow arrives at the PLC, ms. */
async function delays(client: MqttClient, oven: ModbusDevice): Promise<readonly number[]> {
  const found: number[] = []
  for (let number = 1; number <= starts; number += 1) {
    const before = performance.now()
    const seen = oven.requests.length
    const hasCome = (): boolean => oven.requests.slice(seen).some(({ pdu }) => pdu[0] === 16 && pdu.readFloatBE(6) === number)
    client.publish('acme/test/line-1/quiet/now', JSON.stringify({ number }), { qos: 1 })
    while (!hasCome() && performance.now() - before < 20_000) await pause(1)
    found.push(performance.now() - before)
    await pause(120) // as often as a tag may be written
  }
  return found
}

/** The longest time between two polls of the oven, ms. */
async function longestGap<Answer>(oven: ModbusDevice, work: () => Promise<Answer>): Promise<readonly [Answer, number]> {
  const polls: number[] = []
  oven.intercept = ({ pdu }) => {
    if (pdu[0] === 3) polls.push(performance.now())
    return undefined
  }
  const answer = await work()
  return [answer, Math.max(...polls.slice(1).map((at, place) => at - (polls[place] ?? at)))]
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? 0
}

function events(folder: string, type: string): readonly { readonly subject: string; readonly data: string }[] {
  const db = new Database(join(folder, 'state/journal.db'), { readonly: true })
  try {
    return db.prepare<[string], { subject: string; data: string }>('SELECT subject, data FROM events WHERE type = ?').all(type)
  } finally {
    db.close()
  }
}

describe('flows that loop, flood, throw and go through a thousand items', () => {
  it('delay neither another flow nor a poll, and are refused with a reason', { timeout: slow }, async () => {
    await using oven = await startModbusDevice()
    await using other = await startModbusDevice()
    const devices = { oven: plcFile('oven', oven.port), wild: plcFile('wild', other.port) }
    await using daemon = await DaemonProcess.start({ devices, flows: { ...wild, quiet } })
    await vi.waitFor(async () => {
      for (const device of ['oven', 'wild']) expect(await daemon.tag(`${device}/setpoint`)).toMatchObject({ quality: 'good' })
    }, 20_000)
    const client = await connectAsync(`mqtt://127.0.0.1:${daemon.mqttPort}`)
    const [calm, calmGap] = await longestGap(oven, () => delays(client, oven))
    for (let number = 0; number < 40; number += 1) await client.publishAsync('acme/test/line-1/hog/go', 'go', { qos: 1 })
    await vi.waitFor(() => expect(events(daemon.folder, 'flow.started').length).toBeGreaterThan(2 * starts), 20_000)
    const [busy, busyGap] = await longestGap(oven, () => delays(client, oven))
    // Not to be measured on a machine that does much else: ten times worse would be what a hog makes of it.
    expect({ calm: median(calm), busy: median(busy), isHeldUp: median(busy) > 10 * median(calm) + 100 }).toMatchObject({ isHeldUp: false })
    expect(Math.max(...busy)).toBeLessThan(5_000)
    expect({ calmGap, busyGap, isLate: busyGap > 5 * calmGap + 500 }).toMatchObject({ isLate: false })
    expect(await daemon.metric('lineside_flow_steps_total')).toBeGreaterThan(2_000) // they were at it all the time
    const refused = [...events(daemon.folder, 'flow.overloaded'), ...events(daemon.folder, 'flow.dropped')]
    expect(refused.some(({ data }) => data.includes('"reason"'))).toBe(true)
    await client.endAsync()
  })
})
