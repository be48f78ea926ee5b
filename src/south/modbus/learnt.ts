import { createHash } from 'node:crypto'
import { type Clock, epochMs } from '../../base/clock.ts'
import { errorFields, type Log } from '../../base/log.ts'
import type { LearntNote } from '../driver.ts'
import type { Item } from './item.ts'
import { type LearntRead, readLearnt, writeLearnt } from './learnt-file.ts'
import { functionNote, holeNote, limitNote, type NoteContext, readAgainNote, tooMuchNote } from './learnt-notes.ts'
import type { LearntFacts, LearntHole } from './learnt-schema.ts'
import { type Block, endOf, isSameLine, type PlanLimits, planBlocks, type Span } from './planner.ts'
import { learntHolesMax } from './settings.ts'
import { inPinnedHole, notReadable } from './status.ts'
import type { Finding } from './survey.ts'

/** What the device file says about the device, so that nobody needs to find it out. */
export interface PinnedFacts {
  readonly limits: PlanLimits
  /** Never asked for. */
  readonly holes: readonly Span[]
  /** Function codes that the device lacks. */
  readonly without: readonly number[]
  /** What takes writes and answers nothing. */
  readonly isWriteOnly: (item: Item) => boolean
}

export interface LearntOptions {
  /** Empty: nothing is kept. */
  readonly folder: string
  /** Who is asked: what was learnt of somebody else does not count. */
  readonly peer: string
  readonly items: readonly Item[]
  readonly pinned: PinnedFacts
  readonly words: NoteContext
  readonly clock: Clock
  readonly log: Log
  /** Called for what is new. */
  readonly tell: (note: LearntNote) => void
}

/** Which requests read a number of items, and which items not to ask for as usual. */
export interface Plan {
  readonly blocks: readonly Block<Item>[]
  /** Of `blocks`: nothing of them was given when they were taken apart, so that they are not taken apart again at once. */
  readonly whole: ReadonlySet<Block<Item>>
  /** Known to be refused: to be probed now and then. */
  readonly refused: readonly { readonly block: Block<Item>; readonly code: number }[]
  /** Never asked for, and the status that says why. */
  readonly unreadable: readonly { readonly item: Item; readonly status: number }[]
}

/** What only costs requests is looked at again after so long: the device may have been mended, or have had a bad day when it was asked. */
const costlyMsMax = 30 * 24 * 3_600_000
/** Told on one connection; who is told more needs another device file, not more news. */
const toldMax = 50
/** Between a finding and writing it down: a survey brings several. */
const saveDelayMs = 1_000

/** What no disk would take, by folder: at most one for each device. A device that comes and goes is not to be learnt anew each time. */
const unsaved = new Map<string, LearntFacts>()

/** What was found out about a device by asking it, kept over restarts. */
export class Learnt implements AsyncDisposable {
  readonly #options: LearntOptions
  readonly #holes = new Map<string, LearntHole>()
  readonly #limits = new Map<string, LearntFacts['limits'][number]>()
  readonly #without = new Map<string, LearntFacts['without'][number]>()
  #saveTimer: Disposable | undefined
  #saving: Promise<void> = Promise.resolve()
  #isSaveFailing = false
  #told = 0

  /** Never rejects: what cannot be read is learnt again. */
  static async load(options: LearntOptions): Promise<Learnt> {
    const learnt = new Learnt(options)
    if (options.folder === '') return learnt
    try {
      const kept = unsaved.get(options.folder)
      const { facts, setAsideAs }: LearntRead = kept === undefined ? await readLearnt(options.folder) : { facts: kept }
      if (facts !== undefined) learnt.#take(facts)
      if (setAsideAs !== undefined)
        options.log.warn('What was learnt about the device cannot be read, and is learnt again.', { setAsideAs })
    } catch (error) {
      options.log.warn('What was learnt about the device cannot be read, and is learnt again.', errorFields(error))
    }
    return learnt
  }

  private constructor(options: LearntOptions) {
    this.#options = options
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#saveTimer !== undefined) this.#save()
    await this.#saving
  }

