import type { ChangeBatch } from '../../model/sample.ts'
import { asTagId, type TagIndex } from '../../model/tag.ts'
import type { TagTable } from '../tag-table.ts'

/** Who wants to look when which tag changes: triggers for ever, waiting steps for a while. */
export class Watchers {
  readonly #table: TagTable
  readonly #byTag = new Map<TagIndex, Set<() => void>>()

  constructor(table: TagTable) {
    this.#table = table
  }

  watch(tags: readonly string[], look: () => void): Disposable {
    const own = () => look() // the same look twice is two watchers
    const places = tags.flatMap((tag) => this.#table.find(asTagId(tag)) ?? [])
    for (const place of places) {
      const looks = this.#byTag.get(place) ?? new Set()
      looks.add(own)
      this.#byTag.set(place, looks)
    }
    return { [Symbol.dispose]: () => this.#leave(places, own) }
  }

  take(batch: ChangeBatch): void {
    if (this.#byTag.size === 0) return
    const woken = new Set<() => void>()
    for (const { tag } of batch) for (const look of this.#byTag.get(tag) ?? []) woken.add(look)
    for (const look of woken) look()
  }

  #leave(places: readonly TagIndex[], look: () => void): void {
    for (const place of places) {
      const looks = this.#byTag.get(place)
      looks?.delete(look)
      if (looks?.size === 0) this.#byTag.delete(place)
    }
  }
}
