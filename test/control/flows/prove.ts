import { expect } from 'vitest'
import { allSteps } from '../../../src/control/flows/all-steps.ts'
import type { FlowDefinition } from '../../../src/control/flows/definition.ts'
import type { RunEnd } from '../../../src/control/flows/run-end.ts'
import type { TagValue } from '../../../src/model/tag.ts'
import type { RunRecord } from '../../../src/store/contract.ts'
import { type Cut, Life, type LifeOptions, World } from './life.ts'

export interface Proof {
  readonly flow: FlowDefinition
  /** The plant at the beginning, and how it answers. */
  readonly tags?: Readonly<Record<string, TagValue>>
  readonly react?: (world: World, effect: string) => void
  readonly trigger?: Readonly<Record<string, unknown>>
  readonly input?: Readonly<Record<string, unknown>>
  readonly answer?: Exclude<LifeOptions['answer'], undefined>
  /** Which branch is the quicker one may be another in each life. */
  readonly isRace?: boolean
  /** Tags that the machine sets back by itself: nobody can read whether they were written. */
  readonly springsBack?: readonly string[]
}

interface Lived {
  readonly world: World
  readonly life: Life
  readonly end: RunEnd | 'dead'
}

export async function live(proof: Proof, more: Partial<LifeOptions> = {}): Promise<Lived> {
  const world = more.world ?? new World(proof.tags, proof.react)
  const life = new Life({ ...proof, world, ...more })
  return { world, life, end: await life.end() }
}

interface LivedTwice extends Lived {
  readonly isCut: boolean
  /** What the journal held when the power failed. */
  readonly kept: readonly RunRecord[]
  /** A write was asked for, and neither the road nor the tag can tell whether it was done. */
  readonly isInDoubt: boolean
}

/** Dies at the cut, and goes on from what was kept. */
async function liveTwice(proof: Proof, cut: Cut, more: Partial<LifeOptions> = {}): Promise<LivedTwice> {
  const first = await live(proof, { ...more, cut })
  const { kept, clock } = first.life
  if (first.end !== 'dead') return { ...first, isCut: false, kept, isInDoubt: false }
  const isInDoubt = hasDoubt(proof, first.world, kept)
  const second = await live(proof, { ...more, world: first.world, past: [...kept], startMs: clock.now() })
  return { ...second, isCut: true, kept: [...kept], isInDoubt }
}

function hasDoubt({ flow }: Proof, world: World, kept: readonly RunRecord[]): boolean {
  const open = new Map<string, string>()
  for (const record of kept) {
    if (record.kind === 'intent') open.set(record.step, record.data)
    else if (record.kind === 'outcome') open.delete(record.step)
  }
  return [...open].some(([key, data]) => {
    const [, place] = /\/(\d+)$/.exec(key) ?? []
    if (place === undefined || world.results.has(`r1/${key}`)) return false
    const what = JSON.parse(data) as TagValue | { readonly tag: string; readonly value: TagValue }
    if (typeof what === 'object' && 'tag' in what) return world.value(what.tag) !== what.value
    return world.value(writtenBy(flow, stepOf(key), Number(place))) !== what
  })
}

/** A tag that no expression computes stands in the definition alone. */
function writtenBy(flow: FlowDefinition, id: string, place: number): string {
  const step = allSteps(flow.steps).find((one) => one.id === id)
  return (step?.kind === 'write' ? step.writes[place]?.tag : undefined) ?? ''
}

/** Every moment at which the power may fail. */
export function cutsOf({ life }: Lived): readonly Cut[] {
  return (['before', 'after'] as const).flatMap((when) => [
    ...Array.from({ length: life.calls }, (_, place): Cut => ({ at: 'journal', place, when })),
    ...Array.from({ length: life.acts }, (_, place): Cut => ({ at: 'effect', place, when })),
  ])
}

/** What of the effects must not happen twice. */
function commands({ effects }: World): readonly string[] {
  return effects.filter((effect) => effect.startsWith('write') || effect.startsWith('call'))
}

