import { setTimeout as sleep } from 'node:timers/promises'
import { monotonicMs } from '../line/load-value.ts'
import { residentMb } from '../line/process.ts'
import { temporaryFolder } from '../line/round.ts'
import type { Measure } from '../report.ts'
import { type Gateway, startGateway } from '../south/gateway.ts'
import { converse } from './publisher.ts'
import { type Rounds, roundsOf } from './rounds.ts'
import { startRuns } from './starting.ts'

const runs = 1_000
const steps = 100
const limits = { moreMb: 150, stepsPerSecond: 5_000, resumeMs: 2_000 }
const lookEveryMs = 20
const idleMs = 3_000
const endMs = 120_000

/** 1,000 runs begun at once, each with 100 steps that publish: the intent on the disk, then the message, then the outcome. */
export async function benchMany({ isSmoke, say }: Rounds): Promise<readonly Measure[]> {
  const flows = { many: manySteps(isSmoke ? 5 : steps) }
  return await roundsOf({ isSmoke, say, what: `${runs} runs of ${steps} steps` }, async () => {
    await using gateway = await startGateway({}, { flows })
    await sleep(idleMs)
    const idleMb = residentMb(gateway.program.pid)
    const watched = { mostMb: idleMb }
    const timer = setInterval(() => {
      watched.mostMb = Math.max(watched.mostMb, residentMb(gateway.program.pid))
    }, lookEveryMs)
    await startRuns(gateway, { flow: 'many', runs })
    const begun = { atMs: monotonicMs(), steps: (await gateway.scrape()).sum('lineside_flow_steps_total') }
    const completed = await untilEnded(gateway)
    const seconds = (monotonicMs() - begun.atMs) / 1_000
    clearInterval(timer)
    return [
      { name: `${runs} runs at once, ${steps} steps each: completed`, value: completed, unit: '', limit: { atLeast: runs } },
      {
        name: `${runs} runs at once, ${steps} steps each: durable steps`,
        value: (runs * (isSmoke ? 5 : steps) - begun.steps) / seconds,
        unit: '1/s',
        limit: { atLeast: limits.stepsPerSecond },
      },
      {
        name: `${runs} runs at once, ${steps} steps each: memory at most, more than idle`,
        value: watched.mostMb - idleMb,
        unit: 'MB',
        limit: { atMost: limits.moreMb },
      },
    ]
  })
}

/** The gateway is killed while 1,000 runs wait, and comes back when their time is over: from its start until all of them have ended. */
export async function benchResume({ isSmoke, say }: Rounds): Promise<readonly Measure[]> {
  const flows = { resume: waiting }
  return await roundsOf({ isSmoke, say, what: `${runs} runs after a crash` }, async () => {
    using folder = temporaryFolder()
    await killedWhileWaiting(folder.path, flows)
    const begunMs = monotonicMs()
    await using gateway = await startGateway({}, { flows, folder: folder.path })
    const readyMs = monotonicMs() - begunMs
    const completed = await untilEnded(gateway)
    const tookMs = monotonicMs() - begunMs
    const name = `${runs} runs that were under way when the power failed`
    return [
      { name: `${name}: completed`, value: completed, unit: '', limit: { atLeast: runs } },
      { name: `${name}: start of the program to all ended`, value: tookMs, unit: 'ms', limit: { atMost: limits.resumeMs } },
      { name: `${name}: of it until it is ready`, value: readyMs, unit: 'ms' },
    ]
  })
}

const waitMs = 6_000
const startable = { on: [{ start: 'operator' }], input: { n: { type: 'number' } } }

const waiting = {
  ...startable,
  concurrency: { limit: runs, queue: runs },
  steps: [
    { id: 'before', publish: { topic: 'before', payload: '${input.n}' }, undo: [] },
    { id: 'while', wait: { for: `${waitMs}ms` } },
    { id: 'after', publish: { topic: 'after', payload: '${input.n}' }, undo: [] },
  ],
}

async function killedWhileWaiting(folder: string, flows: Readonly<Record<string, object>>): Promise<void> {
  const gateway = await startGateway({}, { flows, folder })
  const conversation = await converse(gateway, 'bench/south/before')
  await startRuns(gateway, { flow: 'resume', runs })
  const limit = monotonicMs() + waitMs
  while (conversation.count < runs && monotonicMs() < limit) await sleep(lookEveryMs)
  await sleep(500) // so that all of them wait, and say so on the disk
  gateway.program.kill('SIGKILL')
  await gateway.program.ended
  await conversation[Symbol.asyncDispose]()
  await sleep(waitMs)
}

function manySteps(count: number): object {
  return {
    ...startable,
    concurrency: { limit: runs, queue: runs },
    steps: Array.from({ length: count }, (_, place) => ({
      id: `s${place}`,
      publish: { topic: `many/s${place}`, payload: '${input.n}' },
      undo: [],
    })),
  }
}

/** How many of them completed. */
async function untilEnded(gateway: Gateway): Promise<number> {
  const limit = monotonicMs() + endMs
  for (;;) {
    const metrics = await gateway.scrape()
    const completed = metrics.sum('lineside_flow_runs_total', ({ state }) => state === 'completed')
    if (metrics.sum('lineside_flow_runs_total') >= runs || monotonicMs() > limit) return completed
    if (gateway.program.hasEnded) throw new Error(gateway.program.said)
    await sleep(lookEveryMs)
  }
}
