import { describe, expect, it, vi } from 'vitest'
import { DaemonProcess, plcFile } from '../support/daemon-process.ts'
import { startModbusDevice } from '../support/modbus-device.ts'

const slow = 120_000

const flow = `flow: ask
on: [{ start: operator }]
steps:
  - id: q
    query: { tags: [oven/count], last: 10m, aggregate: max }
  - id: told
    end: { output: "\${steps['q'].result}" }
`

interface Run {
  readonly state: string
  readonly output?: { readonly 'oven/count': number; readonly known: Readonly<Record<string, number>> }
}

async function asked({ url }: DaemonProcess): Promise<Run['output']> {
  const started = await fetch(`${url}/api/v1/workflows/ask/runs`, { method: 'POST' })
  const { run } = (await started.json()) as { readonly run: string }
  return await vi.waitFor(async () => {
    const one = (await (await fetch(`${url}/api/v1/runs/${run}`)).json()) as Run
    expect(one.state).toBe('completed')
    return one.output
  }, 20_000)
}

describe('the history of a daemon that is killed', () => {
  it('holds what was received two seconds before, and counts the time since then as not known', { timeout: slow }, async () => {
    await using parts = new AsyncDisposableStack()
    const oven = parts.use(await startModbusDevice())
    const daemon = parts.use(await DaemonProcess.start({ devices: { oven: plcFile('oven', oven.port) }, flows: { ask: flow } }))
    const seen = async (value: number): Promise<void> => {
      oven.registers[0] = value
      await vi.waitFor(async () => expect(await daemon.tag('oven/count')).toMatchObject({ value, quality: 'good' }), 20_000)
    }
    await seen(70)
    await seen(7)
    await vi.waitFor(async () => {
      expect(await daemon.metric('lineside_store_rows_total', 'history.db')).toBeGreaterThan(0)
      expect(await daemon.metric('lineside_history_waiting')).toBe(0)
    }, 20_000)
    await daemon.end('SIGKILL')
    oven.registers[0] = 8
    await daemon.start()
    await seen(8)
    const output = await asked(daemon)
    expect(output?.['oven/count']).toBe(70)
    expect(output?.known['oven/count']).toBeGreaterThan(0)
    expect(output?.known['oven/count']).toBeLessThan(1)
  })
})
