import { epochMs, isoTime, systemClock } from '../base/clock.ts'
import { Fault } from '../base/fault.ts'
import type { EventSource, ReplayTarget, ShownEvent, ShownLetter } from '../runtime/events.ts'
import { socketPathOf } from '../site/socket-path.ts'
import { sitePathOf, stateFolderOf } from '../site/state.ts'
import { type Gateway, type GatewayChoice, reachGateway } from './gateway.ts'
import { moment } from './moment.ts'
import { stopSignal } from './stop-signal.ts'
import { tableText } from './tag-row.ts'
import type { Terminal } from './terminal.ts'

export interface EventFilter extends GatewayChoice {
  readonly type?: readonly string[]
  readonly subject?: string
  /** `1h`, or a moment. */
  readonly since?: string
  readonly until?: string
}

export interface EventsOptions extends EventFilter {
  readonly limit: number
  readonly follow?: boolean
  readonly json?: boolean
}

export interface DeadOptions extends GatewayChoice {
  readonly route?: string
  readonly retry?: string
  readonly discard?: string
  readonly json?: boolean
}

export interface ReplayOptions extends Omit<EventFilter, 'since'> {
  readonly from: string
  readonly to: string
}

const pageRows = 1_000
const followMs = 500
/** How long a flow may be busy with what it was given before, or a disk take nothing. */
const roomMsMax = 600_000
const roomPauseMs = 250
const diskIsFull = 'flow.not-kept-yet'
/** It may be asked for again: an event begins one run of a flow. */
const noRoom: ReadonlySet<string> = new Set(['flow.overloaded', 'flow.dropped', diskIsFull])

type Ask = Parameters<EventSource['page']>[0]

/** `lineside events`: what happened, the newest last; with `--follow` what happens from now on too. */
export async function events(options: EventsOptions, terminal: Terminal): Promise<number> {
  const stop = terminal.stop ?? stopSignal()
  await using source = await sourceOf(options, terminal)
  const filter = filterOf(options)
  const shown = await latest(source, { ...filter, order: 'newest', rowsMax: options.limit })
  for (const event of shown.items) terminal.out(lineOf(event, options))
  if (options.follow !== true) {
    if (shown.items.length === 0) terminal.error('No event matches.\n')
    return shown.items.length === 0 ? 1 : 0
  }
  let { cursor } = shown
  while (!stop.aborted) {
    const page = await source.page({ ...filter, order: 'oldest', cursor, rowsMax: pageRows })
    for (const event of page.items) terminal.out(lineOf(event, options))
    cursor = page.cursor
    if (page.isEnd) await systemClock.sleep(followMs, stop).catch(() => {})
  }
  return 0
}

/** The newest that match, oldest first, and where what comes after them begins. */
async function latest(source: EventSource, ask: Ask): Promise<{ readonly items: readonly ShownEvent[]; readonly cursor: number }> {
  const end = await source.page({ order: 'newest', rowsMax: 1 })
  const newest = Number(end.items[0]?.['sequence'] ?? 0)
  const items: ShownEvent[] = []
  let page = { cursor: newest + 1, isEnd: newest === 0 }
  while (items.length < ask.rowsMax && !page.isEnd) {
    const found = await source.page({ ...ask, cursor: page.cursor, rowsMax: Math.min(pageRows, ask.rowsMax - items.length) })
    items.push(...found.items)
    page = found
  }
  return { items: items.reverse(), cursor: newest }
}

/** `lineside events dead`: what routes could not deliver; sends it on its way again, or away. 1 where there is such a letter. */
export async function deadLetters(options: DeadOptions, terminal: Terminal): Promise<number> {
  const { retry, discard, route } = options
  if (retry !== undefined || discard !== undefined) return await orderLetters(options, terminal)
  await using source = await sourceOf(options, terminal)
  const letters: ShownLetter[] = []
  for (let afterId = 0; ; afterId = letters.at(-1)?.letter ?? afterId) {
    const page = await source.dead({ afterId, rowsMax: pageRows, ...(route === undefined ? {} : { route }) })
    letters.push(...page)
    if (page.length < pageRows) break
  }
  if (options.json === true) for (const letter of letters) terminal.out(`${JSON.stringify(letter)}\n`)
  else terminal.out(letters.length === 0 ? 'No dead letters.\n' : tableText(letters.map(letterCells)))
  return letters.length === 0 ? 0 : 1
}

