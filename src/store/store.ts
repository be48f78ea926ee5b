import type { Clock } from '../base/clock.ts'
import { Fault } from '../base/fault.ts'
import { errorFields, type Log } from '../base/log.ts'
import type { Metric } from '../base/metric.ts'
import { type Running, startLoop } from '../base/running.ts'
import type { SiteEvent } from '../model/event.ts'
import type { CommitGroup } from './commit-group.ts'
import type { StoreCalls } from './contract.ts'
import { DropWatch } from './drop-watch.ts'
import { folderFault } from './faults.ts'
import type { StoreFile } from './file.ts'
import { takeFolder } from './folder.ts'
import type { Journal } from './journal.ts'
import { storeMetrics } from './metrics.ts'
import { closeParts, openParts, type StoreOptions, type StoreParts } from './parts.ts'
import { callRowsMax, eventRows, inboxRows, messageRows, runRows } from './rows.ts'
import { sizeOf } from './sessions.ts'

/** The store's calls as the thread behind a door answers them. */
export type StorePort = {
  readonly [Name in keyof StoreCalls]: (ask: Parameters<StoreCalls[Name]>[0]) => Promise<ReturnType<StoreCalls[Name]>>
}

/** The store, in whichever thread it is opened. */
export interface Store extends StorePort, Running {
  metrics(): readonly Metric[]
  /** Why nothing can be kept at the moment. */
  trouble(): Fault | undefined
}

const tidyEveryMs = 10_000
/** While a disk in trouble keeps everything waiting. */
const tidyTroubleMs = 1_000

/**
 * Opens the state folder for this process alone. Throws where a person must act first: `store.folder-taken`, `store.unwritable`, `store.file-newer`,
 * `store.file-foreign`, `store.not-durable`. A full or failing disk is no reason not to start: calls then fail until it is mended.
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  await using started = new AsyncDisposableStack()
  started.use(await takeFolder(options.path, options.clock))
  const news: SiteEvent[] = []
  const parts = openParts(options, (event) => news.push(event))
  started.defer(() => closeParts(parts))
  for (const file of [parts.journal, parts.outbox, parts.sessions]) openUnlessDisk(file)
  const calls = storeCalls(parts, options)
  const drops = new DropWatch({ clock: options.clock, log: options.log })
  const lookAtDrops = async (): Promise<void> => void news.push(...drops.look(await calls.outboxStatus(null)))
  const tell = async (): Promise<void> => {
    await unlessFault(lookAtDrops) // an outbox in trouble must not silence the journal
    await tellNews(news, calls, options.log)
  }
  await tell()
  const tidying = started.use(startLoop((signal) => tidyLoop({ parts, tell, clock: options.clock, signal })))
  const running = started.move()
  return {
    ...calls,
    failure: tidying.failure,
    metrics: () => storeMetrics(parts),
    trouble: () => troubleOf(parts, options.path),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}

/** What the disk may mend by itself, or the next call tries again, must not keep the rest of the daemon from starting. */
function openUnlessDisk(file: StoreFile<unknown>): void {
  try {
    file.open()
  } catch (error) {
    const mayPass = error instanceof Fault && ['store.full', 'store.disk', 'store.busy'].includes(error.code)
    if (!mayPass) throw error
  }
}

function storeCalls(parts: StoreParts, { clock }: StoreOptions): StorePort {
  const { journal, outbox, sessions, journalWriter, outboxWriter, sessionsWriter } = parts
  return {
    append: async (events) => {
      const { rows, bytes } = eventRows(events)
      await journalWriter.submit({ rows: rows.length, bytes, run: (tables) => tables.append(rows) })
      return null
    },
    recordRuns: async ({ records, events = [] }) => {
      const runs = runRows(records)
      const told = eventRows(events)
      const run = (tables: Journal): void => {
        tables.record(runs.rows)
        tables.append(told.rows)
      }
      await journalWriter.submit({ rows: runs.rows.length + told.rows.length, bytes: runs.bytes + told.bytes, run })
      return null
    },
    openRuns: async (ask) => journal.read(({ runs }) => runs.open(ask)),
    runs: async (ask) => journal.read(({ runs }) => runs.list(ask)),
    run: async (ask) => journal.read(({ runs }) => runs.one(ask)),
    accept: async (messages) => {
      const { rows, bytes } = messageRows(messages)
      return await outboxWriter.submit({ rows: rows.length, bytes, run: (tables) => tables.accept(rows, clock.now()) })
    },
    nextUnsent: async (ask) => outbox.read((tables) => tables.next(ask)),
    surveyUnsent: async (ask) => outbox.read((tables) => tables.survey(ask)),
    removeSent: async (ask) => {
      if (ask.ids.length > callRowsMax) throw tooManyIds(ask.ids.length)
      const size = { rows: ask.ids.length, bytes: ask.ids.length * 8 }
      return await outboxWriter.submit({ ...size, isFreeing: true, run: (tables) => tables.remove(ask) })
    },
    outboxStatus: async () => outbox.read((tables) => tables.status()),
    keepSessions: async (changes) => await sessionsWriter.submit({ ...sizeOf(changes), run: (tables) => tables.keep(changes) }),
    sessionsPage: async (ask) => sessions.read((tables) => tables.page(ask)),
    events: async (ask) => journal.read((tables) => tables.events(ask)),
    eventsPage: async (ask) => journal.read((tables) => tables.eventsPage(ask)),
    ...consumerCalls(parts),
    ...historyCalls(parts),
  }
}