/** What side by side branches do comes in the order of the moment. */
function inOrder({ flow }: Proof, effects: readonly string[]): readonly string[] {
  return flow.steps.some(({ kind }) => kind === 'parallel') ? effects.toSorted() : effects
}

/** What was told of alarms and by `emit`: at least once, each with the step that said it. */
function told({ events }: World): ReadonlySet<string> {
  return new Set(events.filter(({ data }) => data['flow'] !== undefined).map(({ type, data }) => `${type} ${String(data['step'])}`))
}

/** Ends the same when the power fails right after any effect, before anybody knew of it: each step is then done a second time, with nothing done twice and nothing missing. */
export async function provesRepeatable(proof: Proof): Promise<void> {
  const whole = await live(proof)
  for (let place = 0; place < whole.life.acts; place += 1) {
    const { world, end, isCut, isInDoubt } = await liveTwice(proof, { at: 'effect', place, when: 'after' })
    expect(isCut).toBe(true)
    provesNothingTwice(world)
    const last = whole.world.effects[place] ?? ''
    if (proof.springsBack?.some((tag) => last.startsWith(`write ${tag} `))) {
      expect({ place, end }).toMatchObject({ place, end: { fault: { code: 'flow.in-doubt' } } })
      continue
    }
    if (isInDoubt) continue // what another branch was about to write
    expect({ place, end }).toEqual({ place, end: whole.end })
    expect(inOrder(proof, commands(world))).toEqual(inOrder(proof, commands(whole.world)))
    expect(new Set(world.effects)).toEqual(new Set(whole.world.effects))
    expect(told(world)).toEqual(told(whole.world))
    expect(Object.fromEntries(world.tags)).toEqual(Object.fromEntries(whole.world.tags))
  }
}

/** Loses and repeats nothing, wherever the power fails: before, during and after each step. Gives how many moments were tried. */
export async function provesDurable(proof: Proof): Promise<number> {
  const whole = await live(proof)
  const cuts = cutsOf(whole)
  for (const cut of cuts) {
    const { world, end, isInDoubt } = await liveTwice(proof, cut)
    if (end === 'dead') throw new Error('died without a cut')
    if (end.state !== 'completed') expect({ cut, end, isInDoubt }).toMatchObject({ cut, end: { fault: { code: 'flow.in-doubt' } } })
    if (proof.isRace !== true) {
      if (!isInDoubt) expect({ cut, end }).toEqual({ cut, end: whole.end })
      if (end.state === 'completed') provesWhole(proof, { cut, world, whole: whole.world })
    }
    provesNothingTwice(world)
  }
  return cuts.length
}

/** No part of a run was written, or called, twice on the way forward. What undoes is wanted in any state. */
function provesNothingTwice({ done }: World): void {
  const forward = done.filter((key) => !key.includes('~'))
  expect(forward).toEqual([...new Set(forward)])
}

/** It has all been done, requests and messages each under its own one key. */
function provesWhole(proof: Proof, { cut, world, whole }: { readonly cut: Cut; readonly world: World; readonly whole: World }): void {
  expect({ cut, commands: inOrder(proof, commands(world)) }).toEqual({ cut, commands: inOrder(proof, commands(whole)) })
  expect({ cut, effects: new Set(world.effects) }).toEqual({ cut, effects: new Set(whole.effects) })
  expect({ cut, told: told(world) }).toEqual({ cut, told: told(whole) })
  expect(new Set(world.requestKeys)).toEqual(new Set(whole.requestKeys))
  expect(new Set(world.messageKeys)).toEqual(new Set(whole.messageKeys))
}

/** What takes an effect back; without it, there is nothing to take back. */
export type Undoes = (effect: string) => string | undefined