async function orderLetters({ retry, discard, route, ...choice }: DeadOptions, terminal: Terminal): Promise<number> {
  if (retry !== undefined && discard !== undefined) throw usage('--retry and --discard exclude each other.', 'Give one of them.')
  const action = retry === undefined ? 'discard' : 'retry'
  const which = retry ?? discard ?? ''
  if (which !== 'all' && !/^\d+(,\d+)*$/.test(which)) throw usage(`"${which}" names no letters.`, 'Give their numbers, 7 or 7,8, or all.')
  const ids = which === 'all' ? {} : { ids: which.split(',').map(Number) }
  const gateway = await reachGateway(choice, terminal)
  let total = 0
  // All are a bounded number at a time; what dies again meanwhile comes after them, so the first ask says when it is over.
  for (let count = -1; count !== 0 && (count === -1 || which === 'all'); ) {
    const before = total
    count = countIn(await gateway.post('/api/v1/events/dead', { action, ...ids, ...(route === undefined ? {} : { route }) }))
    total = before + count
    if (count < lettersAtOnce) break
  }
  const done = `${total} ${total === 1 ? 'letter' : 'letters'} ${action === 'retry' ? 'on the way again' : 'thrown away'}.`
  terminal.out(`${total === 0 ? 'There is no such letter: nothing was done.' : done}\n`)
  return total === 0 ? 1 : 0
}

/** How many the store takes in one go. */
const lettersAtOnce = 5_000

function countIn(answer: unknown): number {
  return typeof answer === 'object' && answer !== null && 'letters' in answer ? Number(answer.letters) : 0
}

/** `lineside events replay`: plays what happened to a topic, a file or a flow once more, in order, each with its own id. */
export async function replayEvents(options: ReplayOptions, terminal: Terminal): Promise<number> {
  await using target = await targetOf(options, terminal)
  await using source = await sourceOf(options, terminal)
  const filter = filterOf({ ...options, since: options.from })
  let count = 0
  const end = await source.page({ order: 'newest', rowsMax: 1 })
  const newest = Number(end.items[0]?.['sequence'] ?? 0) // what the replay itself causes is not replayed
  for (let page = { cursor: 0, isEnd: newest === 0 }; !page.isEnd && page.cursor < newest; ) {
    const found = await source.page({ ...filter, order: 'oldest', cursor: page.cursor, rowsMax: pageRows })
    const wanted = found.items.filter(({ sequence }) => Number(sequence) <= newest)
    for (const event of wanted) {
      await target.take(event).catch((error: unknown) => {
        const time = plain(String(event['time']))
        if (count > 0) terminal.error(`${countOf(count, target)}; it has stopped before what was at ${time}: go on with --from ${time}.\n`)
        throw error
      })
      count += 1
    }
    page = found
  }
  terminal.error(`${countOf(count, target)}.\n`)
  return count === 0 ? 1 : 0
}

function countOf(count: number, { told }: ReplayTarget): string {
  return `${count} ${count === 1 ? 'event' : 'events'} replayed${told?.() ?? ''}`
}

