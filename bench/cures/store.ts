import type { Cure } from './cure.ts'

const database = 'src/store/database.ts'
const group = 'src/store/commit-group.ts'
const file = 'src/store/file.ts'
const durabilityTests = 'test/store/durability.test.ts'
const fileTests = 'test/store/file.test.ts'

const lowersSynchronous = "  db.pragma('synchronous = FULL')\n"
const readsBack = "if (mode !== 'wal' || numberPragma(db, 'synchronous') !== 2) {"

/**
 * The traps of SQLite. Whether `synchronous` is set before or after journal_mode is all one to this build, as long as it is set. That the store has a thread of its own, so that nobody waits for its disk, is no line that could be taken away;
 * test/system/odd-starts.test.ts and test/system/not-ready.test.ts look at it.
 */
export const storeCures: readonly Cure[] = [
  {
    trap: 'SQLite: a flush of the disk for each row',
    edits: [{ file: group, cure: 'const groupRowsMax = 5_000', without: 'const groupRowsMax = 1' }],
    test: { file: 'test/store/commit-group.test.ts', title: 'flushes the disk once for all calls of a turn' },
  },
  {
    trap: 'SQLite: rows that are acknowledged before they are committed',
    edits: [
      {
        file: group,
        cure: '        this.#atEnd(tables)\n',
        without: '        for (const [place, waiting] of group.entries()) settle(waiting, attempts[place])\n        this.#atEnd(tables)\n',
      },
    ],
    test: { file: fileTests, title: 'fails calls retryably, loses nothing accepted, and the store goes on when there is space again' },
  },
  {
    trap: 'SQLite: a WAL database, which runs at NORMAL unless told otherwise',
    edits: [
      { file: database, cure: lowersSynchronous, without: '' },
      { file: database, cure: readsBack, without: "if (mode !== 'wal') {" },
    ],
    test: { file: durabilityTests, title: 'flushes the disk at each commit: WAL and synchronous=FULL, read back' },
  },
  {
    trap: 'SQLite: modes that are set and not read back',
    edits: [{ file: database, cure: readsBack, without: "if (mode === '') {" }],
    test: { file: durabilityTests, title: 'does not begin a file that could not keep what it is told' },
  },
  {
    trap: 'SQLite: a file that keeps its size whatever is deleted from it',
    edits: [
      {
        file,
        cure: "      if (numberPragma(db, 'freelist_count') > freePagesKept) db.pragma(`incremental_vacuum(${vacuumPages})`)\n",
        without: '',
      },
    ],
    test: { file: fileTests, title: 'goes back to the disk, a step at a time' },
  },
  {
    trap: 'SQLite: free pages that can only be given back all at once',
    edits: [{ file: database, cure: "db.pragma('auto_vacuum = INCREMENTAL')", without: "db.pragma('auto_vacuum = NONE')" }],
    test: { file: fileTests, title: 'goes back to the disk, a step at a time' },
  },
  {
    trap: 'SQLite: ids of a queue that are used again',
    edits: [
      {
        file: 'src/store/outbox-schema.ts',
        cure: 'id INTEGER PRIMARY KEY AUTOINCREMENT, stream INTEGER NOT NULL',
        without: 'id INTEGER PRIMARY KEY, stream INTEGER NOT NULL',
      },
    ],
    test: { file: 'test/store/outbox.test.ts', title: 'never uses an id again, even when all rows were gone at the restart' },
  },
  {
    trap: 'SQLite: a look at the journal that goes on for as long as there are rows',
    edits: [{ file: 'src/store/events.ts', cure: 'const lookRows = 20_000', without: 'const lookRows = Number.MAX_SAFE_INTEGER' }],
    test: { file: 'test/store/consumers.test.ts', title: 'goes a bounded way at once, however little it finds' },
  },
  {
    trap: 'SQLite: sessions that are read all at once',
    edits: [
      {
        file: 'src/store/sessions.ts',
        cure: 'const pageBytesMax = 4 * 1024 ** 2',
        without: 'const pageBytesMax = Number.POSITIVE_INFINITY',
      },
    ],
    test: { file: 'test/store/sessions.test.ts', title: 'is read in bounded pages' },
  },
  {
    trap: 'SQLite: a log that stays as long as it once was',
    edits: [{ file: database, cure: '  db.pragma(`journal_size_limit = ${logBytesMax}`)\n', without: '' }],
    test: { file: durabilityTests, title: 'cuts its log back after a long look at the file, which keeps the log from being used again' },
  },
]
