import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { freePort, type Program, startProgram } from '../north/support/program.ts'
import { DaemonProcess, plcFile } from '../support/daemon-process.ts'
import { startModbusDevice } from '../support/modbus-device.ts'

/** mosquitto above us, which keeps what it has over a restart, and a subscriber whose session it keeps too. */
async function startAbove() {
  const folder = await mkdtemp(join(tmpdir(), 'lineside-above-'))
  const port = await freePort()
  const config = join(folder, 'mosquitto.conf')
  const lines = [
    `listener ${port} 127.0.0.1`,
    'allow_anonymous true',
    'persistence true',
    `persistence_location ${folder}/`,
    'max_queued_messages 0',
    'user root',
  ]
  await writeFile(config, `${lines.join('\n')}\n`)
  let broker: Program | undefined
  const start = async (): Promise<void> => {
    const program = startProgram('/usr/sbin/mosquitto', ['-v', '-c', config])
    broker = program
    await vi.waitFor(() => expect(program.lines.join('\n')).toContain('running'), 5_000)
  }
  await start()
  const subscriber = startProgram('mosquitto_sub', ['-p', String(port), '-t', 'acme/#', '-q', '1', '-c', '-i', 'watcher', '-R', '-v'])
  await vi.waitFor(() => expect(broker?.lines.join('\n')).toContain('SUBACK to watcher'), 5_000)
  return {
    url: `mqtt://127.0.0.1:${port}`,
    start,
    stop: async () => {
      broker?.kill('SIGTERM')
      await broker?.exit
    },
    /** Payloads of the counter, in order. */
    values: () => subscriber.lines.flatMap((line) => /\/press\/count (\{.*\})/.exec(line)?.[1] ?? []),
    [Symbol.asyncDispose]: async () => {
      await subscriber[Symbol.asyncDispose]()
      await broker?.[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    },
  }
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
