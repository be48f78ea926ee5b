import { join } from 'node:path'
import Database from 'better-sqlite3'
import { describe, expect, it, vi } from 'vitest'
import { DaemonProcess, plcFile } from '../support/daemon-process.ts'
import { type ModbusDevice, startModbusDevice } from '../support/modbus-device.ts'

const slow = 60_000
const writeRegisters = 16
const wish = { tag: 'press/setpoint', value: 42.5, id: 'job-1' }

interface CommandEvent {
  readonly type: string
  readonly data: Readonly<Record<string, unknown>>
}

/** What the journal on disk holds of commands, oldest first. */
function journalled(daemon: DaemonProcess): readonly CommandEvent[] {
  const db = new Database(join(daemon.folder, 'state', 'journal.db'), { readonly: true })
  try {
    const rows = db
      .prepare<[], { type: string; data: string }>("SELECT type, data FROM events WHERE type LIKE 'command.%' ORDER BY id")
      .all()
    return rows.map(({ type, data }) => ({ type, data: JSON.parse(data) }))
  } finally {
    db.close()
  }
}

async function write(daemon: DaemonProcess): Promise<unknown> {
  const headers = { 'content-type': 'application/json' }
  return await (await fetch(`${daemon.url}/api/v1/writes`, { method: 'POST', headers, body: JSON.stringify(wish) })).json()
}

/** A daemon that is killed as soon as the device has the write, which it carries out or not, and never answers. */
async function startKilledInWrite({ isCarriedOut }: { readonly isCarriedOut: boolean }) {
  await using parts = new AsyncDisposableStack()
  const press: ModbusDevice = parts.use(await startModbusDevice())
  const daemon = parts.use(await DaemonProcess.start({ devices: { press: plcFile('press', press.port) } }))
  await vi.waitFor(async () => expect(await daemon.tag('press/setpoint')).toMatchObject({ quality: 'good' }), 5_000)
  let writes = 0
  const killed = new Promise<unknown>((resolve) => {
    press.intercept = ({ pdu }) => {
      if (pdu[0] !== writeRegisters) return undefined
      writes += 1
      if (isCarriedOut) for (const place of [0, 1]) press.registers[10 + place] = pdu.readUInt16BE(6 + 2 * place)
      resolve(daemon.end('SIGKILL'))
      return 'silence'
    }
  })
  const asked = write(daemon).catch((error: unknown) => error)
  await Promise.all([killed, asked])
  expect(journalled(daemon).map(({ type }) => type)).toEqual(['command.asked'])
  const started = parts.move()
  return { daemon, writes: () => writes, [Symbol.asyncDispose]: () => started.disposeAsync() }
}

describe('a write in which the daemon is killed', () => {
  it.each([
    [true, 'done'],
    [false, 'unknown'],
  ])(
    'and which the device carried out (%s) is %s after the restart, and never written again',
    { timeout: slow },
    async (isCarriedOut, status) => {
      await using line = await startKilledInWrite({ isCarriedOut })
      await line.daemon.start()
      const again = await write(line.daemon) // the asker, who heard nothing, asks once more with the same id
      expect(again).toMatchObject({ tag: 'press/setpoint', id: 'job-1', status })
      const events = journalled(line.daemon)
      expect(events.map(({ type }) => type)).toEqual(['command.asked', `command.${status}`])
      expect(events[1]?.data).toMatchObject({ id: 'job-1', value: 42.5, readBack: isCarriedOut ? 42.5 : 0, afterRestart: true })
      await line.daemon.end('SIGTERM')
      await line.daemon.start()
      expect(await write(line.daemon)).toMatchObject({ status })
      expect(journalled(line.daemon)).toHaveLength(2)
      expect(line.writes()).toBe(1)
    },
  )
})

describe('the private socket of a running daemon', () => {
  it('is in its state folder, and serves again after a kill', { timeout: slow }, async () => {
    await using press = await startModbusDevice()
    await using daemon = await DaemonProcess.start({ devices: { press: plcFile('press', press.port) } })
    const { runProgram } = await import('../../src/cli/program.ts')
    const read = async (...args: readonly string[]): Promise<readonly [number, string]> => {
      let out = ''
      const take = (text: string): void => {
        out += text
      }
      const code = await runProgram([...args, '--site', join(daemon.folder, 'site')], { out: take, error: take, environment: {} })
      return [code, out]
    }
    await vi.waitFor(async () => expect(await read('read', 'press/level')).toMatchObject([0, expect.stringContaining('0 %  good')]), 5_000)
    expect(await read('write', 'press/setpoint', '12.5')).toMatchObject([0, expect.stringMatching(/reads 12\.5 now/)])
    expect(await read('write', 'press/setpoint', '101')).toMatchObject([1, expect.stringContaining('command.range')])
    await daemon.end('SIGKILL')
    expect(await read('read', 'press/setpoint')).toMatchObject([3, expect.stringContaining('daemon.unreachable')])
    await daemon.start()
    await vi.waitFor(async () => expect(await read('read', 'press/setpoint')).toMatchObject([0, expect.stringContaining('12.5')]), 5_000)
    await daemon.end('SIGTERM')
    expect(await read('read', 'press/setpoint')).toMatchObject([3, expect.any(String)])
  })
})
