import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { describe, expect, it } from 'vitest'
import { pack, unpack } from '../../src/base/packed.ts'
import type { QueuedMessage, SessionChanges, SessionsPart } from '../../src/store/contract.ts'
import { numberPragma, openDatabase } from '../../src/store/database.ts'
import { sessionsSchema } from '../../src/store/sessions.ts'
import type { Store } from '../../src/store/store.ts'
import { makeStateFolder } from '../support/state-folder.ts'
import { openTestStore } from '../support/store-samples.ts'

const nothing: SessionChanges = {
  forgotten: [],
  sessions: [],
  subscriptions: [],
  queued: pack([]),
  inFlight: [],
  settled: [],
  received: [],
  retained: pack([]),
  wills: pack([]),
}

function queued(id: number, more: Partial<QueuedMessage> = {}): QueuedMessage {
  return { id, client: 'mes', topic: 'jobs/a', qos: 1, packetId: null, isReleased: false, ...more }
}

function queue(...ids: readonly number[]): Pick<SessionChanges, 'queued'> {
  return { queued: pack(ids.map((id) => ({ row: queued(id), payload: Buffer.from(`job ${id}`) }))) }
}

async function read<Part extends SessionsPart>(store: Store, part: Part): Promise<SessionChanges[Part] | undefined> {
  return (await store.sessionsPage({ part, afterId: 0 })).changes[part] as SessionChanges[Part] | undefined
}

async function queuedTexts(store: Store): Promise<readonly string[]> {
  const found = await read(store, 'queued')
  return found === undefined ? [] : [...unpack(found)].map(({ payload }) => Buffer.from(payload).toString())
}

describe('sessions.db', () => {
  it('gives back all that was kept, also when it was said twice', async () => {
    using folder = makeStateFolder()
    const changes: SessionChanges = {
      ...nothing,
      ...queue(1, 2),
      sessions: [{ client: 'mes', awayMs: 7, user: 'anna' }],
      subscriptions: [{ client: 'mes', filter: 'jobs/#', qos: 1 }],
      inFlight: [{ id: 2, packetId: 9, isReleased: true }],
      received: [{ client: 'mes', packetId: 4, isOpen: true }],
      retained: pack([{ row: { topic: 'recipe', qos: 1 }, payload: Buffer.from('bread') }]),
      wills: pack([{ row: { client: 'mes', topic: 'alive', qos: 0, isRetained: true }, payload: Buffer.alloc(0) }]),
    }
    {
      await using store = await openTestStore(folder.path)
      await store.keepSessions(changes)
      await store.keepSessions(changes)
    }
    await using store = await openTestStore(folder.path)
    expect(await read(store, 'sessions')).toMatchObject([{ client: 'mes', awayMs: 7, user: 'anna' }])
    expect(await read(store, 'subscriptions')).toMatchObject([{ filter: 'jobs/#', qos: 1 }])
    expect((await read(store, 'queued'))?.rows).toEqual([queued(1), queued(2, { packetId: 9, isReleased: true })])
    expect(await queuedTexts(store)).toEqual(['job 1', 'job 2'])
    expect(await read(store, 'received')).toMatchObject([{ client: 'mes', packetId: 4, isOpen: true }])
    expect((await read(store, 'retained'))?.rows).toMatchObject([{ topic: 'recipe', qos: 1 }])
    expect((await read(store, 'wills'))?.rows).toMatchObject([{ client: 'mes', topic: 'alive', isRetained: true }])
  })

  it('takes away what is settled, released, retained no more or forgotten', async () => {
    using folder = makeStateFolder()
    await using store = await openTestStore(folder.path)
    const received = { client: 'mes', packetId: 4 }
    const retained = { topic: 'recipe', qos: 1 }
    await store.keepSessions({
      ...nothing,
      ...queue(1, 2, 3),
      sessions: [{ client: 'mes', awayMs: null, user: null }],
      received: [{ ...received, isOpen: true }],
      retained: pack([{ row: retained, payload: Buffer.from('x') }]),
    })
    const gone = { received: [{ ...received, isOpen: false }], retained: pack([{ row: retained, payload: Buffer.alloc(0) }]) }
    await store.keepSessions({ ...nothing, settled: [1, 3], ...gone })
    expect(await queuedTexts(store)).toEqual(['job 2'])
    expect([await read(store, 'received'), (await read(store, 'retained'))?.rows]).toEqual([[], []])
    await store.keepSessions({ ...nothing, forgotten: ['mes'], ...queue(4) })
    expect(await queuedTexts(store)).toEqual(['job 4'])
    expect(await read(store, 'sessions')).toEqual([])
  })

  it('is read in bounded pages', async () => {
    using folder = makeStateFolder()
    await using store = await openTestStore(folder.path)
    const large = Buffer.alloc(1024 ** 2)
    for (let id = 1; id <= 12; id += 1) await store.keepSessions({ ...nothing, queued: pack([{ row: queued(id), payload: large }]) })
    const sizes: number[] = []
    for (let afterId: number | undefined = 0; afterId !== undefined; ) {
      const page = await store.sessionsPage({ part: 'queued', afterId })
      sizes.push(page.changes.queued?.rows.length ?? 0)
      afterId = page.nextAfterId
    }
    expect(sizes).toEqual([4, 4, 4, 0])
  })

  it('is set aside and reported when it is damaged, and the fresh one has another number', async () => {
    using folder = makeStateFolder()
    let before: number
    {
      await using store = await openTestStore(folder.path)
      before = (await store.keepSessions({ ...nothing, ...queue(1) })).file
    }
    writeFileSync(join(folder.path, 'sessions.db'), Buffer.alloc(8_192, 'x'))
    await using store = await openTestStore(folder.path)
    expect(await queuedTexts(store)).toEqual([])
    expect((await store.keepSessions(nothing)).file).not.toBe(before)
    expect(readdirSync(folder.path).filter((name) => name.startsWith('sessions.db.corrupt-')).length).toBe(1)
    expect(await store.events({ type: 'store.file-set-aside', rowsMax: 1 })).toMatchObject([{ subject: 'sessions.db' }])
  })

  it('is refused when a newer Lineside wrote it', async () => {
    using folder = makeStateFolder()
    await (await openTestStore(folder.path))[Symbol.asyncDispose]()
    const db = new Database(join(folder.path, 'sessions.db'))
    db.pragma(`user_version = ${sessionsSchema.migrations.length + 1}`)
    db.close()
    await expect(openTestStore(folder.path)).rejects.toMatchObject({ code: 'store.file-newer' })
  })

  it('flushes the disk at each commit', () => {
    using folder = makeStateFolder()
    const db = openDatabase(join(folder.path, 'sessions.db'), sessionsSchema, { isSuspect: false })
    expect(numberPragma(db, 'synchronous')).toBe(2)
    db.close()
  })
})
