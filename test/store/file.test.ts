import { existsSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { describe, expect, it, vi } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { CommitGroup } from '../../src/store/commit-group.ts'
import type { Db } from '../../src/store/database.ts'
import { StoreFile } from '../../src/store/file.ts'
import { type Outbox, openOutbox } from '../../src/store/outbox.ts'
import { outboxSchema } from '../../src/store/outbox-schema.ts'
import { setAsideMax } from '../../src/store/set-aside.ts'
import { startManualClock } from '../support/manual-clock.ts'
import { keptLog } from '../support/quiet-log.ts'
import { makeStateFolder, mountSmallDisk, remount, type StateFolder } from '../support/state-folder.ts'
import { bodies, event, message, messages, metric, openTestStore, roomy } from '../support/store-samples.ts'

describe('a file of the store', () => {
  it('is refused, untouched, when a newer Lineside wrote it', async () => {
    using folder = await usedFolder()
    edit(folder, 'outbox.db', 'PRAGMA user_version = 99')
    const before = readFileSync(join(folder.path, 'outbox.db'))
    await expect(openTestStore(folder.path)).rejects.toMatchObject({
      code: 'store.file-newer',
      message: expect.stringContaining('version 99'),
    })
    expect(readFileSync(join(folder.path, 'outbox.db')).equals(before)).toBe(true)
    expect(setAside(folder)).toEqual([])
  })

  it("is refused, untouched, when it is another program's database", async () => {
    using folder = makeStateFolder()
    const db = new Database(join(folder.path, 'journal.db'))
    db.exec('PRAGMA application_id = 7; CREATE TABLE theirs (id)')
    db.close()
    await expect(openTestStore(folder.path)).rejects.toMatchObject({ code: 'store.file-foreign' })
    expect(setAside(folder)).toEqual([])
  })

  it.each([
    ['is no database', (path: string) => writeFileSync(path, 'This was never a database, '.repeat(500))],
    ['was cut short', (path: string) => truncateSync(path, Math.floor(statSync(path).size / 4_096 / 2) * 4_096)],
    ['was cut in the middle of a page', (path: string) => truncateSync(path, 5_000)],
    ['has a page of garbage', (path: string) => overwrite(path, 8_192)],
  ])('is set aside with its data, told of, and begun anew when it %s', async (_, damage) => {
    using folder = await usedFolder()
    damage(join(folder.path, 'outbox.db'))
    const damaged = readFileSync(join(folder.path, 'outbox.db'))
    const log = keptLog()
    await using store = await openTestStore(folder.path, { log })
    expect(await bodies(store)).toEqual([])
    const { lastId } = await store.accept(messages(1))
    expect(lastId).toBeGreaterThan(1e12) // above any id the lost file can have given
    const [kept = ''] = setAside(folder)
    expect(kept).toMatch(/^outbox\.db\.corrupt-\d{4}-\d\d-\d\dT/)
    expect(readFileSync(join(folder.path, kept)).equals(damaged)).toBe(true)
    expect(await store.events({ type: 'store.file-set-aside', rowsMax: 9 })).toMatchObject([
      { subject: 'outbox.db', data: { keptAs: kept } },
    ])
    expect(log.lines).toMatchObject([{ level: 'error', message: 'A file of the store was lost or damaged; a fresh one is begun.' }])
  })

  it('survives a garbage log: the log is set aside, what was in the file stays', async () => {
    using folder = await usedFolder()
    writeFileSync(join(folder.path, 'outbox.db-wal'), Buffer.alloc(40_000, 'garbage'))
    await using store = await openTestStore(folder.path)
    expect(await bodies(store)).toEqual(Array.from({ length: 400 }, (_, place) => String(place)))
    const [kept = ''] = setAside(folder)
    expect(kept).toMatch(/^outbox\.db-wal\.corrupt-/)
    expect(statSync(join(folder.path, kept)).size).toBe(40_000)
    expect(await store.events({ type: 'store.file-set-aside', rowsMax: 9 })).toMatchObject([{ subject: 'outbox.db-wal' }])
  })

  it('is set aside and begun anew while the store runs, when the damage shows only then', async () => {
    using folder = await usedFolder()
    await using store = await openTestStore(folder.path)
    expect(await bodies(store)).toHaveLength(400)
    writeFileSync(join(folder.path, 'outbox.db'), Buffer.alloc(statSync(join(folder.path, 'outbox.db')).size, 7))
    await vi.waitFor(async () => expect(await store.accept([message('fresh')])).toMatchObject({ lastId: expect.any(Number) }))
    expect(await bodies(store)).toContain('fresh')
    expect(existsSync(join(folder.path, setAside(folder)[0] ?? ''))).toBe(true)
  })

  it('is begun anew, with ids above the old ones, when somebody removes it while it is in use', async () => {
    using folder = await usedFolder()
    const clock = startManualClock()
    await using store = await openTestStore(folder.path, { clock })
    rmSync(join(folder.path, 'outbox.db'))
    await clock.advance(10_000) // a look at the files
    const accepting = store.accept([message('kept')])
    await clock.settle()
    expect((await accepting).lastId).toBeGreaterThan(1e12)
    await clock.advance(10_000)
    expect(await store.events({ type: 'store.file-lost', rowsMax: 9 })).toMatchObject([{ subject: 'outbox.db' }])
    expect(existsSync(join(folder.path, 'outbox.db'))).toBe(true)
  })

  it('is opened anew by the next call after an I/O error, for the old handle may not know what is on the disk', () => {
    using folder = makeStateFolder()
    const prepare = vi.fn((db: Db) => openOutbox(db, { plant: roomy }))
    const path = join(folder.path, 'outbox.db')
    const file = new StoreFile({ path, schema: outboxSchema, prepare, clock: systemClock, onSetAside: () => {} })
    const fail = (code: string) => () => {
      throw new Database.SqliteError('made by the test', code)
    }
    expect(() => file.transact(fail('SQLITE_IOERR_FSYNC'))).toThrow(expect.objectContaining({ code: 'store.disk', isRetryable: true }))
    expect(file.transact((outbox) => outbox.status())).toHaveLength(1)
    expect(prepare).toHaveBeenCalledTimes(2)
    expect(() => file.transact(fail('SQLITE_BUSY'))).toThrow(expect.objectContaining({ code: 'store.busy', isRetryable: true }))
    expect(() => file.read(fail('SQLITE_FULL'))).toThrow(expect.objectContaining({ code: 'store.full', isRetryable: true }))
    expect(file.read((outbox) => outbox.status())).toHaveLength(1)
    expect(prepare).toHaveBeenCalledTimes(2)
    file.close()
    expect(() => file.read((outbox) => outbox.status())).toThrow(expect.objectContaining({ code: 'store.closed', isRetryable: true }))
  })

  it('is not set aside without end: a disk that damages every file is reported instead', async () => {
    using folder = await usedFolder()
    for (let copy = 0; copy < setAsideMax; copy += 1) writeFileSync(join(folder.path, `outbox.db.corrupt-${copy}`), '')
    writeFileSync(join(folder.path, 'outbox.db'), 'garbage '.repeat(2_000))
    await expect(openTestStore(folder.path)).rejects.toMatchObject({ code: 'store.damaged-again' })
  })
})

describe('the room of rows that are gone', () => {
  it('goes back to the disk, a step at a time', { timeout: 30_000 }, async () => {
    using folder = makeStateFolder()
    const clock = startManualClock()
    await using store = await openTestStore(folder.path, { clock })
    const sizeBytes = (): number => statSync(join(folder.path, 'outbox.db')).size
    const ids: number[] = []
    for (let call = 0; call < 40; call += 1) ids.push((await store.accept([message('x'.repeat(1024 ** 2))])).lastId)
    await clock.advance(10_000) // a look at the files
    expect(sizeBytes()).toBeGreaterThan(40 * 1024 ** 2)
    await store.removeSent({ upstream: 'plant', ids })
    await clock.advance(10_000)
    expect(sizeBytes()).toBeGreaterThan(30 * 1024 ** 2)
    for (let look = 0; look < 4; look += 1) await clock.advance(10_000)
    expect(sizeBytes()).toBeLessThan(20 * 1024 ** 2)
    expect((await store.accept([message('more')])).lastId).toBeGreaterThan(Math.max(...ids))
  })
})

describe('the state folder', () => {
  it('belongs to one daemon at a time', { timeout: 30_000 }, async () => {
    using folder = makeStateFolder()
    {
      await using _first = await openTestStore(folder.path)
      await expect(openTestStore(folder.path)).rejects.toMatchObject({ code: 'store.folder-taken', isRetryable: false })
    }
    await using second = await openTestStore(folder.path)
    expect(await second.accept(messages(1))).toEqual({ lastId: 1 })
  })

  it('is refused where it is a file', async () => {
    using folder = makeStateFolder()
    writeFileSync(join(folder.path, 'file'), '')
    await expect(openTestStore(join(folder.path, 'file'))).rejects.toMatchObject({ code: 'store.unwritable' })
    await expect(openTestStore(join(folder.path, 'file', 'below'))).rejects.toMatchObject({ code: 'store.unwritable' })
  })
})

describe('a full disk', () => {
  it('fails the group that met it and nothing before or after: the file stays open, whole, and takes rows when there is space', async () => {
    using folder = makeStateFolder()
    const limit = { raise: (): unknown => undefined }
    const prepare = (db: Db): Outbox => {
      db.pragma('max_page_count = 40')
      limit.raise = () => db.pragma('max_page_count = 4000')
      return openOutbox(db, { plant: roomy })
    }
    const file = new StoreFile({
      path: join(folder.path, 'outbox.db'),
      schema: outboxSchema,
      prepare,
      clock: systemClock,
      onSetAside: () => {},
    })
    const writer = new CommitGroup({ file, clock: systemClock, log: keptLog(), atEnd: () => {} })
    const accept = (body: string): Promise<unknown> => {
      const rows = [{ row: message(body), bytes: body.length }]
      return writer.submit({ rows: 1, bytes: body.length, run: (outbox) => outbox.accept(rows, 1) })
    }
    await accept('before')
    const group = await Promise.allSettled([accept('small'), accept('x'.repeat(500_000))])
    for (const result of group) expect(result).toMatchObject({ reason: { code: 'store.full', isRetryable: true } })
    await accept('a small one still fits')
    limit.raise()
    await accept('after')
    const kept = file.read((outbox) => outbox.next({ upstream: 'plant', afterId: 0, rowsMax: 9 }))
    expect(kept.map(({ id, body }) => [id, body])).toEqual([
      [1, 'before'],
      [2, 'a small one still fits'],
      [3, 'after'],
    ])
    expect(writer.stats()).toMatchObject({ commits: 3, failures: 1, isFailing: false })
    file.close()
  })

  it('fails calls retryably, loses nothing accepted, and the store goes on when there is space again', async () => {
    using disk = mountSmallDisk(4_096)
    const filler = join(disk.path, 'filler')
    writeFileSync(filler, Buffer.alloc(2 * 1024 ** 2))
    const log = keptLog()
    await using store = await openTestStore(disk.path, { log })
    const accepted: string[] = []
    const acceptUntilFull = async (): Promise<unknown> => {
      for (let number = 0; ; number += 1) {
        const body = `${number} `.padEnd(20_000, 'x')
        try {
          await store.accept([message(body)])
        } catch (error) {
          return error
        }
        accepted.push(body)
      }
    }
    expect(await acceptUntilFull()).toMatchObject({ code: 'store.full', isRetryable: true })
    expect(metric(store, 'lineside_store_is_failing', { file: 'outbox.db' })).toBe(1)
    expect(await bodies(store)).toEqual(accepted)
    rmSync(filler)
    await store.accept([message('there is space again')])
    expect(await bodies(store)).toEqual([...accepted, 'there is space again'])
    expect(log.lines.map((line) => line.message)).toEqual(['The store cannot keep rows.', 'The store keeps rows again.'])
  })

  it('does not keep the store from starting', { timeout: 30_000 }, async () => {
    using disk = mountSmallDisk(1_024)
    const filler = join(disk.path, 'filler')
    fill(filler)
    await using store = await openTestStore(disk.path)
    await expect(store.append([event('a')])).rejects.toMatchObject({ code: 'store.full', isRetryable: true })
    rmSync(filler)
    await vi.waitFor(async () => expect(await store.append([event('b')])).toBe(null), { timeout: 5_000 })
    await vi.waitFor(async () => expect(await store.accept(messages(1))).toEqual({ lastId: 1 }), { timeout: 5_000 })
  })

  it('is told apart from a disk that may not be written', async () => {
    using disk = mountSmallDisk(1_024)
    remount(disk, 'ro')
    await expect(openTestStore(disk.path)).rejects.toMatchObject({ code: 'store.unwritable' })
    remount(disk, 'rw')
  })
})

/** A folder with 400 messages and an event in it, properly closed. */
async function usedFolder(): Promise<StateFolder> {
  const folder = makeStateFolder()
  await using store = await openTestStore(folder.path)
  await store.accept(messages(400))
  await store.append([event('test.before')])
  return folder
}

function edit(folder: StateFolder, file: string, sql: string): void {
  const db = new Database(join(folder.path, file))
  db.exec(sql)
  db.close()
}

function overwrite(path: string, at: number): void {
  const bytes = readFileSync(path)
  bytes.fill(0xa5, at, at + 4_096)
  writeFileSync(path, bytes)
}

function setAside(folder: StateFolder): readonly string[] {
  return readdirSync(folder.path).filter((name) => name.includes('.corrupt-'))
}

function fill(path: string): void {
  for (let bytes = 1024 ** 2; bytes >= 1; bytes = Math.floor(bytes / 2)) {
    try {
      writeFileSync(path, Buffer.alloc(bytes), { flag: 'a' })
    } catch {
      // that much does not fit: half of it may
    }
  }
}
