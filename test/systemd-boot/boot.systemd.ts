import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { startProgram } from '../north/support/program.ts'
import { Container } from './container.ts'

const slow = 90_000

const files = {
  'etc/lineside/lineside.yaml': `site: acme/test/line-1
node: edge-test
upstreams:
  plant: { url: "mqtts://broker.invalid", user: line-1, password: "\${secret:plant-broker}", send: ["#"] }
`,
  // Nobody is there: the service must be ready all the same.
  'etc/lineside/devices/press.yaml': `device: press
driver: modbus-tcp
connection: { host: 127.0.0.1, port: 1502 }
tags:
  count: { at: hr:0, type: u16 }
`,
  'etc/lineside/secrets/plant-broker': 'not to be seen',
  // The unit waits 15 s; the test would, too.
  'etc/systemd/system/lineside.service.d/soon.conf': '[Service]\nWatchdogSec=5\nRestartSec=1\n',
}

let container: Container
beforeAll(async () => {
  container = await Container.boot(files)
}, 400_000)
afterAll(() => container?.[Symbol.asyncDispose](), 30_000)

async function expectReady(): Promise<void> {
  await vi.waitFor(
    async () => {
      expect(await container.property('ActiveState')).toBe('active')
      expect(await container.get('/health/ready')).toMatch(/^200 /)
    },
    { timeout: 30_000, interval: 200 },
  )
}

async function restarts(): Promise<number> {
  return Number(await container.property('NRestarts'))
}

async function signal(name: string): Promise<void> {
  await container.run('systemctl', 'kill', '--kill-whom=main', `--signal=${name}`, 'lineside.service')
}

function journalBytes(): Buffer {
  return readFileSync(join(container.root, 'var/lib/lineside/journal.db'))
}

describe('the service under a real systemd', () => {
  it('is active once it has said that it is ready, as a user of its own', { timeout: slow }, async () => {
    await expectReady()
    expect(await container.property('Type')).toBe('notify')
    expect(await container.run('stat', '-c', '%U', `/proc/${await container.property('MainPID')}`)).toBe('lineside')
    expect([await restarts(), await container.property('Result')]).toEqual([0, 'success'])
  })

  it('lets control and store go before the rest of it, where this systemd may raise the limit for it, and no filter is in the way', {
    timeout: slow,
  }, async () => {
    await expectReady()
    const pid = await container.property('MainPID')
    const stats = await container.run('sh', '-c', `cat /proc/${pid}/task/*/stat`)
    const nice = new Map(
      stats.split('\n').map((stat) => [/\((.*)\)/.exec(stat)?.[1] ?? '', Number(stat.replace(/^.*\) /, '').split(' ')[16])]),
    )
    const limit = Number(/^Max nice priority +(\d+)/m.exec(await container.run('cat', `/proc/${pid}/limits`))?.[1])
    const urgent = limit >= 30 ? -10 : 0 // a container without CAP_SYS_RESOURCE raises no limit
    expect(['control', 'store', 'north'].map((name) => nice.get(name))).toEqual([urgent, urgent, 0])
    const log = await container.run('journalctl', '--unit', 'lineside', '--output', 'cat')
    expect(log.includes('uv_os_setpriority returned EACCES')).toBe(limit < 30) // of the limit; a filter of system calls says EPERM
  })

  it('keeps its state where it may, for itself alone, and reads secrets that root alone can', { timeout: slow }, async () => {
    await expectReady()
    const state = statSync(join(container.root, 'var/lib/lineside'))
    expect((state.mode & 0o777).toString(8)).toBe('750')
    expect(await container.run('stat', '-c', '%U:%G', '/var/lib/lineside/journal.db')).toBe('lineside:lineside')
    expect(await container.run('stat', '-c', '%a %U', '/etc/lineside/secrets')).toBe('700 root')
    expect(await container.run('journalctl', '--unit', 'lineside', '--output', 'cat')).not.toContain('not to be seen')
  })

  it('is killed and started again when all of it hangs', { timeout: slow }, async () => {
    await expectReady()
    const before = await restarts()
    await signal('STOP')
    await vi.waitFor(async () => expect(await restarts()).toBe(before + 1), { timeout: 30_000, interval: 200 })
    await expectReady()
    expect(await container.run('journalctl', '--unit', 'lineside')).toContain('Watchdog timeout')
  })

  it.each(['control', 'north', 'store', 'MainThread'])(
    'is killed and started again when the thread %s hangs',
    { timeout: slow },
    async (name) => {
      await expectReady()
      const before = await restarts()
      await using _freezer = await freeze(name)
      await vi.waitFor(async () => expect(await restarts()).toBe(before + 1), { timeout: 30_000, interval: 200 })
      await expectReady()
    },
  )

  it('is started again when it is killed', { timeout: slow }, async () => {
    await expectReady()
    const before = await restarts()
    await signal('KILL')
    await vi.waitFor(async () => expect(await restarts()).toBe(before + 1), { timeout: 30_000, interval: 200 })
    await expectReady()
  })

  it('stops within five seconds, cleanly, and keeps its state for the next start', { timeout: slow }, async () => {
    await expectReady()
    const started = performance.now()
    await container.run('systemctl', 'stop', 'lineside.service')
    expect(performance.now() - started).toBeLessThan(5_000)
    expect([await container.property('Result'), await container.property('ExecMainStatus')]).toEqual(['success', '0'])
    const kept = journalBytes()
    expect(kept.subarray(0, 15).toString()).toBe('SQLite format 3')
    await container.run('systemctl', 'start', 'lineside.service') // returns when it is ready
    expect(await container.property('ActiveState')).toBe('active')
    await expectReady()
    const names = readdirSync(join(container.root, 'var/lib/lineside'))
    expect(names.filter((name) => name.includes('corrupt'))).toEqual([])
    expect(existsSync(join(container.root, 'var/lib/lineside/outbox.db'))).toBe(true)
  })
})

/** Holds one thread of the daemon still until it is disposed of, or the daemon is gone. */
async function freeze(name: string) {
  const pid = await container.mainPid()
  const thread = readdirSync(`/proc/${pid}/task`).find((tid) => readFileSync(`/proc/${pid}/task/${tid}/comm`, 'utf8').trim() === name)
  if (thread === undefined) throw new Error(`the daemon has no thread ${name}`)
  const freezer = startProgram('/usr/bin/python3', [join(import.meta.dirname, '../support/freeze-thread.py'), thread])
  await vi.waitFor(() => expect(freezer.lines).toEqual(['frozen']), 5_000)
  return freezer
}
