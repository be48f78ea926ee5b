import type { Clock, EpochMs } from '../base/clock.ts'
import { plainFault } from '../base/fault.ts'
import { errorFields, type Log } from '../base/log.ts'
import { type Running, startLoop } from '../base/running.ts'
import type { Asker, Command, CommandResult, CommandStatus } from '../model/command.ts'
import type { SiteEvent } from '../model/event.ts'
import { tagValueOf } from '../model/json-value.ts'
import { asTagId, type Role, type TagValue } from '../model/tag.ts'
import { inDoubt } from './command-faults.ts'
import type { CommandRoad, CommandRoadOptions } from './command-road.ts'
import { type DevicePlace, type Ending, Errand, endingOf, rawFor } from './errand.ts'
import { readBack } from './read-back.ts'
import { rememberedMs } from './recent-commands.ts'
import { scaledValue, type TagTable } from './tag-table.ts'

type JournalRow = SiteEvent & { readonly id: number }

export interface RecoveryOptions extends Pick<CommandRoadOptions, 'table' | 'devices'> {
  readonly road: CommandRoad
  /** Newest first. */
  readonly events: (ask: { readonly type: string; readonly rowsMax: number }) => Promise<readonly JournalRow[]>
  readonly clock: Clock
  readonly log: Log
}

/** More than can have been under way at a crash (500), and their endings. */
const askedRowsMax = 1_000
const endedRowsMax = 2_000
const ends: readonly CommandStatus[] = ['done', 'refused', 'failed', 'unknown']
/** How long a device may take to come back before a command of an earlier life is left unknown. */
const deviceMs = 60_000
const devicePauseMs = 100
/** A value that was written before the restart is there at once, or not at all. */
const lookMs = 2_000

/**
 * What an earlier life of the gateway knew of commands, from the journal: those that ended lately are remembered, so that a wish repeated across
 * the restart is not carried out twice; those that were asked for and never ended are settled by reading back. Nothing is ever written again.
 * Ready when all of them are remembered; settling goes on beside everything else.
 */
export async function recoverCommands(options: RecoveryOptions): Promise<Running> {
  const open = await rememberPast(options).catch((error: unknown) => {
    options.log.error('The journal does not tell which commands were under way; they stay unsettled.', errorFields(error))
    return []
  })
  if (open.length > 0) options.log.warn('Commands were under way when the gateway ended; they are read back.', { commands: open.length })
  return startLoop(async (signal) => {
    const stopped = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
    await Promise.race([Promise.all(open.map((command) => settle(command, { ...options, signal }))), stopped])
    await stopped
  })
}

interface OpenCommand {
  readonly command: Command
  readonly answer: (result: CommandResult) => void
}

async function rememberPast({ road, events, clock, table }: RecoveryOptions): Promise<readonly OpenCommand[]> {
  const asked = await events({ type: 'command.asked', rowsMax: askedRowsMax })
  if (asked.length === 0) return []
  const ended = await Promise.all(ends.map((status) => events({ type: `command.${status}`, rowsMax: endedRowsMax })))
  // Of what is older than the oldest row of a full answer nobody can tell any more how it ended, and it has.
  const known = Math.max(...ended.map((rows) => (rows.length < endedRowsMax ? 0 : (rows.at(-1)?.id ?? 0))))
  const endings = new Map<string, JournalRow>()
  // A refusal of what was never asked for ends nothing: its id may be that of another wish.
  const endRows = ended.flat().filter(({ data }) => data['asked'] !== false)
  for (const row of endRows.toSorted((one, other) => one.id - other.id)) endings.set(keyOf(row), row)
  const open: OpenCommand[] = []
  for (const row of asked.toReversed()) {
    const command = commandOf(row, table)
    const ending = endings.get(keyOf(row))
    if (command === undefined || row.id < known) continue
    if (ending === undefined || ending.id < row.id) {
      const { promise, resolve } = Promise.withResolvers<CommandResult>()
      road.recent.remember(command, promise, { askedMs: row.timeMs })
      open.push({ command, answer: resolve })
    } else if (clock.now() - row.timeMs <= rememberedMs && !wasNotSent(ending)) {
      road.recent.remember(command, Promise.resolve(resultOf(ending)), { askedMs: row.timeMs })
    }
  }
  return open
}

