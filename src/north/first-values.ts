import type { LiveTags } from '../control/contract.ts'
import type { DeviceStatus } from '../model/device.ts'
import type { ChangeBatch } from '../model/sample.ts'

/** Tells when every device of the site has given its first good value, or has been tried in vain. */
export class FirstValues implements Disposable {
  /** Never rejects. */
  readonly heard: Promise<void>
  readonly #tags: LiveTags
  readonly #awaited: Set<string>
  readonly #listener: Disposable
  readonly #heard = Promise.withResolvers<void>()

  constructor(tags: LiveTags) {
    this.#tags = tags
    this.heard = this.#heard.promise
    this.#awaited = new Set(tags.metas.map(({ device }) => device))
    this.#listener = tags.onChanges((batch) => this.#take(batch))
    this.#look()
  }

  devices(statuses: readonly DeviceStatus[]): void {
    for (const { device, lastFault } of statuses) if (lastFault !== undefined) this.#awaited.delete(device)
    this.#look()
  }

  [Symbol.dispose](): void {
    this.#listener[Symbol.dispose]()
    this.#heard.resolve()
  }

  #take(batch: ChangeBatch): void {
    for (const { tag, sample } of batch) {
      const device = this.#tags.metas[tag]?.device
      if (sample.quality === 'good' && device !== undefined) this.#awaited.delete(device)
    }
    this.#look()
  }

  /** The listener goes with the last device: nothing of this is left in the hot path. */
  #look(): void {
    if (this.#awaited.size === 0) this[Symbol.dispose]()
  }
}
