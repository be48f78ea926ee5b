import { join } from 'node:path'
import Database from 'better-sqlite3'

/** A run as the journal holds it. */
export interface JudgedRun {
  readonly run: string
  readonly order: number
  readonly state: string | null
  /** The last that is known of each part: `begun` where an intent has no outcome. */
  readonly parts: ReadonlyMap<string, string>
}

/** What others have seen of an order. */
export interface Seen {
  readonly counted: number
  readonly takenBack: number
  /** Keys under which the service was asked. */
  readonly keys: number
  readonly told: boolean
  readonly closed: boolean
}

const declared: ReadonlySet<string | null> = new Set(['completed', 'failed', 'cancelled', 'unsettled'])

export function runsIn(stateFolder: string): readonly JudgedRun[] {
  const db = new Database(join(stateFolder, 'journal.db'), { readonly: true })
  try {
    const runs = db
      .prepare<[], { id: number; run: string; state: string | null; input: string }>('SELECT id, run, state, input FROM runs ORDER BY id')
      .all()
    const records = db.prepare<[number], { step: string; status: string | null }>(
      'SELECT step, status FROM run_records WHERE run = ? ORDER BY id',
    )
    return runs.map(({ id, run, state, input }) => {
      const { trigger } = JSON.parse(input) as { readonly trigger: { readonly payload: { readonly number: number } } }
      const parts = new Map(records.all(id).map(({ step, status }) => [step, status ?? 'begun']))
      return { run, order: trigger.payload.number, state, parts }
    })
  } finally {
    db.close()
  }
}

/** What is wrong with a run, by what the journal says and what the others have seen. */
export function lossesOf({ order, state, parts }: JudgedRun, seen: Seen): readonly string[] {
  const losses: string[] = []
  const lose = (what: string): void => void losses.push(`order ${order} (${state}): ${what}`)
  if (!declared.has(state)) lose('it has not ended')
  if (seen.counted > 1) lose(`counted ${seen.counted} times`)
  if (seen.keys > 1) lose(`the service was asked under ${seen.keys} keys`)
  const count = parts.get('count/0')
  if (count === 'done' && seen.counted === 0) lose('the journal says it was counted, the plant does not')
  if ((count === undefined || count === 'failed') && seen.counted !== 0) lose('the plant counted it, the journal says it did not')
  if (parts.get('accept') === 'done' && seen.keys !== 1) lose('the service does not know it')
  if (parts.get('told') === 'done' && !seen.told) lose('its message did not come')
  if (parts.get('closed') === 'done' && !seen.closed) lose('its last message did not come')
  if (parts.get('count~count-undo/0') === 'done' && seen.takenBack === 0) lose('the plant does not know that it was taken back')
  if (state === 'completed' && parts.get('closed') !== 'done') lose('it completed without its last step')
  if (state === 'failed' && count === 'done' && parts.get('count~count-undo/0') !== 'done') lose('it failed, and was not taken back')
  if (order % 7 === 0 && state === 'completed') lose('it had to fail')
  return losses
}
