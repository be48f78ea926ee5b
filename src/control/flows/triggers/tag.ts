import type { Clock } from '../../../base/clock.ts'
import { checkedExpression, type Expression } from '../../../model/expression.ts'
import type { Sample } from '../../../model/sample.ts'
import { asTagId, type TagId } from '../../../model/tag.ts'
import type { TagTrigger } from '../definition.ts'
import type { TagView } from '../step-ports.ts'

export interface TriggerOptions {
  readonly trigger: TagTrigger
  readonly tags: TagView
  readonly clock: Clock
  readonly fire: (sample: Sample) => void
}

/**
 * Watches one condition for the moment it becomes true. Only a change from known false to true is such a moment: a condition that is true when
 * the daemon starts, or true again after its tag was stale, has not become true, and a restart must not repeat what a flow did.
 */
export class Trigger implements Disposable {
  /** Every tag whose change may change the condition. */
  readonly watched: readonly TagId[]
  readonly #options: TriggerOptions
  readonly #condition: Expression
  /** It has been known to be false since it was last true. */
  #isArmed = false
  #delay: Disposable | undefined
  /** At the last start; for the deadband. */
  #startedAt: number | undefined

  constructor(options: TriggerOptions) {
    this.#options = options
    this.#condition = checkedExpression(options.trigger.when, 'flow')
    this.watched = [...new Set([options.trigger.tag, ...this.#condition.tags.map(asTagId)])]
  }

  /** To be called whenever one of the watched tags has changed. */
  look(): void {
    const isTrue = this.#evaluate()
    if (isTrue === undefined) return // unknown: the trigger waits, and keeps what it knew
    if (!isTrue) {
      this.#isArmed ||= this.#hasMoved()
      this.#cancelDelay()
    } else if (this.#isArmed) {
      this.#isArmed = false
      this.#becomeTrue()
    }
  }

  [Symbol.dispose](): void {
    this.#cancelDelay()
  }

  #becomeTrue(): void {
    const { trigger, clock } = this.#options
    if (trigger.forMs === undefined) {
      this.#fire()
      return
    }
    this.#delay = clock.after(trigger.forMs, () => {
      this.#delay = undefined
      const isTrue = this.#evaluate()
      if (isTrue === true) this.#fire()
      // What cannot be seen has not stayed true; once it is seen to be true again it has become so, and nobody was told yet.
      this.#isArmed ||= isTrue === undefined
    })
  }

  #fire(): void {
    const sample = this.#options.tags.sampleOf(this.#options.trigger.tag)
    if (sample === undefined) return
    if (typeof sample.value === 'number') this.#startedAt = sample.value
    this.#options.fire(sample)
  }

  /** A value that trembles around a limit must not start a run at each crossing. */
  #hasMoved(): boolean {
    const { trigger, tags } = this.#options
    const value = tags.sampleOf(trigger.tag)?.value
    if (trigger.deadband === undefined || this.#startedAt === undefined || typeof value !== 'number') return true
    return Math.abs(value - this.#startedAt) >= trigger.deadband
  }

  #cancelDelay(): void {
    this.#delay?.[Symbol.dispose]()
    this.#delay = undefined
  }

  #evaluate(): boolean | undefined {
    const { trigger, tags } = this.#options
    const sample = tags.sampleOf(trigger.tag)
    const value = this.#condition.evaluate({
      tag: (name) => tags.sampleOf(asTagId(name)),
      ...(sample === undefined ? {} : { value: sample.value, quality: sample.quality }),
    })
    return typeof value === 'boolean' ? value : undefined
  }
}