/** Whichever effect fails: what was done before it is undone, last first. */
export async function provesUnwinding(proof: Proof, undoes: Undoes): Promise<void> {
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

export interface StepProof {
  readonly undoes: Undoes
  /** Steps that may fail, and the run completes all the same. */
  readonly survives?: readonly string[]
}

/** Parts of the steps on the way forward, in the order in which they ended. */
function partsOf({ life }: Lived): readonly string[] {
  return [...new Set(life.kept.flatMap((record) => (record.kind === 'outcome' && !record.step.includes('~') ? [record.step] : [])))]
}

function stepOf(part: string): string {
  return /^[^@/]+/.exec(part)?.[0] ?? part
}

/** Whichever step fails, of whatever kind: what was done is undone, last first, though each undo fails once. Gives the parts that were tried. */
export async function provesEachStepUnwinds(proof: Proof, { undoes, survives = [] }: StepProof): Promise<readonly string[]> {
  const whole = await live(proof)
  const parts = partsOf(whole)
  for (const part of parts) {
    const straight = await live(proof, { failing: ({ key }) => key === part })
    if (straight.end === 'dead') throw new Error('died without a cut')
    const isSurvived = survives.includes(stepOf(part))
    expect({ part, state: straight.end.state }).toEqual({ part, state: isSurvived ? 'completed' : 'failed' })
    if (isSurvived) continue
    expect({ part, step: straight.end.step }).toEqual({ part, step: part.replace(/\/\d+$/, '') })
    provesTakenBack(part, straight.world, undoes)
    const weak = await live(proof, { failing: ({ key, isUndo, attempt }) => key === part || (isUndo && attempt === 0) })
    expect({ part, end: weak.end, effects: weak.world.effects }).toEqual({
      part,
      end: straight.end,
      effects: straight.world.effects,
    })
  }
  return parts
}

/** What was done, and then, last first, what takes it back. */
function provesTakenBack(part: string, { effects }: World, undoes: Undoes): void {
  expect({ part, effects, isTakenBack: isTakenBack(effects, undoes) }).toMatchObject({ part, isTakenBack: true })
}

function isTakenBack(effects: readonly string[], undoes: Undoes): boolean {
  return Array.from({ length: effects.length + 1 }, (_, end) => effects.slice(0, end)).some((forward) => {
    const back = forward.toReversed().flatMap((effect) => undoes(effect) ?? [])
    return JSON.stringify(effects) === JSON.stringify([...forward, ...back])
  })
}

/** The power fails at any moment while the last step that can fail makes the run go back: it goes on going back. */
export async function provesDurableUnwinding(proof: Proof, { survives = [] }: StepProof): Promise<number> {
  const part = partsOf(await live(proof)).findLast((one) => !survives.includes(stepOf(one)))
  const more: Partial<LifeOptions> = { failing: ({ key }) => key === part }
  const whole = await live(proof, more)
  const cuts = cutsOf(whole)
  for (const cut of cuts) {
    const { world, end, isInDoubt } = await liveTwice(proof, cut, more)
    if (end === 'dead') throw new Error('died without a cut')
    expect(['failed', 'unsettled']).toContain(end.state)
    if (isInDoubt) continue // where it began to go back is another step then
    expect({ cut, end }).toEqual({ cut, end: whole.end })
    expect({ cut, tags: Object.fromEntries(world.tags) }).toEqual({ cut, tags: Object.fromEntries(whole.world.tags) })
  }
  return cuts.length
}

/** Of whichever write nobody can say whether it was done: what takes it back is done all the same, or a person is told. Gives how many were tried. */
export async function provesUnknownWrites(proof: Proof, { undoes }: StepProof): Promise<number> {
  const whole = await live(proof)
  const writes = [...new Set(commands(whole.world))]
  for (const unknown of writes) {
    let times = 0
    const fail = (effect: string): 'unknown' | undefined => {
      if (effect !== unknown || times > 0) return undefined // what undoes another one may be the same write
      times += 1
      return 'unknown'
    }
    const { world, end } = await live(proof, { fail })
    if (end === 'dead') throw new Error('died without a cut')
    const state = undoes(unknown) === undefined ? 'unsettled' : 'failed'
    expect({ unknown, end }).toMatchObject({ unknown, end: { state, step: expect.any(String) } })
    const { effects } = world
    const isIt =
      effects.some((_, place) => isTakenBack(effects.toSpliced(place, 0, unknown), undoes)) || isTakenBack([...effects, unknown], undoes)
    expect({ unknown, effects, isTakenBack: isIt }).toMatchObject({ unknown, isTakenBack: true })
  }
  return writes.length
}
