import { Fault } from '../../base/fault.ts'
import type { Reading } from '../../model/tag.ts'
import { statusName } from './quality.ts'

/**
 * The node cannot be had (not there, not for us, deleted), or the server itself does not reach what lies behind it (OPC 10000-4, 7.39.2, OPC 10000-8, 6.3):
 * the device answers, but not to everything. Other bad statuses, such as that of a broken sensor, say something about a value, not about the device.
 */
const missingStatuses: ReadonlySet<number> = new Set([
  0x8004_0000, // BadResourceUnavailable
  0x8005_0000, // BadCommunicationError
  0x800a_0000, // BadTimeout
  0x801f_0000, // BadUserAccessDenied
  0x8031_0000, // BadNoCommunication
  0x8033_0000, // BadNodeIdInvalid
  0x8034_0000, // BadNodeIdUnknown
  0x8035_0000, // BadAttributeIdInvalid
  0x803a_0000, // BadNotReadable
  0x803e_0000, // BadNotFound
  0x803f_0000, // BadObjectDeleted
  0x806f_0000, // BadNoMatch
  0x808a_0000, // BadNotConnected
  0x808b_0000, // BadDeviceFailure
  0x808d_0000, // BadOutOfService
])

/** Which tags of a server that lives cannot be had just now. */
export class MissingNodes {
  readonly #ids: readonly string[]
  readonly #remedy: () => string | undefined
  readonly #missing = new Map<number, number>()
  #tell: (fault: Fault | undefined) => void = () => {}
  #isTold = false

  /** `ids`: of the tags, by position. `remedy`: where somebody knows better than the usual one. */
  constructor(ids: readonly string[], remedy: () => string | undefined) {
    this.#ids = ids
    this.#remedy = remedy
  }

  /** Called when the first tag cannot be had, and when all can again. */
  listen(tell: (fault: Fault | undefined) => void): void {
    this.#tell = tell
  }

  take(readings: readonly Reading[]): void {
    for (const { tag, quality, status = 0 } of readings) {
      if (quality === 'bad' && missingStatuses.has(status)) this.#missing.set(tag, status)
      else if (this.#missing.size > 0) this.#missing.delete(tag)
    }
    const isMissing = this.#missing.size > 0
    if (isMissing === this.#isTold) return
    this.#isTold = isMissing
    this.#tell(isMissing ? this.#fault() : undefined)
  }

  #fault(): Fault {
    const [first] = this.#missing
    const [tag = 0, status = 0] = first ?? []
    const { size } = this.#missing
    const message = `The server does not give ${size} of ${this.#ids.length} tags: of ${this.#ids[tag]} it says ${statusName(status)}.`
    return new Fault('opcua.nodes-missing', message, {
      remedy:
        this.#remedy() ??
        'Correct their nodes in the device file, or look at what the server gets them from; `lineside tags` shows each with its status.',
      isRetryable: true,
    })
  }
}
