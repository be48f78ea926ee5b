import { compileFlow } from '../../../src/control/flows/compiled.ts'
import { definitionOf } from '../../../src/control/flows/kept.ts'
import type { RunEnd } from '../../../src/control/flows/run-end.ts'
import type { CommandResult } from '../../../src/model/command.ts'
import type { TagValue } from '../../../src/model/tag.ts'
import { loadSite } from '../../../src/site/load.ts'
import type { RunRecord } from '../../../src/store/contract.ts'
import { type Cut, Life, World } from './life.ts'
import { cutsOf, live, type Proof } from './prove.ts'
import { line, react, shipped } from './shipped-line.ts'

/** A run of a shipped flow at the moment when the power failed, as its journal and the plant had it. JSON. */
export interface KeptLife {
  readonly flow: string
  readonly cut: Cut
  /** As it stands in the journal. */
  readonly definition: string
  readonly records: readonly RunRecord[]
  readonly atMs: number
  readonly tags: Readonly<Record<string, TagValue>>
  readonly results: readonly (readonly [string, CommandResult])[]
  /** Places in the run of what was carried out. */
  readonly done: readonly string[]
  /** What the release that wrote it has made of it. */
  readonly became: Became
}

interface Became {
  readonly end: RunEnd
  readonly tags: Readonly<Record<string, TagValue>>
  readonly done: readonly string[]
}

function tagsOf({ tags }: World): Readonly<Record<string, TagValue>> {
  return Object.fromEntries([...tags].map(([tag, { value }]) => [tag, value ?? '']))
}

/** Every moment of every shipped flow at which the power may fail and something new is known. */
export async function livesOfToday(): Promise<readonly KeptLife[]> {
  const { site } = await loadSite(new URL('../../..', import.meta.url).pathname, { environment: {} })
  const lives: KeptLife[] = []
  for (const flow of site?.flows ?? []) {
    const proof: Proof = { tags: line, ...shipped[flow.flow]?.proof, react, flow }
    for (const cut of cutsOf(await live(proof))) {
      if (cut.when === 'before') continue // the same as after what came before
      const { world, life, end } = await live(proof, { cut })
      if (end !== 'dead') continue
      const state = {
        flow: flow.flow,
        cut,
        definition: compileFlow(flow).text,
        records: [...life.kept],
        atMs: life.clock.now(),
        tags: tagsOf(world),
        results: [...world.results],
        done: [...world.done],
      }
      lives.push({ ...state, became: await goOn(state) })
    }
  }
  return JSON.parse(JSON.stringify(lives)) as readonly KeptLife[]
}

/** The run goes on from what was kept, on the engine as it is. */
export async function goOn({ flow: name, definition, records, atMs, tags, results, done }: Omit<KeptLife, 'became'>): Promise<Became> {
  const { trigger, input, answer } = shipped[name]?.proof ?? {}
  const world = new World(tags, react)
  for (const [id, result] of results) world.results.set(id, result)
  world.done.push(...done)
  const start = { ...(trigger === undefined ? {} : { trigger }), ...(input === undefined ? {} : { input }) }
  const life = new Life({
    world,
    flow: definitionOf(definition),
    past: records,
    startMs: atMs,
    ...start,
    ...(answer === undefined ? {} : { answer }),
  })
  const end = await life.end()
  if (end === 'dead') throw new Error('died without a cut')
  return JSON.parse(JSON.stringify({ end, tags: tagsOf(world), done: world.done })) as Became
}
