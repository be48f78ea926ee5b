import type { Clock } from '../base/clock.ts'
import type { Door } from '../base/door.ts'
import type { Metric } from '../base/metric.ts'
import { DropOldestQueue } from '../base/queue.ts'
import type { ControlCalls } from '../control/contract.ts'
import type { SiteEvent } from '../model/event.ts'

/** Events that wait while control is away; whoever tells of them bounds their number already. */
const waitingMax = 200
const retryPauseMs = 1_000

/** What happens at the doors of this room, on its way to the journal by way of control, which tells it on to clients and upstreams. */
export class DoorEvents implements Disposable {
  readonly #control: Pick<Door<ControlCalls>, 'call'>
  readonly #clock: Clock
  readonly #waiting = new DropOldestQueue<SiteEvent>({ sizeMax: waitingMax })
  #isSending = false
  #retry: Disposable | undefined

  constructor(options: { readonly control: Pick<Door<ControlCalls>, 'call'>; readonly clock: Clock }) {
    this.#control = options.control
    this.#clock = options.clock
  }

  record(event: SiteEvent): void {
    this.#waiting.push(event)
    void this.#send()
  }

  metrics(): readonly Metric[] {
    const help = 'Events at the doors of this gateway that are not in the journal: control was away for too long.'
    return [{ name: 'lineside_door_events_lost_total', help, type: 'counter', value: this.#waiting.dropped }]
  }

  [Symbol.dispose](): void {
    this.#retry?.[Symbol.dispose]()
  }

  async #send(): Promise<void> {
    if (this.#isSending) return
    this.#isSending = true
    for (let [event] = this.#waiting.take(1); event !== undefined; [event] = this.#waiting.take(1)) {
      const isTaken = await this.#control.call('record', event).then(
        () => true,
        () => false,
      )
      if (isTaken) continue
      this.#waiting.unshift([event])
      this.#retry = this.#clock.after(retryPauseMs, () => void this.#send())
      break
    }
    this.#isSending = false
  }
}
