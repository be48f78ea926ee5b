import { asTagId, type TagIndex, type TagMeta } from '../model/tag.ts'
import type { TagTable } from './tag-table.ts'

/** Which tags show one place of one device: what the device files say, and what drivers find out when they have met the device. */
export class SharedPlaces {
  readonly #table: TagTable
  readonly #others = new Map<TagIndex, Set<TagIndex>>()

  constructor(table: TagTable, across: readonly (readonly [Pick<TagMeta, 'id'>, Pick<TagMeta, 'id'>])[] = []) {
    this.#table = table
    for (const [place, { device, sharedWith = [] }] of table.metas.entries()) {
      for (const path of sharedWith) this.#link(place as TagIndex, table.find(asTagId(`${device}/${path}`)))
    }
    for (const [one, other] of across) this.#link(table.find(one.id), table.find(other.id))
  }

  /** The tag first. */
  of(tag: TagIndex): readonly TagIndex[] {
    return [tag, ...(this.#others.get(tag) ?? [])]
  }

  /** These are one place, and stay so: nobody is harmed where that is over. It matters where one of them may be written. */
  add(tags: readonly TagIndex[]): void {
    for (const one of tags.filter((tag) => this.#table.metas[tag]?.write !== undefined)) {
      for (const other of tags) this.#link(one, other)
    }
  }

  #link(one: TagIndex | undefined, other: TagIndex | undefined): void {
    if (one === undefined || other === undefined || one === other) return
    this.#others.set(one, (this.#others.get(one) ?? new Set()).add(other))
    this.#others.set(other, (this.#others.get(other) ?? new Set()).add(one))
  }
}
