import type { EpochMs } from '../../base/clock.ts'
import { Fault } from '../../base/fault.ts'
import { tagValueOf } from '../../model/json-value.ts'
import type { Quality } from '../../model/quality.ts'
import type { Reading, TagMeta, TagValue } from '../../model/tag.ts'
import type { Device } from '../../south/device.ts'
import type { CallOutcome, MethodCall, RawWrite, WriteOutcome } from '../../south/driver.ts'
import type { TagStates } from './definition.ts'

interface Held {
  readonly value: TagValue | null
  readonly quality: Quality
}

export interface PlantListener {
  /** A write has reached a device. */
  wrote(tag: string, value: TagValue): void
  called(device: string, call: MethodCall): readonly unknown[]
  /** What a device reads has changed, or it is away or here again. */
  changed(device: string): void
}

/** The devices of a test: what they hold outlives the power of the gateway. Values are in engineering units, as their metas are told to be. */
export class BenchPlant {
  readonly metas: readonly TagMeta[]
  readonly #listener: PlantListener
  readonly #held = new Map<string, Held>()
  readonly #away = new Set<string>()
  readonly #byDevice: ReadonlyMap<string, readonly TagMeta[]>
  readonly #byId: ReadonlyMap<string, TagMeta>

  constructor(metas: readonly TagMeta[], listener: PlantListener) {
    this.metas = metas
    this.#listener = listener
    this.#byDevice = Map.groupBy(metas, ({ device }) => device)
    this.#byId = new Map(metas.map((meta) => [meta.id, meta]))
  }

  get devices(): Iterable<string> {
    return this.#byDevice.keys()
  }

  isAway(device: string): boolean {
    return this.#away.has(device)
  }

  /** Of what the devices hold, not of what the gateway knows. */
  value(tag: string): TagValue | null | undefined {
    return this.#held.get(tag)?.value
  }

  set(states: TagStates): void {
    const touched = new Set<string>()
    for (const [tag, { value, quality }] of Object.entries(states)) {
      const meta = this.#byId.get(tag)
      this.#held.set(tag, { value: value === null ? null : tagValueOf(value, meta?.type), quality })
      touched.add(meta?.device ?? '')
    }
    for (const device of touched) this.#listener.changed(device)
  }

  put(states: Readonly<Record<string, 'here' | 'away'>>): void {
    for (const [device, state] of Object.entries(states)) {
      if (state === 'away') this.#away.add(device)
      else this.#away.delete(device)
      this.#listener.changed(device)
    }
  }

  /** All that a device reads now, by the places of its tags. */
  readings(device: string): readonly Reading[] {
    return (this.#byDevice.get(device) ?? []).flatMap((_, tag) => this.#reading(device, tag) ?? [])
  }

  tagsOf(device: string): readonly number[] {
    return (this.#byDevice.get(device) ?? []).map((_, tag) => tag)
  }

  device(name: string, nowMs: () => EpochMs): Device {
    return {
      failure: new Promise(() => {}),
      status: () => ({ device: name, state: this.#away.has(name) ? 'connecting' : 'online', sinceMs: nowMs() }),
      metrics: () => [],
      read: async (tags) => {
        if (this.#away.has(name)) throw absent(name)
        return tags.map((tag) => this.#reading(name, tag) ?? { tag, value: null, quality: 'bad' })
      },
      write: async (writes) => writes.map((write) => this.#write(name, write)),
      refusals: async (writes) => writes.map(() => (this.#away.has(name) ? { of: 'place', fault: absent(name) } : undefined)),
      call: async (call) => this.#call(name, call),
      [Symbol.asyncDispose]: async () => {},
    }
  }

  #reading(device: string, tag: number): Reading | undefined {
    const held = this.#held.get(this.#byDevice.get(device)?.[tag]?.id ?? '')
    return held === undefined ? undefined : { tag, ...held }
  }

  #write(device: string, { tag, value }: RawWrite): WriteOutcome {
    if (this.#away.has(device)) return { outcome: 'failed', fault: absent(device) }
    const id = this.#byDevice.get(device)?.[tag]?.id ?? ''
    this.#held.set(id, { value, quality: 'good' })
    this.#listener.wrote(id, value)
    this.#listener.changed(device)
    return { outcome: 'done' }
  }

  #call(device: string, call: MethodCall): CallOutcome {
    if (this.#away.has(device)) return { outcome: 'failed', fault: absent(device) }
    return { outcome: 'done', values: this.#listener.called(device, call) as readonly TagValue[] }
  }
}

function absent(device: string): Fault {
  return new Fault('device.absent', `${device} is away in this test.`, {
    remedy: 'The test says so: look at `devices`.',
    isRetryable: true,
  })
}