/** What is kept by two numbers. */
const historyRowBytes = 24

function historyCalls({ history }: StoreParts): Pick<StorePort, 'keepHistory' | 'historyPage'> {
  return {
    keepHistory: async (batch) => {
      const rows = batch.places.length + batch.tags.length
      if (rows > callRowsMax) throw tooManyIds(rows)
      history.isUsed = true
      await history.writer.submit({ rows, bytes: rows * historyRowBytes, run: (tables) => tables.keep(batch) })
      return null
    },
    historyPage: async (ask) => {
      history.isUsed = true
      return history.file.read((tables) => tables.page(ask))
    },
  }
}

function consumerCalls({ journal, journalWriter }: StoreParts): Pick<StorePort, ConsumerCall> {
  return {
    enqueue: async (items) => {
      const sized = inboxRows(items)
      return await journalWriter.submit({ rows: items.length, bytes: sized.bytes, run: (tables) => tables.enqueue(sized) })
    },
    inbox: async (ask) => journal.read((tables) => tables.consumers.inbox(ask)),
    consumerCursor: async ({ consumer }) => journal.read((tables) => tables.consumers.cursor(consumer)),
    consumed: async (asks) => {
      const rows = asks.reduce((sum, { done, dead }) => sum + 1 + done.length + dead.length, 0)
      if (rows > callRowsMax) throw tooManyIds(rows)
      await journalWriter.submit({ rows, bytes: rows * 64, isFreeing: true, run: (tables) => tables.consumed(asks) })
      return null
    },
    deadLetters: async (ask) => journal.read((tables) => tables.consumers.dead(ask)),
    deadLetterCounts: async () => journal.read((tables) => tables.consumers.deadCounts()),
    orderDeadLetters: async (order) =>
      await journalWriter.submit({ rows: 1, bytes: 64, run: (tables) => tables.consumers.orderDead(order) }),
  }
}

type ConsumerCall = 'enqueue' | 'inbox' | 'consumerCursor' | 'consumed' | 'deadLetters' | 'deadLetterCounts' | 'orderDeadLetters'

/** Journals what the store has to say about itself. What cannot be said now is said later. */
async function tellNews(news: SiteEvent[], store: StorePort, log: Log): Promise<void> {
  if (news.length === 0) return
  const said = news.slice()
  try {
    await store.append(said)
    news.splice(0, said.length)
  } catch (error) {
    log.warn('The store cannot journal what happened to it.', errorFields(error))
  }
}

/** A disk in trouble is seen before anybody writes to it, and a file in trouble by who wrote to it last. */
function troubleOf(parts: StoreParts, folder: string): Fault | undefined {
  return folderFault(folder) ?? writersOf(parts).find(({ fault }) => fault !== undefined)?.fault
}

function writersOf({ journalWriter, outboxWriter, sessionsWriter, history }: StoreParts): readonly CommitGroup<unknown>[] {
  const used = history.isUsed ? [history.writer] : []
  return [journalWriter, outboxWriter, sessionsWriter, ...used] as unknown as readonly CommitGroup<unknown>[]
}

function filesOf({ journal, outbox, sessions, history }: StoreParts): readonly StoreFile<unknown>[] {
  return [outbox, sessions, journal, ...(history.isUsed ? [history.file] : [])]
}

interface TidyOptions {
  readonly parts: StoreParts
  readonly tell: () => Promise<void>
  readonly clock: Clock
  readonly signal: AbortSignal
}

async function tidyLoop({ parts, tell, clock, signal }: TidyOptions): Promise<void> {
  for (;;) {
    const isWell = parts.reserve.isHeld && writersOf(parts).every(({ fault }) => fault === undefined)
    await clock.sleep(isWell ? tidyEveryMs : tidyTroubleMs, signal)
    await tell()
    await unlessFault(() => parts.outboxWriter.submit({ rows: 0, bytes: 0, isFreeing: true, run: (tables) => tables.tidy(clock.now()) }))
    if (!parts.reserve.isHeld) await makeRoom(parts)
    for (const file of filesOf(parts)) await unlessFault(async () => file.tidy())
    for (const writer of writersOf(parts)) {
      await unlessFault(() => writer.probe())
      writer.turnSpan()
    }
  }
}

/** What was taken away from the files gives its room back to the disk, until there is enough to write again. */
async function makeRoom(parts: StoreParts): Promise<void> {
  for (const file of filesOf(parts)) await unlessFault(async () => file.shrink())
  parts.reserve.hold()
}

/** A file in trouble is told of by its writer, once, and tried again at the next turn; our own bugs end the store. */
async function unlessFault(work: () => Promise<unknown>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (!(error instanceof Fault)) throw error
  }
}

function tooManyIds(count: number): Fault {
  return new Fault('store.call-too-large', `One call brings ${count} ids; at most ${callRowsMax} are taken at once.`, {
    remedy: 'Send them in smaller parts.',
  })
}
