import { Fault } from '../../src/base/fault.ts'
import type { Reading, Tag } from '../../src/model/tag.ts'
import { asTagId } from '../../src/model/tag.ts'
import type { DeviceConfig } from '../../src/south/config.ts'
import type { Connection, Driver, PollResult } from '../../src/south/driver.ts'

/** Stands for a protocol, so that device.ts can be tested in virtual time: what is on the far side is set by the test. */
export interface FakePlant {
  readonly driver: Driver<unknown, unknown>
  readonly values: number[]
  /** `answers`, `hangs` (until the signal), `silent` (says that it timed out), or `absent`. */
  state: 'answers' | 'hangs' | 'silent' | 'absent'
  /** Tags that are not answered while the others are. */
  silentTags: readonly number[]
  /** Why those that are silent are. */
  fault: Fault
  connects: number
  polls: number
  unplug(): void
  /** Ends the connection; the device stays there. */
  breakOff(): void
}

export function fakePlant(values: number[]): FakePlant {
  let lost = Promise.withResolvers<never>()
  const fault = new Fault('fake.gone', 'The plug was pulled.', { remedy: 'Plug it in.', isRetryable: true })
  const plant: FakePlant = {
    values,
    state: 'answers',
    fault,
    silentTags: [],
    connects: 0,
    polls: 0,
    unplug: () => {
      plant.state = 'absent'
      lost.reject(fault)
    },
    breakOff: () => lost.reject(fault),
    driver: {
      name: 'fake',
      connect: async (_config, tags, { signal }) => {
        if (plant.state === 'absent') throw fault
        if (plant.state === 'hangs') await aborted(signal)
        plant.connects += 1
        lost = Promise.withResolvers<never>()
        lost.promise.catch(() => {})
        return connectionTo(plant, { tags, failure: lost.promise })
      },
    },
  }
  return plant
}

interface FakeContext {
  readonly tags: readonly Tag<unknown>[]
  readonly failure: Promise<never>
}

function connectionTo(plant: FakePlant, { tags, failure }: FakeContext): Connection {
  const last = new Map<number, number>()
  const readingOf = (tag: number): Reading => ({ tag, value: plant.values[tag] ?? null, quality: 'good' })
  const poll = async (scan: string, signal: AbortSignal): Promise<PollResult> => {
    plant.polls += 1
    if (plant.state === 'hangs') await aborted(signal)
    const wanted = tags.flatMap((tag, place) => (tag.scan === scan ? [place] : []))
    if (plant.state === 'silent') return { readings: [], silence: { tags: wanted, fault: plant.fault } }
    const silent = wanted.filter((tag) => plant.silentTags.includes(tag))
    const changed = wanted.filter((tag) => !silent.includes(tag) && last.get(tag) !== plant.values[tag])
    for (const tag of changed) last.set(tag, plant.values[tag] ?? 0)
    return { readings: changed.map(readingOf), ...(silent.length === 0 ? {} : { silence: { tags: silent, fault: plant.fault } }) }
  }
  return {
    failure,
    source: { kind: 'polled', poll },
    read: async (wanted) => wanted.map(readingOf),
    write: async (writes) =>
      writes.map(({ tag, value }) => {
        plant.values[tag] = Number(value)
        return { outcome: 'done' as const }
      }),
    [Symbol.asyncDispose]: async () => {},
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason)
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}

/** All tags in the class `normal`, or one each in the classes of `scanMs`. */
export function fakeDeviceConfig(
  device: string,
  options: { readonly tags: number; readonly pollMs: number; readonly scanMs?: Readonly<Record<string, number>> },
): DeviceConfig {
  const scanMs = options.scanMs ?? { normal: options.pollMs }
  const scans = Object.keys(scanMs)
  const tags = Array.from(
    { length: options.tags },
    (_, place): Tag<unknown> => ({
      id: asTagId(`${device}/t${place}`),
      device,
      path: `t${place}`,
      type: 'f64',
      scan: scans[place % scans.length] ?? 'normal',
      address: {},
    }),
  )
  return { device, driver: 'fake', config: {}, capabilities: [], scanMs, tags }
}
