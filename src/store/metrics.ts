import { Fault } from '../base/fault.ts'
import type { Metric } from '../base/metric.ts'
import type { CommitStats } from './commit-group.ts'
import type { OutboxStatus, StreamStatus } from './contract.ts'
import type { StoreFile } from './file.ts'
import type { Journal } from './journal.ts'
import type { StoreParts } from './parts.ts'

/** What the store shows of itself. A file in trouble shows what can be known without it. */
export function storeMetrics(parts: StoreParts): readonly Metric[] {
  const { journal, outbox, sessions, journalWriter, outboxWriter, sessionsWriter, history, trimmed } = parts
  const counts = readOr(journal, (tables) => tables.counts(), undefined)
  const statuses = readOr(outbox, (tables) => tables.status(), [])
  return [
    ...fileMetrics(journal, journalWriter.stats()),
    ...fileMetrics(outbox, outboxWriter.stats()),
    ...fileMetrics(sessions, sessionsWriter.stats()),
    ...(history.isUsed ? fileMetrics(history.file, history.writer.stats()) : []),
    gauge(
      'lineside_store_reserve_held',
      '0 while the disk is full: what room is left serves to take rows away.',
      parts.reserve.isHeld ? 1 : 0,
    ),
    counter('lineside_store_trimmed_rows_total', 'Rows that retention took from the journal.', trimmed.rows),
    ...(counts === undefined ? [] : countMetrics(counts)),
    ...statuses.flatMap(streamMetrics),
  ]
}

function readOr<Tables, Result, Other>(file: StoreFile<Tables>, read: (tables: Tables) => Result, other: Other): Result | Other {
  try {
    return file.read(read)
  } catch (error) {
    if (error instanceof Fault) return other
    throw error
  }
}

function fileMetrics(file: StoreFile<unknown>, stats: CommitStats): readonly Metric[] {
  const labels = { file: file.name }
  return [
    gauge('lineside_store_bytes', 'Bytes of the file and its log on the disk.', file.sizeBytes(), labels),
    gauge('lineside_store_is_failing', '1 while rows cannot be kept.', stats.isFailing ? 1 : 0, labels),
    counter('lineside_store_commits_total', 'Transactions committed, each with one flush of the disk.', stats.commits, labels),
    counter('lineside_store_calls_total', 'Writing calls answered after their commit.', stats.calls, labels),
    counter('lineside_store_rows_total', 'Rows written or removed.', stats.rows, labels),
    counter('lineside_store_commit_failures_total', 'Transactions that failed as a whole.', stats.failures, labels),
    counter('lineside_store_refused_total', 'Calls refused because too many rows waited.', stats.refused, labels),
    counter('lineside_store_commit_seconds_total', 'Time spent in transactions.', stats.commitMsTotal / 1_000, labels),
    gauge('lineside_store_commit_seconds_max', 'The longest transaction of the last 10 to 20 s.', stats.commitMsMax / 1_000, labels),
    gauge('lineside_store_group_rows_max', 'The most rows committed at once since the start.', stats.groupRowsMax, labels),
  ]
}

function countMetrics(counts: ReturnType<Journal['counts']>): readonly Metric[] {
  return [
    gauge('lineside_store_events', 'Events in the journal.', counts.events),
    gauge('lineside_store_open_runs', 'Runs that have begun and not ended.', counts.openRuns),
    gauge('lineside_store_inbox', 'Items kept for consumers of events and not done.', counts.waiting),
    gauge('lineside_store_dead_letters', 'Events that their consumers could not take.', counts.dead),
    counter('lineside_store_inbox_dropped_total', 'Items dropped because too many waited for one consumer.', counts.droppedTotal),
    counter('lineside_store_dead_dropped_total', 'Dead letters dropped because there were too many.', counts.droppedLettersTotal),
  ]
}

function streamMetrics(status: OutboxStatus): readonly Metric[] {
  const labels = { upstream: status.upstream }
  return [
    gauge('lineside_outbox_waiting_rows', 'Rows accepted and not yet acknowledged by the upstream.', status.waitingRows, labels),
    gauge('lineside_outbox_waiting_bytes', 'Bytes accepted and not yet acknowledged by the upstream.', status.waitingBytes, labels),
    counter('lineside_outbox_accepted_total', 'Rows accepted since the outbox began, over restarts.', status.acceptedTotal, labels),
    counter(
      'lineside_outbox_dropped_total',
      'Rows dropped by the limits since the outbox began, over restarts.',
      status.droppedTotal,
      labels,
    ),
    ...status.streams.flatMap(ledgerMetrics(labels)),
  ]
}

function ledgerMetrics(upstream: Readonly<Record<string, string>>): (stream: StreamStatus) => readonly Metric[] {
  return ({ stream, accepted, sent, dropped, thinned, refused, replaced, missing }) => {
    const labels = { ...upstream, stream }
    return [
      counter('lineside_outbox_numbered_total', 'Numbers that the ledger of the stream has given.', accepted, labels),
      counter('lineside_outbox_delivered_total', 'Of these, acknowledged by the upstream.', sent, labels),
      counter('lineside_outbox_stream_dropped_total', 'Of these, dropped by the limits of size and age.', dropped, labels),
      counter('lineside_outbox_thinned_total', 'Of these, taken out of a trend because space ran short.', thinned, labels),
      counter('lineside_outbox_refused_above_total', 'Of these, never to be taken by the upstream.', refused, labels),
      counter('lineside_outbox_replaced_total', 'Values of a state overtaken by a newer one while they waited.', replaced, labels),
      gauge('lineside_outbox_missing', 'Numbers of the ledger that nothing explains: 0, or rows were lost.', missing, labels),
    ]
  }
}

function gauge(name: string, help: string, value: number, labels?: Readonly<Record<string, string>>): Metric {
  return { name, help, type: 'gauge', value, ...(labels === undefined ? {} : { labels }) }
}

function counter(name: string, help: string, value: number, labels?: Readonly<Record<string, string>>): Metric {
  return { ...gauge(name, help, value, labels), type: 'counter' }
}
