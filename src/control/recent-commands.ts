import { createHash } from 'node:crypto'
import type { Clock, EpochMs, MonotonicMs } from '../base/clock.ts'
import type { Command, CommandResult } from '../model/command.ts'
import { jsonValue } from '../model/payload.ts'
import { idReused } from './command-faults.ts'

/** A client that lost its connection asks again within this time, or never. */
export const rememberedMs = 600_000
const rememberedMax = 5_000
/** Longer values are remembered by their hash, and not told again. */
const valueCharsMax = 200

interface Recent {
  readonly value: string
  /** By the clock that does not jump: a wall clock set right must not make a repetition a new wish. */
  readonly askedAt: MonotonicMs
  readonly result: Promise<CommandResult>
}

interface Remembering {
  /** Default: now. */
  readonly askedMs?: EpochMs
  /** Once it has ended: whether the device has surely not heard of it. */
  readonly isUnsent?: () => boolean
}

/**
 * What was asked lately, by asker, tag and id: a wish that comes twice (MQTT QoS 1, a client that repeats a request) is carried out once.
 * What ended without having been sent is forgotten, refused or failed: asking again is no repetition then. Bounded: the oldest go first.
 */
export class RecentCommands {
  readonly #clock: Clock
  readonly #byKey = new Map<string, Recent>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get size(): number {
    return this.#byKey.size
  }

  /** The answer to the same wish asked before, be it still under way; throws `command.id-reused` where the id meant another value. */
  find(command: Command): Promise<CommandResult> | undefined {
    const recent = this.#byKey.get(keyOf(command))
    if (recent === undefined || this.#clock.elapsed() - recent.askedAt > rememberedMs) return undefined
    if (recent.value !== printOf(command)) throw idReused(command)
    return recent.result
  }

  /** Remembers a wish whose answer is still to come, or known from an earlier life. */
  remember(
    command: Command,
    result: Promise<CommandResult>,
    { askedMs = this.#clock.now(), isUnsent = () => false }: Remembering = {},
  ): void {
    const key = keyOf(command)
    const askedAt = (this.#clock.elapsed() - Math.max(0, this.#clock.now() - askedMs)) as MonotonicMs
    const recent: Recent = { value: printOf(command), askedAt, result: result.then(small) }
    this.#byKey.delete(key)
    this.#byKey.set(key, recent)
    void recent.result.then(({ status }) => {
      const isForgotten = status === 'refused' || (status === 'failed' && isUnsent())
      if (isForgotten && this.#byKey.get(key) === recent) this.#byKey.delete(key)
    })
    for (const [oldest] of this.#byKey) {
      if (this.#byKey.size <= rememberedMax) break
      this.#byKey.delete(oldest)
    }
  }
}

function keyOf({ by, tag, id }: Command): string {
  return JSON.stringify([by.road, by.name, tag, id])
}

function printOf({ value }: Command): string {
  const text = JSON.stringify(jsonValue(value))
  return text.length <= valueCharsMax ? text : createHash('sha256').update(text).digest('base64')
}

function small(result: CommandResult): CommandResult {
  if (typeof result.value !== 'object' && typeof result.value !== 'string') return result
  const { value, ...rest } = result
  return JSON.stringify(jsonValue(value)).length <= valueCharsMax ? result : rest
}