  plan(items: readonly Item[]): Plan {
    const unreadable = items.flatMap((item) => {
      const status = this.#whyUnreadable(item)
      return status === undefined ? [] : [{ item, status }]
    })
    const never = new Set(unreadable.map(({ item }) => item))
    const asked = items.filter((item) => !never.has(item))
    const isRefused = (item: Item): boolean => this.#holes.has(keyOf('hole', item))
    const refused = [...Map.groupBy(asked.filter(isRefused), (item) => keyOf('hole', item))].map(([key, same]) => {
      const [first] = same as [Item]
      return { block: { ...spanOf(first), items: same }, code: this.#holes.get(key)?.code ?? 2 }
    })
    const blocks = this.planBlocks(asked.filter((item) => !isRefused(item)))
    const whole = new Set(blocks.filter((block) => this.#holes.get(keyOf('whole', block))?.tags === hashOf(block.items)))
    return { blocks, whole, refused, unreadable }
  }

  /** The requests for items that are to be read, whether or not they were refused before. */
  planBlocks(items: readonly Item[]): readonly Block<Item>[] {
    const { limits, holes } = this.#options.pinned
    const avoided = [...holes, ...Array.from(this.#holes.values()).filter(({ kind }) => kind !== 'whole')]
    return [...Map.groupBy(items, ({ unit }) => unit)].flatMap(([unit, ofUnit]) => {
      const registersMax = Math.min(limits.registersMax, this.#limits.get(`${unit}/false`)?.countMax ?? limits.registersMax)
      const coilsMax = Math.min(limits.coilsMax, this.#limits.get(`${unit}/true`)?.countMax ?? limits.coilsMax)
      return planBlocks(ofUnit, { ...limits, registersMax, coilsMax, holes: avoided })
    })
  }

  /** True where it was news, and could be kept in mind. */
  add(finding: Finding): boolean {
    const { clock, words } = this.#options
    const sinceMs = clock.now()
    if (finding.kind === 'limit') {
      const { unit, isBits, countMax } = finding
      const before = this.#limits.get(`${unit}/${isBits}`)
      if (before !== undefined && before.countMax <= countMax) return false
      this.#limits.set(`${unit}/${isBits}`, { unit, isBits, countMax, sinceMs })
      return this.#news(limitNote(finding, words))
    }
    const key = keyOf(finding.kind, finding.span)
    const tags = finding.kind === 'whole' ? hashOf(finding.span.items) : this.#tagsAt(finding.span)
    const before = this.#holes.get(key)
    if (before === undefined ? this.#holes.size >= learntHolesMax : finding.kind !== 'whole' || before.tags === tags) return false
    const hole: LearntHole = { ...spanOf(finding.span), kind: finding.kind, code: finding.code, tags, sinceMs }
    this.#holes.set(key, hole)
    return this.#news(this.#isSaidByAnother(hole) ? undefined : holeNote(finding, words))
  }

  /** What was refused here can be read now. */
  forget(span: Span): void {
    let isNews = false
    for (const [key, hole] of this.#holes) {
      const touches = hole.kind !== 'hole' && isSameLine(hole, span) && hole.start < endOf(span) && endOf(hole) > span.start
      if (key === keyOf('hole', span) || touches) isNews = this.#holes.delete(key) || isNews
    }
    if (isNews) this.#news(readAgainNote(span, this.#options.words))
  }

  lacks(unit: number, code: number): boolean {
    return this.isPinnedWithout(code) || this.#without.has(`${unit}/${code}`)
  }

  isPinnedWithout(code: number): boolean {
    return this.#options.pinned.without.includes(code)
  }

  /** Only where another function did the work: what nothing else can do is worth another try. */
  addMissing(unit: number, code: number): void {
    if (this.lacks(unit, code)) return
    this.#without.set(`${unit}/${code}`, { unit, function: code, sinceMs: this.#options.clock.now() })
    this.#news(functionNote({ unit, code }, this.#options.words))
  }

  notes(): readonly LearntNote[] {
    const { words } = this.#options
    return [
      ...Array.from(this.#limits.values(), (limit) => ({ ...limitNote(limit, words), sinceMs: epochMs(limit.sinceMs) })),
      ...[...this.#holes.values()]
        .filter((hole) => !this.#isSaidByAnother(hole))
        .map((hole) => ({ ...holeNote({ ...hole, span: hole }, words), sinceMs: epochMs(hole.sinceMs) })),
      ...Array.from(this.#without.values(), (one) => ({
        ...functionNote({ ...one, code: one.function }, words),
        sinceMs: epochMs(one.sinceMs),
      })),
    ]
  }

  /** That a value cannot be read says already that it cannot be read along. */
  #isSaidByAnother(gap: LearntHole): boolean {
    const isWithin = (hole: LearntHole): boolean => isSameLine(hole, gap) && hole.start <= gap.start && endOf(hole) >= endOf(gap)
    return gap.kind === 'gap' && gap.count > 0 && [...this.#holes.values()].some((hole) => hole.kind === 'hole' && isWithin(hole))
  }

  #whyUnreadable(item: Item): number | undefined {
    const { holes, isWriteOnly } = this.#options.pinned
    if (isWriteOnly(item)) return notReadable
    const isInHole = holes.some((hole) => isSameLine(hole, item) && hole.start < endOf(item) && endOf(hole) > item.start)
    return isInHole ? inPinnedHole : undefined
  }

  #take({ peer, holes, limits, without }: LearntFacts): void {
    if (peer !== this.#options.peer) return
    const isFresh = ({ sinceMs }: { readonly sinceMs: number }): boolean => this.#options.clock.now() - sinceMs < costlyMsMax
    for (const hole of holes) {
      const isSame = hole.kind === 'whole' || hole.tags === this.#tagsAt(hole) // the tags of a whole are compared when it is planned
      if (isSame && (hole.kind === 'hole' || isFresh(hole))) this.#holes.set(keyOf(hole.kind, hole), hole)
    }
    for (const limit of limits.filter(isFresh)) this.#limits.set(`${limit.unit}/${limit.isBits}`, limit)
    for (const one of without) this.#without.set(`${one.unit}/${one.function}`, one)
  }

  /** A short word for the tags that touch a place: it changes when one is added, removed or made another. */
  #tagsAt(span: Span): string {
    const touching = this.#options.items.filter((item) => isSameLine(item, span) && item.start < endOf(span) && endOf(item) > span.start)
    return touching.length === 0 ? '' : hashOf(touching)
  }

  #news(note: Omit<LearntNote, 'sinceMs'> | undefined): true {
    const { clock, folder } = this.#options
    if (note !== undefined) this.#tell(note)
    if (folder !== '') this.#saveTimer ??= clock.after(saveDelayMs, () => this.#save())
    return true
  }

  #tell(note: Omit<LearntNote, 'sinceMs'>): void {
    const { clock, tell } = this.#options
    this.#told += 1
    if (this.#told > toldMax + 1) return
    tell({ ...(this.#told > toldMax ? tooMuchNote(toldMax) : note), sinceMs: clock.now() })
  }

  #save(): void {
    this.#saveTimer?.[Symbol.dispose]()
    this.#saveTimer = undefined
    this.#saving = this.#saving.then(() => this.#write())
  }

  async #write(): Promise<void> {
    const { folder, peer, log } = this.#options
    const [holes, limits, without] = [[...this.#holes.values()], [...this.#limits.values()], [...this.#without.values()]]
    const facts: LearntFacts = { version: 1, peer, holes, limits, without }
    try {
      await writeLearnt(folder, facts)
      this.#isSaveFailing = false
      unsaved.delete(folder)
    } catch (error) {
      unsaved.set(folder, facts)
      if (!this.#isSaveFailing)
        log.warn('What was learnt about the device cannot be kept; after a restart it is learnt again.', errorFields(error))
      this.#isSaveFailing = true
    }
  }
}

function hashOf(items: readonly Item[]): string {
  const texts = items.map(({ place }) => JSON.stringify(place)).sort()
  return createHash('sha256').update(texts.join('\n')).digest('hex').slice(0, 16)
}

function keyOf(kind: LearntHole['kind'], { unit, area, start, count }: Span): string {
  return `${kind} ${unit}/${area}:${start}+${count}`
}

function spanOf({ unit, area, start, count }: Span): Span {
  return { unit, area, start, count }
}
