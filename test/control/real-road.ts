import { systemClock } from '../../src/base/clock.ts'
import { CommandRoad } from '../../src/control/command-road.ts'
import { compileInterlocks } from '../../src/control/interlocks.ts'
import { SharedPlaces } from '../../src/control/shared-places.ts'
import { TagTable } from '../../src/control/tag-table.ts'
import type { Command } from '../../src/model/command.ts'
import type { SiteEvent } from '../../src/model/event.ts'
import { asTagId, asTagIndex, type Tag, type TagMeta, type WriteRules } from '../../src/model/tag.ts'
import { startDevice } from '../../src/south/device.ts'
import type { DeviceListener } from '../../src/south/device-listener.ts'
import type { Driver } from '../../src/south/driver.ts'
import { keptLog } from '../support/quiet-log.ts'
import { makeStateFolder } from '../support/state-folder.ts'
import { ann } from './road.ts'

export interface RealTag extends Partial<TagMeta> {
  readonly path: string
  readonly address: unknown
  readonly rules?: Partial<WriteRules>
}

const rules: WriteRules = { confirmMs: 1_000, tolerance: 0.001, role: 'operator', ratePerSecondMax: 1_000 }

/** The road over one real device, `plc`, with its real driver. */
export function startRealRoad<Config, Address>(driver: Driver<Config, Address>, config: Config, tags: readonly RealTag[]) {
  const metas = tags.map(
    ({ address, rules: more, ...meta }): Tag<unknown> => ({
      id: asTagId(`plc/${meta.path}`),
      device: 'plc',
      scan: 'normal',
      address,
      ...(more === undefined ? {} : { write: { ...rules, ...more } }),
      ...meta,
    }),
  )
  const table = new TagTable(metas, systemClock)
  const shared = new SharedPlaces(table)
  const journal: SiteEvent[] = []
  const folder = makeStateFolder()
  const listener = {
    readings: (readings, receivedMs) => table.take(0, readings, receivedMs),
    heard: (heard, receivedMs) => table.heard(0, heard, receivedMs),
    stale: (stale) => table.stale(0, stale),
    status: () => {},
    events: () => {},
    learnt: () => {},
    sharing: (found) => shared.add(found.map(asTagIndex)),
  } satisfies DeviceListener
  const device = startDevice({
    config: { device: 'plc', driver: driver.name, config, capabilities: [], scanMs: { normal: 50 }, tags: metas },
    driver: driver as Driver<unknown, unknown>,
    listener,
    stateFolder: folder.path,
    clock: systemClock,
    chance: Math.random,
    log: keptLog(),
  })
  const road = new CommandRoad({
    table,
    devices: new Map([['plc', { device, first: 0 }]]),
    journal: async (event) => void journal.push(event),
    interlocks: compileInterlocks(table, shared),
    clock: systemClock,
    log: keptLog(),
  })
  let last = 0
  const command = (path: string, value: Command['value'], more: Partial<Command> = {}): Command => {
    last += 1
    return { id: `c${last}`, tag: asTagId(`plc/${path}`), value, by: ann, ...more }
  }
  return {
    road,
    journal,
    value: (path: string) => table.sampleOf(asTagId(`plc/${path}`))?.value,
    quality: (path: string) => table.sampleOf(asTagId(`plc/${path}`))?.quality,
    command,
    ask: (path: string, value: Command['value'], more: Partial<Command> = {}) => road.write(command(path, value, more)),
    [Symbol.asyncDispose]: async () => {
      await device[Symbol.asyncDispose]()
      folder[Symbol.dispose]()
    },
  }
}