function wasNotSent({ type, data }: JournalRow): boolean {
  return type === 'command.refused' || data['sent'] === false
}

function keyOf({ subject, data }: SiteEvent): string {
  const by = askerOf(data['by'])
  return JSON.stringify([subject, data['id'], by?.road, by?.name])
}

/** undefined where the row was not written by a road like this one. */
function commandOf({ subject, data }: SiteEvent, table: TagTable): Command | undefined {
  const { id, value, by, expiresMs } = data
  const asker = askerOf(by)
  const place = table.find(asTagId(subject))
  const type = place === undefined ? undefined : table.metas[place]?.type
  if (typeof id !== 'string' || asker === undefined || value === undefined || value === null) return undefined
  return {
    id,
    tag: asTagId(subject),
    value: tagValueOf(value as TagValue, type),
    by: asker,
    ...(typeof expiresMs === 'number' ? { expiresMs: expiresMs as EpochMs } : {}),
  }
}

function askerOf(by: unknown): Asker | undefined {
  if (typeof by !== 'object' || by === null || !('road' in by) || !('name' in by) || !('role' in by)) return undefined
  return { road: String(by.road), name: String(by.name), role: String(by.role) as Role }
}

function resultOf({ type, data }: SiteEvent): CommandResult {
  const text = (key: string): Record<string, string> => (typeof data[key] === 'string' ? { [key]: data[key] } : {})
  const value = data['readBack'] === undefined ? {} : { value: data['readBack'] as TagValue }
  const status = type.slice('command.'.length) as CommandStatus
  return { id: String(data['id']), status, ...text('code'), ...text('message'), ...text('remedy'), ...value, tookMs: 0 }
}

interface SettleContext extends RecoveryOptions {
  readonly signal: AbortSignal
}

/** When the gateway stops before it is done, the command stays open in the journal, and the next life settles it. */
async function settle({ command, answer }: OpenCommand, context: SettleContext): Promise<void> {
  const startedAt = context.clock.elapsed()
  const ending = await lookAt(command, context)
  if (context.signal.aborted) return
  await context.road.journal.settled(command, ending)
  answer({ id: command.id, ...ending, tookMs: Math.round(context.clock.elapsed() - startedAt) })
}

async function lookAt(command: Command, context: SettleContext): Promise<Ending> {
  const { table, clock } = context
  const unknown = endingOf('unknown', plainFault(inDoubt(command.tag)))
  const tag = table.find(command.tag)
  const meta = tag === undefined ? undefined : table.metas[tag]
  if (tag === undefined || meta?.write === undefined || meta.write.confirmMs === 0) return unknown
  const place = await deviceBack(meta.device, context)
  if (place === undefined) return unknown
  const errand = new Errand(command, clock)
  const raw = rawFor(meta, command.value, meta.write)
  errand.admitted = { tag, meta, rules: meta.write, place, raw, meant: scaledValue(raw, meta.scale) }
  const [seen] = await readBack([{ errand, untilMs: later(clock, lookMs) }], place, { table, clock })
  if (seen?.value === undefined) return unknown
  return seen.isConfirmed ? { status: 'done', value: seen.value } : { ...unknown, value: seen.value }
}

async function deviceBack(device: string, { devices, clock, signal }: SettleContext): Promise<DevicePlace | undefined> {
  const until = later(clock, deviceMs)
  while (clock.elapsed() < until && !signal.aborted) {
    const place = devices.get(device)
    if (place !== undefined && place.device.status().state !== 'connecting') return place
    await clock.sleep(devicePauseMs, signal).catch(() => {})
  }
  return undefined
}

function later(clock: Clock, ms: number): ReturnType<Clock['elapsed']> {
  return (clock.elapsed() + ms) as ReturnType<Clock['elapsed']>
}
