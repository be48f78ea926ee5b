import { Fault } from '../../src/base/fault.ts'
import { CommandRoad } from '../../src/control/command-road.ts'
import { compileInterlocks } from '../../src/control/interlocks.ts'
import { SharedPlaces } from '../../src/control/shared-places.ts'
import { TagTable } from '../../src/control/tag-table.ts'
import type { Command } from '../../src/model/command.ts'
import type { SiteEvent } from '../../src/model/event.ts'
import { asTagId, type Reading, type TagMeta, type TagValue, type WriteRules } from '../../src/model/tag.ts'
import type { Device } from '../../src/south/device.ts'
import type { RawWrite, WriteOutcome } from '../../src/south/driver.ts'
import { startManualClock } from '../support/manual-clock.ts'
import { keptLog } from '../support/quiet-log.ts'

const rules: WriteRules = { confirmMs: 500, tolerance: 0.1, role: 'operator', ratePerSecondMax: 5 }
const fault = new Fault('fake.lost', 'The reply was lost.', { remedy: 'Look.' })
export const lost: WriteOutcome = { outcome: 'unknown', fault }
export const rejected: WriteOutcome = { outcome: 'failed', fault }

/** A device whose registers a test looks into. */
export interface Plant {
  readonly device: { -readonly [Key in keyof Device]: Device[Key] }
  holds: TagValue[]
  /** All that was written, and the calls that brought it. */
  readonly written: TagValue[]
  readonly calls: (readonly RawWrite[])[]
  readonly reads: (readonly number[])[]
  outcome: WriteOutcome | undefined
  /** Whether what is written is what it then holds. */
  takesOver: boolean
  quality: Reading['quality']
  state: 'online' | 'connecting'
  /** Awaited before a write is answered. */
  hold: ((signal: AbortSignal) => Promise<unknown>) | undefined
}

function startPlant(name: string, holds: TagValue[], now: () => number): Plant {
  const plant: Plant = {
    holds,
    written: [],
    calls: [],
    reads: [],
    outcome: undefined,
    takesOver: true,
    quality: 'good',
    state: 'online',
    hold: undefined,
    device: {
      failure: new Promise(() => {}),
      status: () => ({ device: name, state: plant.state, sinceMs: now() as never }),
      metrics: () => [],
      refusals: async () => [],
      call: async () => ({ outcome: 'failed', fault: new Fault('fake.no-method', 'It has none.', { remedy: 'Do without.' }) }),
      read: async (tags) => {
        plant.reads.push(tags)
        if (plant.state !== 'online') throw new Fault('device.absent', 'Not there.', { remedy: 'Wait.' })
        return tags.map((tag) => ({ tag, value: plant.holds[tag] ?? null, quality: plant.quality }))
      },
      write: async (writes, signal) => {
        plant.calls.push(writes)
        await plant.hold?.(signal)
        return writes.map(({ tag, value }) => {
          plant.written.push(value)
          if (plant.takesOver) plant.holds[tag] = value
          return plant.outcome ?? { outcome: 'done' }
        })
      },
      [Symbol.asyncDispose]: async () => {},
    },
  }
  return plant
}

export const ann = { road: 'api', name: 'ann', role: 'operator' } as const

/**
 * press/setpoint (written, as `write` and `meta` have it), press/running, press/speed (written, as `ofSpeed` has it), and oven/heat (written);
 * `holds` is what their registers hold; `across` are tags of one place.
 */
export function startRoad(
  write: Partial<WriteRules> = {},
  meta: Partial<TagMeta> = {},
  ofSpeed: Partial<WriteRules> = {},
  across: readonly (readonly [string, string])[] = [],
) {
  const clock = startManualClock()
  const tag = (device: string, path: string, more: Partial<TagMeta>): TagMeta => ({
    id: asTagId(`${device}/${path}`),
    device,
    path,
    type: 'f32',
    scan: 'normal',
    ...more,
  })
  const metas = [
    tag('press', 'setpoint', { write: { ...rules, ...write }, ...meta }),
    tag('press', 'running', { type: 'bool' }),
    tag('press', 'speed', { write: { ...rules, ...ofSpeed } }),
    tag('oven', 'heat', { write: rules }),
  ]
  const table = new TagTable(metas, clock)
  const shared = new SharedPlaces(
    table,
    across.map(([one, other]) => [{ id: asTagId(one) }, { id: asTagId(other) }] as const),
  )
  const plant = startPlant('press', [0, false, 0], clock.now)
  const oven = startPlant('oven', [0], clock.now)
  const journal: SiteEvent[] = []
  const store = { keep: undefined as (() => Promise<void>) | undefined }
  const devices = new Map([
    ['press', { device: plant.device, first: 0 }],
    ['oven', { device: oven.device, first: 3 }],
  ])
  const road = new CommandRoad({
    table,
    devices,
    journal: async (event) => {
      await store.keep?.()
      journal.push(event)
    },
    interlocks: compileInterlocks(table, shared),
    clock,
    log: keptLog(),
  })
  let last = 0
  const command = (more: Partial<Command> = {}): Command => {
    last += 1
    return { id: `c${last}`, tag: asTagId('press/setpoint'), value: 120, by: ann, ...more }
  }
  return {
    clock,
    table,
    plant,
    oven,
    journal,
    store,
    devices,
    road,
    command,
    ask: (more: Partial<Command> = {}) => road.write(command(more)),
  }
}
