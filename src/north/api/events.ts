import type { FastifyInstance, FastifyRequest } from 'fastify'
import { isoTime, parseIsoTime } from '../../base/clock.ts'
import { Fault } from '../../base/fault.ts'
import type { RouteRow } from '../../control/contract.ts'
import { cloudEvent } from '../../model/cloud-event.ts'
import type { Asker } from '../../model/command.ts'
import type { DeadLetter, DeadLetterAsk, DeadLetterOrder, EventsAsk, EventsPage, JournalEvent } from '../../model/journal.ts'
import { roleAllows } from '../../model/tag.ts'
import { plainQuery } from './query.ts'

/** What the API needs of journal and routes. */
export interface JournalPort {
  page(ask: EventsAsk): Promise<EventsPage>
  dead(ask: DeadLetterAsk): Promise<readonly DeadLetter[]>
  /** By consumer. */
  deadCounts(): Promise<Readonly<Record<string, number>>>
  orderDead(order: DeadLetterOrder): Promise<number>
  routes(): Promise<readonly RouteRow[]>
}

export interface EventRoutes {
  readonly journal: JournalPort
  readonly site: string
  readonly node: string
}

/** Who asks, and what of it he may read, by MQTT topic. */
type Visitors = (request: FastifyRequest) => { readonly seesAll: boolean; mayRead(topic: string): boolean }

const limitMax = 1_000
const limitDefault = 100
/** Looks at the journal for one answer: each is bounded, and what they did not come to is behind the cursor. */
const looksMax = 20

/** `GET` only; what changes something stands with the writes. */
export function routeEvents(server: FastifyInstance, { journal, site, node }: EventRoutes, visitors: Visitors): void {
  const own = `lineside/${node}`
  server.get('/api/v1/events', async (request) => {
    const query = plainQuery(request.query, ['type', 'subject', 'from', 'to', 'order', 'cursor', 'limit'])
    const { events, cursor, isEnd } = await found(askOf(query), journal)
    const { mayRead } = visitors(request)
    const items = events.filter(({ type }) => mayRead(`${own}/events/${type}`)).map((event) => eventRow(event, site))
    return { items, cursor: String(cursor), ...(isEnd ? {} : { next: String(cursor) }) }
  })
  server.get('/api/v1/events/dead', async (request) => {
    if (!visitors(request).seesAll) throw notToRead()
    const { route, cursor, limit } = plainQuery(request.query, ['route', 'cursor', 'limit'])
    const consumer = route === undefined ? {} : { consumer: `route/${route}` }
    const rowsMax = wholeOf('limit', limit) ?? limitDefault
    const letters = await journal.dead({ afterId: wholeOf('cursor', cursor) ?? 0, rowsMax: Math.min(limitMax, rowsMax), ...consumer })
    const last = letters.at(-1)
    return { items: letters.map((letter) => letterRow(letter, site)), ...(last === undefined ? {} : { next: String(last.id) }) }
  })
  server.get('/api/v1/routes', async (request) => {
    const { mayRead } = visitors(request)
    // What routes carry is known also while the store is away, which alone knows its letters.
    const [rows, dead] = await Promise.all([journal.routes(), journal.deadCounts().catch(() => undefined)])
    const items = rows.filter(({ route }) => mayRead(`${own}/routes/${route}`))
    return { items: dead === undefined ? items : items.map((row) => ({ ...row, deadLetters: dead[`route/${row.route}`] ?? 0 })) }
  })
}

/** They hold messages of whatever topic. */
function notToRead(): Fault {
  return new Fault('access.read', 'This user may not read every topic, and a dead letter can be of any.', {
    remedy: 'Ask an admin, or look on the gateway itself: `lineside events dead`.',
  })
}

/** Until there is enough, or nothing more, or the looks are over. */
async function found(ask: EventsAsk, journal: JournalPort): Promise<EventsPage> {
  const events: JournalEvent[] = []
  let page: EventsPage | undefined
  for (let look = 0; look < looksMax; look += 1) {
    page = await journal.page({ ...ask, ...(page === undefined ? {} : { cursor: page.cursor }), rowsMax: ask.rowsMax - events.length })
    events.push(...page.events)
    if (page.isEnd || events.length >= ask.rowsMax) break
  }
  return { events, cursor: page?.cursor ?? 0, isEnd: page?.isEnd ?? true }
}

type EventQuery = { readonly [Key in 'type' | 'subject' | 'from' | 'to' | 'order' | 'cursor' | 'limit']?: string }

function askOf({ type, subject, from, to, order = 'newest', cursor, limit }: EventQuery): EventsAsk {
  if (order !== 'newest' && order !== 'oldest') throw badQuery(`"${order.slice(0, 40)}" is no order.`, 'Use order=newest or order=oldest.')
  const [fromMs, toMs, place] = [momentOf('from', from), momentOf('to', to), wholeOf('cursor', cursor)]
  return {
    order,
    rowsMax: Math.min(limitMax, Math.max(1, wholeOf('limit', limit) ?? limitDefault)),
    ...(type === undefined ? {} : { types: type.split(',').slice(0, 20) }),
    ...(subject === undefined ? {} : { subject }),
    ...(fromMs === undefined ? {} : { fromMs }),
    ...(toMs === undefined ? {} : { toMs }),
    ...(place === undefined ? {} : { cursor: place }),
  }
}

function wholeOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  // Numbers of a journal that follows a damaged one have sixteen digits.
  if (/^\d{1,16}$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text)
  throw badQuery(`"${text.slice(0, 40)}" is no ${name}.`, 'Give a whole number, or the cursor of the answer before.')
}

function momentOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const moment = parseIsoTime(text)
  if (moment === undefined) throw badQuery(`"${text.slice(0, 40)}" in ${name} is no moment.`, 'Write it like 2026-11-21T02:30:00Z.')
  return moment
}

function badQuery(message: string, remedy: string): Fault {
  return new Fault('api.bad-query', message, { remedy })
}

/** A CloudEvent with its place in the journal, `sequence`, which is an extension of CloudEvents. */
function eventRow(event: JournalEvent, site: string): Readonly<Record<string, unknown>> {
  return { ...cloudEvent(event, { site }), sequence: String(event.id) }
}

function letterRow(letter: DeadLetter, site: string): Readonly<Record<string, unknown>> {
  const { id, consumer, deadMs, attempts, code, reason } = letter
  return {
    letter: id,
    route: consumer.replace(/^route\//, ''),
    dead: isoTime(deadMs),
    attempts,
    code,
    reason,
    event: cloudEvent(letter, { site }),
  }
}

/** Sends letters on their way again, or away. */
export async function answerDeadOrder(
  body: Buffer,
  { by, journal }: { readonly by: Asker; readonly journal: JournalPort },
): Promise<unknown> {
  if (!roleAllows(by.role, 'engineer')) {
    throw new Fault('access.role', `"${by.name}" comes as ${by.role}; dead letters are for engineers.`, {
      remedy: 'Ask somebody with that role.',
    })
  }
  const { orderSchema } = await import('./dead-order.ts')
  const parsed = orderSchema.safeParse(jsonIn(body))
  if (!parsed.success) {
    throw new Fault('api.bad-body', 'The request names no action, or no letters.', {
      remedy: 'Send {"action":"retry","ids":[7]} or {"action":"discard","route":"NAME"} as application/json.',
    })
  }
  const { action, ids, route } = parsed.data
  return {
    letters: await journal.orderDead({
      action,
      ...(ids === undefined ? {} : { ids }),
      ...(route === undefined ? {} : { consumer: `route/${route}` }),
    }),
  }
}

function jsonIn(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    return undefined
  }
}