async function targetOf({ to, ...choice }: ReplayOptions, terminal: Terminal): Promise<ReplayTarget> {
  const { replayToFile, replayToTopic } = await import('../runtime/events.ts')
  const [, kind, name = ''] = /^(topic|file|flow):(.+)$/.exec(to) ?? []
  if (kind === 'file') return await replayToFile(name)
  if (kind === 'topic' && !/[+#\0]/.test(name)) {
    if (choice.url !== undefined)
      throw usage('A remote gateway has no private socket for this.', 'Replay on the gateway itself, or to a file.')
    return await replayToTopic(name, { socketPath: socketPathOf(await stateFolderOf(choice.site ?? '.', terminal.environment)) })
  }
  if (kind === 'flow') return replayToFlow(name, await reachGateway(choice, terminal), terminal)
  throw usage(`"${to.slice(0, 100)}" is nowhere to replay to.`, 'Write topic:NAME, file:PATH or flow:NAME.')
}

/** As if it had just happened; where the flow can begin no more runs at the moment, the next one waits. */
function replayToFlow(flow: string, gateway: Gateway, terminal: Terminal): ReplayTarget {
  const count = { begun: 0, old: 0 }
  let isToldOfDisk = false
  const path = `/api/v1/workflows/${encodeURIComponent(flow)}/runs`
  const begin = async ({ sequence: _, ...event }: ShownEvent): Promise<void> => {
    let isKeptLate = false
    for (const sinceMs = systemClock.elapsed(); ; ) {
      const answer = await gateway.post(path, { event }).catch((error: unknown) => faultOr(error))
      if (!(answer instanceof Fault)) {
        count[isOld(answer) && !isKeptLate ? 'old' : 'begun'] += 1
        return
      }
      if (answer.code === 'flow.event-unwanted') return
      if (!noRoom.has(answer.code) || systemClock.elapsed() - sinceMs > roomMsMax) throw answer
      isKeptLate ||= answer.code === diskIsFull
      if (isKeptLate && !isToldOfDisk) terminal.error('The journal of the gateway takes nothing at the moment: this waits for it.\n')
      isToldOfDisk ||= isKeptLate
      await systemClock.sleep(roomPauseMs)
    }
  }
  const told = (): string => {
    const { begun, old } = count
    return `, ${begun} of them to ${flow}${old === 0 ? '' : `; ${old} already had ${old === 1 ? 'its run' : 'their runs'}`}`
  }
  return { take: begin, told, [Symbol.asyncDispose]: async () => {} }
}

function faultOr(error: unknown): Fault {
  if (error instanceof Fault) return error
  throw error
}

/** The gateway has begun this run with the same event before: in an earlier replay. */
function isOld(answer: unknown): boolean {
  return typeof answer === 'object' && answer !== null && 'isOld' in answer && answer.isOld === true
}

async function sourceOf(choice: GatewayChoice, terminal: Terminal): Promise<EventSource> {
  try {
    const gateway = await reachGateway(choice, terminal)
    await gateway.get('/api/v1/events?limit=1')
    return remote(gateway)
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== 'daemon.unreachable' || choice.url !== undefined) throw error
    const folder = choice.site ?? '.'
    const journal = await journalOr(error, await stateFolderOf(folder, terminal.environment), (await sitePathOf(folder)) ?? 'lineside')
    terminal.error('The gateway does not run; this is what its journal holds.\n')
    return journal
  }
}

async function journalOr(unreachable: Fault, stateFolder: string, site: string): Promise<EventSource> {
  const { openJournalFile } = await import('../runtime/events.ts') // brings SQLite along
  try {
    return openJournalFile(stateFolder, site)
  } catch (error) {
    throw error instanceof Fault && error.code === 'store.no-journal' ? unreachable : error
  }
}

function remote(gateway: Gateway): EventSource {
  return {
    page: async ({ types, subject, fromMs, toMs, order, cursor, rowsMax }) => {
      const query = { type: types?.join(','), subject, from: momentText(fromMs), to: momentText(toMs), order, cursor, limit: rowsMax }
      const answer = (await gateway.get(`/api/v1/events?${queryText(query)}`)) as { items: ShownEvent[]; cursor: string; next?: string }
      return { items: answer.items, cursor: Number(answer.cursor), isEnd: answer.next === undefined }
    },
    dead: async ({ route, afterId, rowsMax }) => {
      const answer = await gateway.get(`/api/v1/events/dead?${queryText({ route, cursor: afterId, limit: rowsMax })}`)
      return (answer as { items: ShownLetter[] }).items
    },
    [Symbol.asyncDispose]: async () => {},
  }
}

function queryText(query: Readonly<Record<string, string | number | undefined>>): string {
  const given = Object.entries(query).flatMap(([key, value]) => (value === undefined ? [] : [`${key}=${encodeURIComponent(value)}`]))
  return given.join('&')
}

function momentText(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : isoTime(epochMs(ms))
}

function filterOf({ type, subject, since, until }: EventFilter): Omit<Ask, 'order' | 'rowsMax'> {
  return {
    ...(type === undefined ? {} : { types: type }),
    ...(subject === undefined ? {} : { subject }),
    ...(since === undefined ? {} : { fromMs: moment(since) }),
    ...(until === undefined ? {} : { toMs: moment(until) }),
  }
}

function usage(message: string, remedy: string): Fault {
  return new Fault('usage.events', message, { remedy })
}

function lineOf(event: ShownEvent, { json }: EventsOptions): string {
  if (json === true) return `${JSON.stringify(event)}\n`
  const { time, type, subject, data } = event
  return `${plain(`${time}  ${type}  ${subject}  ${JSON.stringify(data)}`)}\n`
}

function letterCells({ letter, dead, route, code, attempts, reason, event }: ShownLetter): readonly string[] {
  return [String(letter), dead, route, `${event['type']} ${plain(String(event['subject']))}`, `${attempts} tries`, code, plain(reason)]
}

/** Anybody may have written it: nothing of it may steer the terminal. */
function plain(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '�')
}
