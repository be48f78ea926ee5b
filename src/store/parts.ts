import { join } from 'node:path'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { SiteEvent } from '../model/event.ts'
import { CommitGroup } from './commit-group.ts'
import { StoreFile } from './file.ts'
import { type History, type HistoryLimits, historySchema, openHistory } from './history.ts'
import { type Journal, journalSchema, openJournal } from './journal.ts'
import { type Outbox, openOutbox } from './outbox.ts'
import { type OutboxLimits, outboxSchema } from './outbox-schema.ts'
import { Reserve } from './reserve.ts'
import { openSessions, type Sessions, sessionsSchema } from './sessions.ts'
import type { SetAside } from './set-aside.ts'

export interface StoreOptions {
  /** The state folder. */
  readonly path: string
  readonly clock: Clock
  readonly log: Log
  /** By the upstream's name. */
  readonly outbox: Readonly<Record<string, OutboxLimits>>
  /** Default: `journalBytesMax`. */
  readonly journalBytesMax?: number
  /** Default: `historyLimits`. */
  readonly history?: HistoryLimits
}

/** It is opened with the first value that is kept: most sites have none. */
interface HistoryPart {
  readonly file: StoreFile<History>
  readonly writer: CommitGroup<History>
  isUsed: boolean
}

/** The files, and the one writer of each. */
export interface StoreParts {
  readonly journal: StoreFile<Journal>
  readonly outbox: StoreFile<Outbox>
  readonly sessions: StoreFile<Sessions>
  readonly journalWriter: CommitGroup<Journal>
  readonly outboxWriter: CommitGroup<Outbox>
  readonly sessionsWriter: CommitGroup<Sessions>
  readonly history: HistoryPart
  /** Room for taking rows away on a full disk. */
  readonly reserve: Reserve
  /** Rows that retention took from the journal since the start. */
  readonly trimmed: { rows: number }
}

/** A year of an ordinary line's events. */
const journalBytesMax = 256 * 1024 ** 2

const historyLimits: HistoryLimits = { keepMs: 90 * 86_400_000, sizeBytesMax: 256 * 1024 ** 2 }

/** `tell` hears what the files have to say of themselves. Nothing is opened yet. */
export function openParts(options: StoreOptions, tell: (event: SiteEvent) => void): StoreParts {
  const { path, clock, log } = options
  const trimmed = { rows: 0 }
  const onSetAside = ({ file, keptAs, reason }: SetAside): void => {
    const fields = { file, reason, ...(keptAs === undefined ? {} : { keptAs }) }
    log.error('A file of the store was lost or damaged; a fresh one is begun.', fields)
    const type = keptAs === undefined ? 'store.file-lost' : 'store.file-set-aside'
    tell({ type, subject: file, timeMs: clock.now(), data: fields })
  }
  const reserve = new Reserve(path)
  const { logPagesMax } = reserve
  const bytesMax = options.journalBytesMax ?? journalBytesMax
  const journal = new StoreFile<Journal>({
    path: join(path, 'journal.db'),
    schema: journalSchema,
    prepare: (db) => openJournal(db, { bytesMax }),
    logPagesMax,
    clock,
    onSetAside,
  })
  const outbox = new StoreFile<Outbox>({
    path: join(path, 'outbox.db'),
    schema: outboxSchema,
    prepare: (db) => openOutbox(db, options.outbox),
    logPagesMax,
    clock,
    onSetAside,
  })
  const sessions = new StoreFile<Sessions>({
    path: join(path, 'sessions.db'),
    schema: sessionsSchema,
    prepare: openSessions,
    logPagesMax,
    clock,
    onSetAside,
  })
  const trim = (tables: Journal): void => {
    trimmed.rows += tables.trim()
  }
  const journalWriter = new CommitGroup({ file: journal, clock, log, reserve, atEnd: trim })
  const outboxWriter = new CommitGroup({ file: outbox, clock, log, reserve, atEnd: () => {} })
  const sessionsWriter = new CommitGroup({ file: sessions, clock, log, reserve, atEnd: () => {} })
  const history = historyPart(options, { reserve, onSetAside })
  return { journal, outbox, sessions, journalWriter, outboxWriter, sessionsWriter, reserve, trimmed, history }
}

function historyPart(
  { path, history, clock, log }: StoreOptions,
  { reserve, onSetAside }: { readonly reserve: Reserve; readonly onSetAside: (what: SetAside) => void },
): HistoryPart {
  const file = new StoreFile<History>({
    path: join(path, 'history.db'),
    schema: historySchema,
    prepare: (db) => openHistory(db, history ?? historyLimits),
    logPagesMax: reserve.logPagesMax,
    clock,
    onSetAside,
  })
  return { file, writer: new CommitGroup({ file, clock, log, reserve, atEnd: (tables) => tables.trim(clock.now()) }), isUsed: false }
}

export function closeParts(parts: StoreParts): void {
  const { history } = parts
  for (const writer of [parts.journalWriter, parts.outboxWriter, parts.sessionsWriter, history.writer]) writer.flush()
  for (const file of [parts.journal, parts.outbox, parts.sessions, history.file]) file.close()
}
