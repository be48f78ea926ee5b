import type { StreamClass } from './contract.ts'
import type { Schema } from './database.ts'

/** What one upstream may keep waiting. */
export interface OutboxLimits {
  readonly sizeBytesMax: number
  /** Rows that wait longer are dropped and counted, whatever `full` says: by then nobody wants them. */
  readonly ageMs: number
  /** `refuse`: accepting fails with `outbox.full` while there is no room. */
  readonly full: 'drop-oldest' | 'refuse'
  /** How far a thinned trend may be off, as a share of the span of its values. Absent: trends are dropped like events. */
  readonly thinShare?: number
  /** Where the upstream is told what was dropped. Absent: it is not. */
  readonly dropTopic?: string
}

export const outboxSchema: Schema = {
  applicationId: 0x4c696e4f, // "LinO"
  sequences: ['outbox'],
  migrations: [
    // The counters stand beside the rows and change in their transactions, so they are true after any crash.
    `CREATE TABLE streams (
       id INTEGER PRIMARY KEY, upstream TEXT NOT NULL UNIQUE, waiting_rows INTEGER NOT NULL DEFAULT 0, waiting_bytes INTEGER NOT NULL DEFAULT 0,
       accepted INTEGER NOT NULL DEFAULT 0, dropped INTEGER NOT NULL DEFAULT 0
     ) STRICT;
     CREATE TABLE outbox (
       id INTEGER PRIMARY KEY AUTOINCREMENT, stream INTEGER NOT NULL REFERENCES streams (id), kind TEXT NOT NULL, subject TEXT NOT NULL,
       body TEXT NOT NULL, time_ms INTEGER NOT NULL, accepted_ms INTEGER NOT NULL, bytes INTEGER NOT NULL
     ) STRICT;
     CREATE INDEX outbox_by_stream ON outbox (stream);`,
    // What waits at the upgrade is numbered from 1, as if the ledger had begun with it.
    `ALTER TABLE streams ADD COLUMN ledger INTEGER NOT NULL DEFAULT 0;
     UPDATE streams SET ledger = (random() & 2147483647) | 1;
     ALTER TABLE outbox ADD COLUMN class INTEGER NOT NULL DEFAULT 0;
     ALTER TABLE outbox ADD COLUMN seq INTEGER NOT NULL DEFAULT 0;
     UPDATE outbox SET seq = numbered.place
       FROM (SELECT id, row_number() OVER (PARTITION BY stream ORDER BY id) AS place FROM outbox) AS numbered WHERE outbox.id = numbered.id;
     CREATE INDEX outbox_state ON outbox (stream) WHERE class = 1;
     CREATE INDEX outbox_trends ON outbox (stream) WHERE class = 2;
     CREATE TABLE ledgers (
       stream INTEGER NOT NULL REFERENCES streams (id), class INTEGER NOT NULL, accepted INTEGER NOT NULL DEFAULT 0, sent INTEGER NOT NULL DEFAULT 0,
       waiting INTEGER NOT NULL DEFAULT 0, dropped INTEGER NOT NULL DEFAULT 0, thinned INTEGER NOT NULL DEFAULT 0, refused INTEGER NOT NULL DEFAULT 0,
       replaced INTEGER NOT NULL DEFAULT 0, untold INTEGER NOT NULL DEFAULT 0, untold_from INTEGER, untold_to INTEGER,
       thinned_to INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (stream, class)
     ) STRICT, WITHOUT ROWID;
     INSERT INTO ledgers (stream, class, accepted, waiting) SELECT stream, 0, count(*), count(*) FROM outbox GROUP BY stream;`,
    'ALTER TABLE outbox ADD COLUMN key TEXT;',
  ],
}

/** As their numbers in the file. */
export const classes = ['events', 'state', 'trends'] as const satisfies readonly StreamClass[]
export const classNumber: Readonly<Record<StreamClass, number>> = { events: 0, state: 1, trends: 2 }

export interface StreamColumns {
  readonly id: number
  readonly upstream: string
  readonly waiting_rows: number
  readonly waiting_bytes: number
  readonly accepted: number
  readonly dropped: number
  readonly ledger: number
}

export interface LedgerColumns {
  readonly stream: number
  readonly class: number
  readonly accepted: number
  readonly sent: number
  readonly waiting: number
  readonly dropped: number
  readonly thinned: number
  readonly refused: number
  readonly replaced: number
  readonly untold: number
  readonly untold_from: number | null
  readonly untold_to: number | null
  readonly thinned_to: number
}

/** The rows of states that nobody has read yet, so that a newer value may take their place: by stream, then by subject. */
export type WaitingStates = Map<number, Map<string, number>>
