import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { temporaryFolder } from '../line/round.ts'
import type { Measure } from '../report.ts'
import { startGateway } from '../south/gateway.ts'
import { startPlc } from './plc.ts'
import { converse } from './publisher.ts'
import { pulseDevice, twoWrites } from './reaction.ts'
import { type Rounds, roundsOf } from './rounds.ts'

const devices = 10
const shareMax = 5
/** Of the profile: what belongs to the start. */
const startS = 5

/**
 * What only tells of what happens: events on their way into the journal and to clients, topics of runs, metrics. `command.asked` and `command.done` of a
 * flow's writes are among them: what a restart goes by are the records of the run, and the road waits for its own where others than flows write.
 */
const observers =
  /\/(control\/(events|journal-sink)|control\/flows\/(telling|run-topics)|store\/event(s|-blocks)|model\/cloud-event|[a-z/-]*metrics?)\.ts$/

/** What others do with an event once it has been told: the store reads it, and the broker brings it to who listens. */
const receivers = new Set(['eventRows', 'publishTexts'])

/** 100 runs a second, whose events somebody hears, and metrics that are asked for every second: of the daemon's processor time, by its own profile. */
export async function benchObserving({ isSmoke, say }: Rounds): Promise<readonly Measure[]> {
  return await roundsOf({ isSmoke, say, what: 'what observing costs' }, () => sharesOf(isSmoke ? 3 : 12))
}

async function sharesOf(seconds: number): Promise<readonly Measure[]> {
  using folder = temporaryFolder()
  const profiles = join(folder.path, 'profiles')
  mkdirSync(profiles)
  await profiled({ folder: folder.path, profiles, seconds })
  const sums = readdirSync(profiles).map((file) => sumsOf(JSON.parse(readFileSync(join(profiles, file), 'utf8')) as Profile))
  const busy = sums.reduce((sum, each) => sum + each.busy, 0)
  const observing = sums.reduce((sum, each) => sum + each.observing, 0)
  const receiving = sums.reduce((sum, each) => sum + each.receiving, 0)
  return [
    {
      name: '100 runs/s: events and metrics, share of the processor time',
      value: (observing / busy) * 100,
      unit: '%',
      limit: { atMost: shareMax },
    },
    {
      name: '100 runs/s: the same, with the store reading events and the broker telling them to one client',
      value: ((observing + receiving) / busy) * 100,
      unit: '%',
    },
  ]
}

async function profiled({
  folder,
  profiles,
  seconds,
}: {
  readonly folder: string
  readonly profiles: string
  readonly seconds: number
}): Promise<void> {
  await using plc = await startPlc({ devices, periodMs: 100 })
  const places = plc.ports.map((port, place) => ({ name: `d${place}`, port }))
  await using gateway = await startGateway(Object.fromEntries(places.map(({ name, port }) => [name, pulseDevice({ port, pollMs: 20 })])), {
    folder,
    flows: Object.fromEntries(places.map(({ name }) => [`react-${name}`, twoWrites(name)])),
    nodeArguments: ['--cpu-prof', `--cpu-prof-dir=${profiles}`],
  })
  await using _listening = await converse(gateway, 'lineside/bench/events/#')
  for (let second = 0; second < startS + seconds; second += 1) {
    await sleep(1_000)
    await gateway.scrape()
  }
}

interface Profile {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string }
    readonly children?: readonly number[]
  }[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

/** No work of the processor: nothing to do, and the flush of the disk in a commit. */
const waits = new Set(['(idle)', '(program)', 'committed'])

/** µs */
function sumsOf({ nodes, samples, timeDeltas }: Profile): Readonly<Record<'busy' | 'observing' | 'receiving', number>> {
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const observing = new Set<number>()
  const receiving = new Set<number>()
  const mark = (id: number, isAlong: boolean, marked: Set<number>): void => {
    const { callFrame, children = [] } = byId.get(id) ?? {}
    // Events go along, as texts, in the call that takes the records of runs to the store: without them it would be made as well.
    if (isAlong && callFrame?.url.endsWith('/base/door.ts') === true) return
    marked.add(id)
    for (const child of children) mark(child, isAlong || callFrame?.functionName === 'along', marked)
  }
  for (const { id, callFrame } of nodes) {
    const isInCall = callFrame.functionName === 'along' || callFrame.functionName === 'tellKept'
    if (observers.test(callFrame.url) || callFrame.functionName === 'metrics') mark(id, isInCall, observing)
    if (receivers.has(callFrame.functionName)) mark(id, false, receiving)
  }
  const sums = { at: 0, busy: 0, observing: 0, receiving: 0 }
  for (const [place, id] of samples.entries()) {
    const us = timeDeltas[place] ?? 0
    sums.at += us
    const isIdle = waits.has(byId.get(id)?.callFrame.functionName ?? '(idle)')
    if (sums.at < startS * 1e6 || isIdle) continue
    sums.busy += us
    if (observing.has(id)) sums.observing += us
    else if (receiving.has(id)) sums.receiving += us
  }
  return sums
}
