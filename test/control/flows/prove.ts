import { expect } from 'vitest'
import type { FlowDefinition } from '../../../src/control/flows/definition.ts'
import type { RunEnd } from '../../../src/control/flows/run-end.ts'
import type { TagValue } from '../../../src/model/tag.ts'
import { type Cut, Life, type LifeOptions, World } from './life.ts'

export interface Proof {
  readonly flow: FlowDefinition
  /** The plant at the beginning. */
  readonly tags?: Readonly<Record<string, TagValue>>
  readonly trigger?: Readonly<Record<string, unknown>>
  readonly input?: Readonly<Record<string, unknown>>
  /** Which branch is the quicker one may be another in each life. */
  readonly isRace?: boolean
}

const declared = ['completed', 'failed', 'cancelled', 'unsettled']

interface Lived {
  readonly world: World
  readonly life: Life
  readonly end: RunEnd | 'dead'
}

async function live(proof: Proof, more: Partial<LifeOptions> = {}): Promise<Lived> {
  const world = more.world ?? new World(proof.tags)
  const life = new Life({ ...proof, world, ...more })
  return { world, life, end: await life.end() }
}

/** Dies at the cut, and goes on from what was kept. */
async function liveTwice(proof: Proof, cut: Cut): Promise<Lived & { readonly isCut: boolean }> {
  const first = await live(proof, { cut })
  if (first.end !== 'dead') return { ...first, isCut: false }
  const second = await live(proof, { world: first.world, past: first.life.kept, startMs: first.life.clock.now() })
  return { ...second, isCut: true }
}

/** What of the effects must not happen twice. */
function commands(world: World): readonly string[] {
  return world.effects.filter((effect) => effect.startsWith('write') || effect.startsWith('call'))
}

/** Ends the same when the power fails right after any effect, before anybody knew of it: nothing is done twice, nothing is missing. */
export async function provesRepeatable(proof: Proof): Promise<void> {
  const whole = await live(proof)
  for (let place = 0; place < whole.life.acts; place += 1) {
    const { world, end, isCut } = await liveTwice(proof, { at: 'effect', place, when: 'after' })
    expect(isCut).toBe(true)
    expect({ place, end }).toEqual({ place, end: whole.end })
    expect(commands(world)).toEqual(commands(whole.world))
    expect(new Set(world.effects)).toEqual(new Set(whole.world.effects))
    expect([...world.tags]).toEqual([...whole.world.tags])
  }
}

/** Loses and repeats nothing, wherever the power fails: each run ends in a declared state, and what ended completed has done it all. */
export async function provesDurable(proof: Proof): Promise<void> {
  const whole = await live(proof)
  const cuts = (['before', 'after'] as const).flatMap((when) => [
    ...Array.from({ length: whole.life.calls }, (_, place): Cut => ({ at: 'journal', place, when })),
    ...Array.from({ length: whole.life.acts }, (_, place): Cut => ({ at: 'effect', place, when })),
  ])
  for (const cut of cuts) {
    const { world, end } = await liveTwice(proof, cut)
    if (end === 'dead') throw new Error('died without a cut')
    expect(declared).toContain(end.state)
    if (end.state === 'completed' && proof.isRace !== true)
      expect({ cut, commands: commands(world) }).toEqual({ cut, commands: commands(whole.world) })
    for (const command of new Set(commands(world))) {
      const most = Math.max(1, commands(whole.world).filter((each) => each === command).length)
      expect({ cut, command, times: commands(world).filter((each) => each === command).length <= most }).toEqual({
        cut,
        command,
        times: true,
      })
    }
  }
}

/** Whichever effect fails: what was done before it is undone, last first. `undoes` says what takes an effect back; without it, there is nothing to take back. */
export async function provesUnwinding(proof: Proof, undoes: (effect: string) => string | undefined): Promise<void> {
  const whole = await live(proof)
  for (const [place, failing] of whole.world.effects.entries()) {
    const { world, end } = await live(proof, { fail: (effect) => (effect === failing ? 'failed' : undefined) })
    if (end === 'dead') throw new Error('died without a cut')
    const before = whole.world.effects.slice(0, place)
    const back = before.toReversed().flatMap((effect) => undoes(effect) ?? [])
    expect({ failing, state: end.state, effects: world.effects }).toEqual({ failing, state: 'failed', effects: [...before, ...back] })
    await provesUndoRetry(proof, failing)
  }
}

/** Each undo fails once: it is tried again, and the plant is as it was. */
async function provesUndoRetry(proof: Proof, failing: string): Promise<void> {
  const straight = await live(proof, { fail: (effect) => (effect === failing ? 'failed' : undefined) })
  const seen = new Set<string>()
  const begun = { isFailed: false }
  const { world, end } = await live(proof, {
    fail: (effect) => {
      if (effect === failing) {
        begun.isFailed = true
        return 'failed'
      }
      if (!begun.isFailed || seen.has(effect)) return undefined
      seen.add(effect)
      return 'failed'
    },
  })
  expect({ failing, end, effects: world.effects }).toEqual({ failing, end: straight.end, effects: straight.world.effects })
  expect([...world.tags]).toEqual([...straight.world.tags])
}
