import { type Clock, isoTime } from '../../base/clock.ts'
import type { Door } from '../../base/door.ts'
import { type Running, startLoop } from '../../base/running.ts'
import type { LocalMessage, NorthCalls, RunInfo } from '../contract.ts'

export interface RunTopicsOptions {
  readonly node: string
  readonly north: Pick<Door<NorthCalls>, 'call' | 'onAttach' | 'isOpen'>
  /** The runs that have not ended. */
  readonly runs: () => readonly RunInfo[]
  /** Topics beside them, with what they hold. */
  readonly more: () => ReadonlyMap<string, string>
  readonly clock: Clock
}

/** A run that begins and ends between two looks is never told of: its events do that. */
const lookEveryMs = 500
/** Runs that have a topic at once; those that began first have one. */
const topicsMax = 500

/** `lineside/NODE/flows/FLOW/runs/RUN`, retained while the run goes on. */
export function startRunTopics(options: RunTopicsOptions): Running {
  const { north, clock } = options
  let told = new Map<string, string>()
  north.onAttach(() => {
    told = new Map() // a new broker knows nothing of them
  })
  return startLoop(async (signal) => {
    while (!signal.aborted) {
      await clock.sleep(lookEveryMs, signal)
      const runs = options.runs().slice(0, topicsMax)
      const now = new Map([...runs.map((run) => [topicOf(run, options.node), payloadOf(run)] as const), ...options.more()])
      const news = newsOf(told, now)
      if (news.length === 0 || !north.isOpen) continue
      const before = told
      await north.call('publish', news).then(
        () => {
          if (told === before) told = now
        },
        () => {}, // told again at the next look
      )
    }
  })
}

function newsOf(told: ReadonlyMap<string, string>, now: ReadonlyMap<string, string>): readonly LocalMessage[] {
  const gone = [...told.keys()].filter((topic) => !now.has(topic)).map((topic) => retained(topic, ''))
  return [
    ...gone,
    ...[...now].filter(([topic, payload]) => told.get(topic) !== payload).map(([topic, payload]) => retained(topic, payload)),
  ]
}

function topicOf({ flow, run }: RunInfo, node: string): string {
  return `lineside/${node}/flows/${flow}/runs/${run}`
}

function payloadOf({ state, begunMs, step, fault, questions }: RunInfo): string {
  return JSON.stringify({ state, begun: isoTime(begunMs), step, fault, questions })
}

function retained(topic: string, payload: string): LocalMessage {
  return { topic, payload, qos: 1, isRetained: true }
}
