import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { z } from 'zod'
import { parseIsoTime, systemClock } from '../base/clock.ts'
import { Fault } from '../base/fault.ts'
import { benchSite } from '../control/flow-tests/bench-site.ts'
import { type Recorded, type Replayed, type ReplayedRun, replayFlow } from '../control/flow-tests/replay.ts'
import { fullFilter } from '../model/topic.ts'
import type { Site } from '../site/site.ts'

export type { Replayed, ReplayedRun } from '../control/flow-tests/replay.ts'

/** Lines longer than this were not written by a recorder. */
const lineCharsMax = 256 * 1024

const scalar = z.union([z.boolean(), z.number(), z.string()])
/** Other keys may stand beside these: a row of `lineside tags --watch --json` and a CloudEvent are such lines. */
const lineSchema = z.union([
  z.object({
    time: z.string(),
    tag: z.string(),
    value: z.union([scalar, z.array(scalar)]).nullable(),
    quality: z.enum(['good', 'uncertain', 'bad', 'stale']).default('good'),
  }),
  z.object({ time: z.string(), topic: z.string(), payload: z.json() }),
  z.object({ time: z.string(), type: z.string(), subject: z.string().default(''), data: z.record(z.string(), z.unknown()).default({}) }),
])

/** Plays recordings to one flow of a site. */
export async function replay(site: Site, flow: string, files: readonly string[]): Promise<Replayed> {
  return await replayFlow({
    site: benchSite({ ...site, history: site.storage.history }),
    flow,
    recorded: inOrder(files.map((file) => linesOf(file, site.site))),
    clock: systemClock,
  })
}

/** Of several recordings, each in order, always what happened first. */
async function* inOrder(sources: readonly AsyncIterator<Recorded>[]): AsyncGenerator<Recorded> {
  const heads = await Promise.all(sources.map(async (source) => ({ source, next: await source.next() })))
  for (;;) {
    const open = heads.flatMap((head) => (head.next.done === true ? [] : [{ head, value: head.next.value }]))
    const [first] = open.toSorted((one, other) => one.value.timeMs - other.value.timeMs)
    if (first === undefined) return
    yield first.value
    first.head.next = await first.head.source.next()
  }
}

async function* linesOf(file: string, site: string): AsyncGenerator<Recorded> {
  const lines = createInterface({ input: createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY })
  let number = 0
  for await (const line of lines) {
    number += 1
    if (line.trim() !== '') yield recordedOf(number === 1 ? line.replace(/^\uFEFF/, '') : line, { site, place: `${file}:${number}` })
  }
}

function recordedOf(line: string, { site, place }: { readonly site: string; readonly place: string }): Recorded {
  const parsed = lineSchema.safeParse(line.length > lineCharsMax ? undefined : jsonOf(line))
  const timeMs = parsed.success ? parseIsoTime(parsed.data.time) : undefined
  if (!parsed.success || timeMs === undefined) {
    throw new Fault('replay.line', `${place} is nothing that was recorded.`, {
      remedy:
        'Each line is {"time":…,"tag":…,"value":…,"quality":…}, {"time":…,"topic":…,"payload":…} or an event as `lineside events --json` shows it. One that was cut off at its end, with the power, is to be taken out.',
    })
  }
  const { data } = parsed
  if ('tag' in data) return { kind: 'tag', timeMs, tag: data.tag, value: data.value, quality: data.quality }
  if ('topic' in data) {
    const payload = typeof data.payload === 'string' ? data.payload : JSON.stringify(data.payload)
    return { kind: 'message', timeMs, topic: wholeTopic(data.topic, site), payload }
  }
  return { kind: 'event', timeMs, event: { type: data.type, subject: data.subject, data: data.data } }
}

/** As `mosquitto_sub -v` shows it, or as flows write it. */
function wholeTopic(topic: string, site: string): string {
  return topic.startsWith(`${site}/`) ? topic : fullFilter(topic, site)
}

function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

/** Where two versions would have gone other ways. */
export interface Comparison {
  readonly onlyBefore: readonly ReplayedRun[]
  readonly onlyNow: readonly ReplayedRun[]
  readonly otherwise: readonly Pair[]
  readonly alike: number
}

interface Pair {
  readonly before: ReplayedRun
  readonly now: ReplayedRun
}

/**
 * Runs are the same that were begun at the same moment by the same thing; and of the others those that were begun by the same reading of a tag, only
 * sooner or later: a longer `for` looks at the same bottle.
 */
export function compared(before: readonly ReplayedRun[], now: readonly ReplayedRun[]): Comparison {
  const atOnce = paired(before, now, ({ beganMs, trigger }) => [beganMs, ...causeOf(trigger)])
  const shifted = paired(atOnce.before, atOnce.now, ({ beganMs, trigger }) => [
    trigger['kind'] === 'tag' ? trigger['time'] : beganMs,
    ...causeOf(trigger),
  ])
  const otherwise = [...atOnce.pairs.filter(({ before: one, now: other }) => !isAlike(one, other)), ...shifted.pairs]
  return {
    onlyBefore: shifted.before,
    onlyNow: shifted.now,
    otherwise: otherwise.toSorted((one, other) => one.now.beganMs - other.now.beganMs),
    alike: atOnce.pairs.length + shifted.pairs.length - otherwise.length,
  }
}

function paired(before: readonly ReplayedRun[], now: readonly ReplayedRun[], keyOf: (run: ReplayedRun) => readonly unknown[]) {
  const waiting = Map.groupBy(before, (run) => keyOf(run).map(String).join(' '))
  const left: ReplayedRun[] = []
  const pairs: Pair[] = []
  for (const run of now) {
    const other = waiting.get(keyOf(run).map(String).join(' '))?.shift()
    if (other === undefined) left.push(run)
    else pairs.push({ before: other, now: run })
  }
  return { pairs, now: left, before: [...waiting.values()].flat().toSorted((one, other) => one.beganMs - other.beganMs) }
}

function causeOf(trigger: ReplayedRun['trigger']): readonly unknown[] {
  return [trigger['kind'], trigger['tag'], trigger['topic'], trigger['type'], trigger['alarm']]
}

function isAlike(one: ReplayedRun, other: ReplayedRun): boolean {
  return one.state === other.state && one.step === other.step && JSON.stringify(one.did) === JSON.stringify(other.did)
}
