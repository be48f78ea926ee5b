import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { MessageChannel, Worker } from 'node:worker_threads'
import Database from 'better-sqlite3'
import { describe, expect, it } from 'vitest'
import { createDoor } from '../../src/base/door.ts'
import type { RoomBirth, RoomCalls, RuntimeCalls } from '../../src/base/thread.ts'
import type { KeptRun, StoreCalls } from '../../src/store/contract.ts'
import { numberPragma, openDatabase } from '../../src/store/database.ts'
import { journalSchema } from '../../src/store/journal.ts'
import { outboxSchema } from '../../src/store/outbox-schema.ts'
import type { Store } from '../../src/store/store.ts'
import { makeStateFolder } from '../support/state-folder.ts'
import { bodies, event, messages, openTestStore, roomy } from '../support/store-samples.ts'

const rounds = 12
const writer = fileURLToPath(new URL('../support/store-writer.ts', import.meta.url))

describe('the store', () => {
  it('keeps every acknowledged row, in order, through kill -9 at random moments', { timeout: 120_000 }, async () => {
    using folder = makeStateFolder()
    let acknowledged: Acknowledged = { out: [], event: [], run: [] }
    let next = 0
    for (let round = 0; round < rounds; round += 1) {
      const told = await writeUntilKilled(folder.path, next)
      expect(told.out.length).toBeGreaterThan(0)
      acknowledged = merge(acknowledged, told)
      next = await expectAllKept(folder.path, acknowledged)
    }
  })

  it('flushes the disk at each commit: WAL and synchronous=FULL, read back', () => {
    using folder = makeStateFolder()
    for (const [name, schema] of [['journal.db', journalSchema] as const, ['outbox.db', outboxSchema] as const]) {
      const db = openDatabase(join(folder.path, name), schema, { isSuspect: false })
      expect(db.pragma('journal_mode', { simple: true })).toBe('wal')
      expect(numberPragma(db, 'synchronous')).toBe(2)
      db.close()
    }
  })

  it('does not begin a file that could not keep what it is told', () => {
    using folder = makeStateFolder()
    const before = process.cwd()
    process.chdir(folder.path)
    try {
      const open = (): unknown => openDatabase(':memory:', outboxSchema, { isSuspect: false }) // it cannot have a write-ahead log
      expect(open).toThrow(expect.objectContaining({ code: 'store.not-durable', message: expect.stringContaining('journal mode memory') }))
    } finally {
      process.chdir(before)
    }
  })

  it('cuts its log back after a long look at the file, which keeps the log from being used again', () => {
    using folder = makeStateFolder()
    const path = join(folder.path, 'outbox.db')
    const db = openDatabase(path, outboxSchema, { isSuspect: false })
    db.exec('CREATE TABLE load (data)')
    const write = (): unknown => db.exec('INSERT INTO load VALUES (zeroblob(1000000))')
    const logBytes = (): number => statSync(`${path}-wal`).size
    const reader = new Database(path, { readonly: true })
    reader.exec('BEGIN')
    reader.prepare('SELECT count(*) FROM load').get()
    for (let row = 0; row < 24; row += 1) write()
    expect(logBytes()).toBeGreaterThan(16 * 1024 ** 2)
    reader.close()
    db.pragma('wal_checkpoint(PASSIVE)')
    write()
    expect(logBytes()).toBeLessThanOrEqual(16 * 1024 ** 2)
    db.close()
  })

  it('lets nobody but its owner read its files', async () => {
    using folder = makeStateFolder()
    const path = join(folder.path, 'deep', 'state')
    await using store = await openTestStore(path)
    await Promise.all([store.append([event('a')]), store.accept(messages(1))])
    expect(statSync(path).mode & 0o777).toBe(0o700)
    for (const name of ['journal.db', 'journal.db-wal', 'outbox.db', 'outbox.db-wal', 'lineside.lock']) {
      expect(statSync(join(path, name)).mode & 0o777, name).toBe(0o600)
    }
  })
})

