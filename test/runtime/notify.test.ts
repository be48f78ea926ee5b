import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { openNotify, unixAddress, watchdogPeriodMs } from '../../src/runtime/notify.ts'
import { startNotifySocket } from '../support/notify-socket.ts'

const folder = mkdtempSync(join(tmpdir(), 'lineside-notify-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('the systemd notification', () => {
  it.each([
    ['a path', join(folder, 'notify.sock')],
    ['an abstract name', `@lineside-test-${process.pid}`],
  ])('says ready, alive, a status and stopping on a real datagram socket at %s', async (_, socket) => {
    await using systemd = await startNotifySocket(socket)
    const notify = await openNotify({ NOTIFY_SOCKET: socket, WATCHDOG_USEC: '10000000', WATCHDOG_PID: String(process.pid) })
    expect([notify?.ready(), notify?.watchdog(), notify?.status('5 devices\nREADY=1'), notify?.stopping()]).toEqual([
      true,
      true,
      true,
      true,
    ])
    await expect.poll(() => systemd.messages).toEqual(['READY=1\n', 'WATCHDOG=1\n', 'STATUS=5 devices READY=1\n', 'STOPPING=1\n'])
    expect(notify?.watchdogMs).toBe(10_000)
  })

  it('is silent where nobody asked for it', async () => {
    expect(await openNotify({})).toBeUndefined()
    expect(await openNotify({ NOTIFY_SOCKET: '' })).toBeUndefined()
  })

  it('says that a message did not leave, and does not fail, when the socket is gone', async () => {
    const notify = await openNotify({ NOTIFY_SOCKET: join(folder, 'gone.sock') })
    expect(notify?.ready()).toBe(false)
    expect(notify?.watchdogMs).toBeUndefined()
  })

  it.each(['relative.sock', 'vsock:2:1234', `/${'x'.repeat(108)}`])('refuses the address %s with a remedy', (socket) => {
    expect(() => unixAddress(socket)).toThrow(expect.objectContaining({ code: 'notify.address' }))
  })

  it('feeds the watchdog of its own process only', () => {
    expect(watchdogPeriodMs({ WATCHDOG_USEC: '3000000' }, 7)).toBe(3_000)
    expect(watchdogPeriodMs({ WATCHDOG_USEC: '3000000', WATCHDOG_PID: '7' }, 7)).toBe(3_000)
    expect(watchdogPeriodMs({ WATCHDOG_USEC: '3000000', WATCHDOG_PID: '8' }, 7)).toBeUndefined()
    expect(watchdogPeriodMs({ WATCHDOG_USEC: 'soon' }, 7)).toBeUndefined()
    expect(watchdogPeriodMs({ WATCHDOG_USEC: '0' }, 7)).toBeUndefined()
  })
})
