import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { connectAsync } from 'mqtt'
import { describe, expect, it, vi } from 'vitest'
import { DaemonProcess, plcFile } from '../support/daemon-process.ts'
import { startModbusDevice } from '../support/modbus-device.ts'

const slow = 120_000

const flow = `flow: order
on: [{ topic: orders/+ }]
concurrency: { limit: 10, per: trigger.topic, overflow: queue, queue: 100 }
steps:
  - id: accept
    request: { service: mes, method: POST, path: /orders, body: { number: "\${trigger.payload.number}" }, expect: [201] }
  - id: heat
    write: { oven/setpoint: "\${trigger.payload.number}" }
    undo: []
`

interface Asked {
  readonly key: string | undefined
  readonly body: string
}

/** A service that keeps what it is asked; `answer` false: it says nothing. */
async function startService(parts: AsyncDisposableStack, answers: (asked: Asked) => boolean) {
  const asked: Asked[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => {
      body += String(chunk)
    })
    request.on('end', () => {
      const one = { key: keyOf(request.headers), body }
      asked.push(one)
      if (answers(one)) response.writeHead(201).end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  parts.defer(() => {
    server.closeAllConnections()
    server.close()
  })
  return { asked, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

function keyOf(headers: IncomingHttpHeaders): string | undefined {
  const key = headers['idempotency-key']
  return typeof key === 'string' ? key : undefined
}

async function startPlant(parts: AsyncDisposableStack, answers: (asked: Asked) => boolean = () => true) {
  const oven = parts.use(await startModbusDevice())
  const service = await startService(parts, answers)
  const extra = `services:\n  mes: { url: "${service.url}", timeout: 5s }\n`
  const daemon = parts.use(await DaemonProcess.start({ devices: { oven: plcFile('oven', oven.port) }, flows: { order: flow }, extra }))
  await vi.waitFor(async () => expect(await daemon.tag('oven/setpoint')).toMatchObject({ quality: 'good' }), 20_000)
  const states = (): readonly (string | null)[] => {
    const db = new Database(join(daemon.folder, 'state/journal.db'), { readonly: true })
    try {
      return db
        .prepare<[], { readonly state: string | null }>('SELECT state FROM runs ORDER BY id')
        .all()
        .map(({ state }) => state)
    } finally {
      db.close()
    }
  }
  const order = async (number: number): Promise<void> => {
    const client = await connectAsync(`mqtt://127.0.0.1:${daemon.mqttPort}`, { reconnectPeriod: 0 })
    client.on('error', () => {})
    await client.publishAsync(`acme/test/line-1/orders/${number}`, JSON.stringify({ number }), { qos: 1 })
    client.end(true)
  }
  const revived = async (): Promise<void> => {
    await daemon.start()
    await vi.waitFor(() => expect(states().filter((state) => state === null)).toEqual([]), 20_000)
  }
  const heats = (number: number) => oven.requests.filter(({ pdu }) => pdu[0] === 16 && pdu.readFloatBE(6) === number).length
  return { daemon, service, order, revived, heats, states }
}

describe('a daemon that is killed', () => {
  it('as soon as it has acknowledged a message: runs the flow that begins with it, once', { timeout: slow }, async () => {
    await using parts = new AsyncDisposableStack()
    const { daemon, order, revived, heats, states } = await startPlant(parts)
    const numbers = [11, 12]
    for (const number of numbers) {
      await order(number)
      await daemon.end('SIGKILL')
      await revived()
    }
    expect(states()).toHaveLength(numbers.length)
    // A write that was on its way is read back; where it never arrived nobody writes it on his own account.
    const left = states().filter((state) => state === 'unsettled').length
    expect(numbers.map(heats).filter((times) => times === 1).length + left).toBeGreaterThanOrEqual(numbers.length)
    expect(Math.max(...numbers.map(heats))).toBeLessThanOrEqual(1)
  })

  it('inside a request: asks again under the same key, and goes on', { timeout: slow }, async () => {
    await using parts = new AsyncDisposableStack()
    const first = Promise.withResolvers<void>()
    let isKilled = false
    const plant = await startPlant(parts, () => {
      first.resolve()
      return isKilled
    })
    // The request may arrive before the acknowledgement does: the power fails when both are there, and nothing is answered until then.
    await Promise.all([plant.order(21), first.promise])
    isKilled = true
    await plant.daemon.end('SIGKILL')
    await plant.revived()
    expect(plant.states()).toEqual(['completed'])
    expect(plant.service.asked).toHaveLength(2)
    expect(new Set(plant.service.asked.map(({ key }) => key)).size).toBe(1)
    expect(plant.service.asked[0]?.key).toMatch(/\/accept$/)
    expect(plant.heats(21)).toBe(1)
  })
})
