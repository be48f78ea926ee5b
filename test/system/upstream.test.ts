import { describe, expect, it, vi } from 'vitest'
import { startBrokerAbove } from '../support/broker-above.ts'
import { DaemonProcess, plcFile } from '../support/daemon-process.ts'
import { startModbusDevice } from '../support/modbus-device.ts'

/** The broker above, and the payloads of the counter that it passed on, in order. */
async function startAbove() {
  const broker = await startBrokerAbove()
  return Object.assign(broker, { values: () => broker.lines.flatMap((line) => /\/press\/count (\{.*\})/.exec(line)?.[1] ?? []) })
}

async function startLine(url: string) {
  const press = await startModbusDevice()
  // The plant does not wait for anybody: it counts 25 times a second, whoever listens.
  const counting = setInterval(() => {
    press.registers[0] = (press.registers[0] ?? 0) + 1
  }, 40)
  const extra = `upstreams:\n  plant: { url: "${url}", send: ["acme/test/line-1/press/count"] }\n`
  try {
    const daemon = await DaemonProcess.start({ extra, devices: { press: plcFile('press', press.port) } })
    return {
      daemon,
      waiting: () => daemon.metric('lineside_outbox_waiting_rows'),
      accepted: () => daemon.metric('lineside_outbox_accepted_total'),
      stopCounting: () => clearInterval(counting),
      [Symbol.asyncDispose]: async () => {
        clearInterval(counting)
        await daemon[Symbol.asyncDispose]()
        await press[Symbol.asyncDispose]()
      },
    }
  } catch (error) {
    clearInterval(counting)
    await press[Symbol.asyncDispose]()
    throw error
  }
}

/** Without repetitions, which at least once allows: no two values have the same time, quality and count. */
function distinct(values: readonly string[]): readonly string[] {
  return [...new Set(values)]
}

/** The plant only counts up, so what arrives in order never goes down. */
function expectOrdered(values: readonly string[]): void {
  const counts = distinct(values).map((value) => (JSON.parse(value) as { readonly value: number }).value)
  expect(counts).toEqual([...counts].sort((one, other) => one - other))
}

describe('the way upstream', () => {
  it('brings every accepted value to the far broker in order, though it was away for a while', { timeout: 90_000 }, async () => {
    await using above = await startAbove()
    await using line = await startLine(above.url)
    await vi.waitFor(() => expect(above.values().length).toBeGreaterThan(5), 20_000)
    await above.stop()
    const before = await line.accepted()
    await vi.waitFor(async () => expect(await line.accepted()).toBeGreaterThan(before + 30), 20_000)
    expect(await line.waiting()).toBeGreaterThanOrEqual(30)
    await above.start()
    await vi.waitFor(async () => expect(await line.accepted()).toBeGreaterThan(before + 60), 20_000)
    line.stopCounting()
    await vi.waitFor(async () => expect(await line.waiting()).toBe(0), 20_000)
    await vi.waitFor(async () => expect(distinct(above.values())).toHaveLength(await line.accepted()), 10_000)
    expectOrdered(above.values())
  })

  it('loses nothing that was accepted when the daemon is killed while the far broker is away', { timeout: 90_000 }, async () => {
    await using above = await startAbove()
    await using line = await startLine(above.url)
    await vi.waitFor(() => expect(above.values().length).toBeGreaterThan(5), 20_000)
    await above.stop()
    await vi.waitFor(async () => expect(await line.waiting()).toBeGreaterThan(30), 20_000)
    const accepted = await line.accepted()
    await line.daemon.end('SIGKILL')
    await line.daemon.start()
    expect(await line.accepted()).toBeGreaterThanOrEqual(accepted)
    line.stopCounting()
    await above.start()
    await vi.waitFor(async () => expect(await line.waiting()).toBe(0), 20_000)
    await vi.waitFor(async () => expect(distinct(above.values()).length).toBeGreaterThanOrEqual(accepted), 10_000)
    expectOrdered(above.values())
  })
})
