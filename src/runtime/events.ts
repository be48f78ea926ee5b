import { open, rm } from 'node:fs/promises'
import { systemClock } from '../base/clock.ts'
import { Fault } from '../base/fault.ts'
import { cloudEvent } from '../model/cloud-event.ts'
import type { DeadLetter, EventsAsk, EventsPage } from '../model/journal.ts'
import { openJournalReader } from '../store/journal-reader.ts'
import { type MqttPlace, openMqtt } from './mqtt.ts'

/** An event as a CloudEvent with its place in the journal. */
export type ShownEvent = Readonly<Record<string, unknown>>

/** Where to read events. */
export interface EventSource extends AsyncDisposable {
  /** A bounded look; the next one goes on from its cursor. */
  page(ask: EventsAsk): Promise<{ readonly items: readonly ShownEvent[]; readonly cursor: number; readonly isEnd: boolean }>
  dead(ask: { readonly route?: string; readonly afterId: number; readonly rowsMax: number }): Promise<readonly ShownLetter[]>
}

export interface ShownLetter {
  readonly letter: number
  readonly route: string
  readonly dead: string
  readonly attempts: number
  readonly code: string
  readonly reason: string
  readonly event: ShownEvent
}

/** The journal itself, of a gateway that does not run. */
export function openJournalFile(stateFolder: string, site: string): EventSource {
  const reader = openJournalReader(stateFolder)
  return {
    page: async (ask) => shownPage(reader.page(ask), site),
    dead: async ({ route, ...ask }) =>
      reader.dead({ ...ask, ...(route === undefined ? {} : { consumer: `route/${route}` }) }).map((letter) => shownLetter(letter, site)),
    [Symbol.asyncDispose]: async () => reader[Symbol.dispose](),
  }
}

function shownPage({ events, cursor, isEnd }: EventsPage, site: string): Awaited<ReturnType<EventSource['page']>> {
  return { items: events.map((event) => ({ ...cloudEvent(event, { site }), sequence: String(event.id) })), cursor, isEnd }
}

function shownLetter(letter: DeadLetter, site: string): ShownLetter {
  const { id, consumer, deadMs, attempts, code, reason } = letter
  const dead = cloudEvent({ ...letter, timeMs: deadMs }, { site })['time']
  return {
    letter: id,
    route: consumer.replace(/^route\//, ''),
    dead: String(dead),
    attempts,
    code,
    reason,
    event: cloudEvent(letter, { site }),
  }
}

/** Where events are played to once more: a topic, a file, a flow. */
export interface ReplayTarget extends AsyncDisposable {
  take(event: ShownEvent): Promise<void>
  /** What became of them. */
  told?(): string
}

/** One CloudEvent a line; a file that is there is not written over, and none is left where nothing was played. */
export async function replayToFile(path: string): Promise<ReplayTarget> {
  const file = await open(path, 'wx', 0o600)
  let isEmpty = true
  return {
    take: async (event) => {
      await file.write(`${JSON.stringify(event)}\n`)
      isEmpty = false
    },
    [Symbol.asyncDispose]: async () => {
      await file.close()
      if (isEmpty) await rm(path)
    },
  }
}

/** How long the broker may take to pass a message on. */
const passedOnMs = 5_000

/**
 * Each with its own id, so that who knows it already can tell. The broker has no word for "not here" when somebody publishes: the first event must come
 * back, or the rest would go nowhere, too. Then throws `replay.not-passed-on`.
 */
export async function replayToTopic(topic: string, place: MqttPlace): Promise<ReplayTarget> {
  const back = Promise.withResolvers<boolean>()
  let first: Buffer | undefined
  const client = await openMqtt(place, ({ payload }) => first?.equals(payload) === true && back.resolve(true))
  const isOffered = (await client.subscribe([topic])).length === 0
  const comesBack = async (): Promise<boolean> => {
    using _timer = systemClock.after(passedOnMs, () => back.resolve(false))
    return isOffered && (await back.promise)
  }
  return {
    take: async (event) => {
      const payload = JSON.stringify(event)
      const isFirst = first === undefined
      first ??= Buffer.from(payload)
      await client.publish({ topic, payload, isRetained: false })
      if (isFirst && !(await comesBack())) throw notPassedOn(topic)
    },
    [Symbol.asyncDispose]: () => client[Symbol.asyncDispose](),
  }
}

function notPassedOn(topic: string): Fault {
  return new Fault('replay.not-passed-on', `The gateway passes on nothing at ${topic}: none of the events was replayed.`, {
    remedy: 'Take a topic of its own for them: not that of a tag, of a command or of the gateway itself.',
  })
}