describe("the store's thread", () => {
  it('answers each room through its door, keeps what it answered, and stops in good order', async () => {
    using folder = makeStateFolder()
    const runtime = new MessageChannel()
    const toControl = new MessageChannel()
    const room = createDoor<RoomCalls, Pick<RuntimeCalls, 'failed'>>({ failed: () => null }, { name: 'test to store', unansweredMax: 10 })
    room.attach(runtime.port1)
    const birth: RoomBirth = { room: 'store', logLevel: 'silent', runtime: runtime.port2 }
    const worker = new Worker(new URL('../../src/store/thread.ts', import.meta.url), { workerData: birth, transferList: [runtime.port2] })
    try {
      const data = { path: folder.path, outbox: { upstreams: { plant: roomy } } }
      await room.call('begin', { data, ports: { control: toControl.port2 } }, [toControl.port2])
      const store = createDoor<StoreCalls, Record<never, never>>({}, { name: 'control to store', unansweredMax: 10 })
      store.attach(toControl.port1)
      expect(await store.call('accept', messages(3))).toEqual({ lastId: 3 })
      await expect(store.call('accept', [{ ...messages(1)[0], upstream: 'nowhere' }] as never)).rejects.toMatchObject({
        code: 'outbox.upstream-unknown',
      })
      expect((await room.call('metrics', null)).map((row) => row.name)).toContain('lineside_outbox_waiting_rows')
      await room.call('stop', null)
      store.close()
    } finally {
      room.close()
      await worker.terminate()
    }
    await using again = await openTestStore(folder.path)
    expect(await bodies(again)).toEqual(['0', '1', '2'])
  })

  it('leaves the state folder free when its thread is ended by force', async () => {
    using folder = makeStateFolder()
    const runtime = new MessageChannel()
    const room = createDoor<RoomCalls, Pick<RuntimeCalls, 'failed'>>({ failed: () => null }, { name: 'test to store', unansweredMax: 10 })
    room.attach(runtime.port1)
    const birth: RoomBirth = { room: 'store', logLevel: 'silent', runtime: runtime.port2 }
    const worker = new Worker(new URL('../../src/store/thread.ts', import.meta.url), { workerData: birth, transferList: [runtime.port2] })
    await room.call('begin', { data: { path: folder.path, outbox: { upstreams: {} } }, ports: {} })
    await expect(openTestStore(folder.path)).rejects.toMatchObject({ code: 'store.folder-taken' })
    await worker.terminate()
    room.close()
    await using store = await openTestStore(folder.path)
    expect((await store.openRuns({ afterId: 0 })).runs).toEqual([])
  })
})

type Acknowledged = Readonly<Record<'out' | 'event' | 'run', readonly number[]>>

async function writeUntilKilled(path: string, from: number): Promise<Acknowledged> {
  const child = spawn(process.execPath, [writer, path, String(from)], { stdio: ['ignore', 'pipe', 'inherit'] })
  const lines: string[] = []
  child.stdout.setEncoding('utf8').on('data', (text: string) => lines.push(text))
  await Promise.race([once(child.stdout, 'data'), once(child, 'exit')])
  await new Promise((resolve) => setTimeout(resolve, Math.random() * 120)) // the moment of the power cut: any
  await kill(child)
  const told = lines.join('').split('\n').slice(0, -1) // a last line without its end was not said
  const of = (kind: string): readonly number[] =>
    told.filter((line) => line.startsWith(`${kind} `)).map((line) => Number(line.split(' ')[1]))
  return { out: of('out'), event: of('event'), run: of('run') }
}

async function kill(child: ChildProcess): Promise<void> {
  const closed = once(child, 'close')
  child.kill('SIGKILL')
  await closed
}

function merge(one: Acknowledged, other: Acknowledged): Acknowledged {
  return { out: [...one.out, ...other.out], event: [...one.event, ...other.event], run: [...one.run, ...other.run] }
}

/** Gives the first number that was never used. */
async function expectAllKept(path: string, acknowledged: Acknowledged): Promise<number> {
  await using store = await openTestStore(path)
  const kept = (await bodies(store)).map(Number)
  expect(new Set(acknowledged.out).difference(new Set(kept)).size, 'lost messages').toBe(0)
  expect(kept, 'order of acceptance').toEqual(kept.toSorted((one, other) => one - other))
  expect(new Set(kept).size, 'duplicates').toBe(kept.length)
  const events = (await store.events({ type: 'test.written', rowsMax: 10_000 })).map(({ data }) => Number(data['number']))
  const reach = events.length === 10_000 ? Math.min(...events) : 0
  expect(new Set(acknowledged.event.filter((number) => number >= reach)).difference(new Set(events)).size, 'lost events').toBe(0)
  const open = await allOpenRuns(store)
  const runs = new Set(open.filter(({ records }) => records.length === 1).map(({ run }) => Number(run.slice(4))))
  expect(new Set(acknowledged.run).difference(runs).size, 'lost runs').toBe(0)
  return Math.max(0, ...kept, ...events, ...open.map(({ run }) => Number(run.slice(4)))) + 1
}

async function allOpenRuns(store: Store): Promise<readonly KeptRun[]> {
  const found: KeptRun[] = []
  for (let afterId = 0; ; ) {
    const page = await store.openRuns({ afterId })
    found.push(...page.runs)
    if (page.isEnd) return found
    afterId = page.nextAfterId
  }
}
