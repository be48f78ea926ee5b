import type { LiveTags } from '../control/contract.ts'
import type { ChangeBatch, Sample } from '../model/sample.ts'
import { SampleColumns } from '../model/sample-columns.ts'
import { asTagIndex, type TagId, type TagIndex, type TagMeta } from '../model/tag.ts'

/** North's own copy of every current sample, fed through the door from control. */
export class LiveTagsCopy implements LiveTags {
  readonly metas: readonly TagMeta[]
  readonly #samples: SampleColumns
  readonly #places: ReadonlyMap<TagId, TagIndex>
  readonly #listeners = new Set<(batch: ChangeBatch) => void>()

  constructor(metas: readonly TagMeta[]) {
    this.metas = metas
    this.#samples = new SampleColumns(metas.length)
    this.#places = new Map(metas.map((meta, place) => [meta.id, asTagIndex(place)]))
  }

  find(id: TagId): TagIndex | undefined {
    return this.#places.get(id)
  }

  current(tag: TagIndex): Sample | undefined {
    return this.#samples.get(tag)
  }

  onChanges(listener: (batch: ChangeBatch) => void): Disposable {
    this.#listeners.add(listener)
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) }
  }

  /** Never throws: a listener that does must neither keep the others from the batch nor make control send it again. It is a bug, and ends this room. */
  take(batch: ChangeBatch): void {
    for (const { tag, sample } of batch) this.#samples.set(tag, sample)
    for (const listener of this.#listeners) {
      try {
        listener(batch)
      } catch (error) {
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }
}
