import type { Reading, Tag } from '../../model/tag.ts'
import type { ConnectContext, Connection } from '../driver.ts'
import { isBroadcast, type ModbusAddress, spanOfRange } from './address.ts'
import type { DeviceLine } from './device-line.ts'
import { exceptionFault } from './faults.ts'
import { type Item, itemsOf } from './item.ts'
import { Learnt } from './learnt.ts'
import type { Line } from './line.ts'
import { badReading, readingsOf } from './live-block.ts'
import { askRead } from './pdu.ts'
import { isPassing, type Part, readParts } from './read-parts.ts'
import { refusalNews } from './refusal-news.ts'
import { Scan } from './scan.ts'
import type { ModbusConfig } from './settings.ts'
import { notDecoded, statusOfException } from './status.ts'
import type { UnitBreaker } from './unit-breaker.ts'
import { UnitLocks } from './unit-locks.ts'
import { refusalOf, Writer } from './writer.ts'

export interface OverLineOptions {
  readonly line: DeviceLine
  /** Of the line, whoever else uses it. */
  readonly units: UnitBreaker
  readonly config: ModbusConfig
  readonly tags: readonly Tag<ModbusAddress>[]
  readonly context: ConnectContext
}

/** A device behind a line, whatever kind of line it is. The connection owns the line. */
export async function overLine({ line, units, config, tags, context }: OverLineOptions): Promise<Connection> {
  const { clock, log } = context
  const items = itemsOf(config, tags)
  const learnt = await learntOf(line.peer, items, { config, context })
  const used = units.use(items.map(({ unit }) => unit).filter((unit) => !isBroadcast(unit, config)))
  const writer = new Writer({ line, learnt, locks: locksOf(units), writesMultipleOnly: config.quirks.writesMultipleOnly })
  const news = refusalNews(config, { clock, log })
  const scans = new Map(
    [...Map.groupBy(items, ({ tag }) => tags[tag]?.scan ?? '')].map(([name, ofScan]) => {
      return [name, new Scan({ items: ofScan, learnt, line: line.forScan(context.scanMs?.[name]), units, clock, news })]
    }),
  )
  return {
    failure: line.failure,
    source: { kind: 'polled', poll: async (name, signal) => (await scans.get(name)?.poll(signal)) ?? { readings: [] } },
    read: async (wanted, signal) => {
      const readings = await readNow({ line, learnt, items: wanted.map((tag) => itemOf(items, tag)), signal })
      for (const scan of scans.values()) scan.readBesides(readings)
      return readings
    },
    write: (writes, signal) =>
      writer.write(
        writes.map(({ tag, value }) => ({ item: itemOf(items, tag), value })),
        signal,
      ),
    refusals: async (writes) =>
      writes.map(({ tag, value }) => {
        const item = itemOf(items, tag)
        const resting = units.restingFault(item.unit)
        return refusalOf({ item, value }) ?? (resting === undefined ? undefined : { of: 'place', fault: resting })
      }),
    learnt: () => learnt.notes(),
    [Symbol.asyncDispose]: async () => {
      used[Symbol.dispose]()
      await line[Symbol.asyncDispose]()
      await learnt[Symbol.asyncDispose]()
    },
  }
}

/** By what all devices of a line share. */
const locks = new WeakMap<UnitBreaker, UnitLocks>()

function locksOf(units: UnitBreaker): UnitLocks {
  const known = locks.get(units) ?? new UnitLocks()
  locks.set(units, known)
  return known
}

function learntOf(peer: string, items: readonly Item[], { config, context }: Pick<OverLineOptions, 'config' | 'context'>): Promise<Learnt> {
  const { quirks, gapRegistersMax } = config
  const { registersMax, coilsMax, isOneRequestPerTag } = quirks
  return Learnt.load({
    folder: context.stateFolder,
    peer,
    items,
    pinned: {
      limits: { registersMax, coilsMax, gapRegistersMax, isOneItemEach: isOneRequestPerTag },
      holes: quirks.holes.map((hole) => spanOfRange(hole, config)),
      without: quirks.without,
      isWriteOnly: ({ unit }) => isBroadcast(unit, config),
    },
    words: config,
    clock: context.clock,
    log: context.log,
    tell: (note) => context.learnt?.(note),
  })
}

interface ReadNow {
  readonly line: Line
  readonly learnt: Learnt
  readonly items: readonly Item[]
  readonly signal: AbortSignal
}

async function readNow({ line, learnt, items, signal }: ReadNow): Promise<readonly Reading[]> {
  const readings = new Map<number, Reading>()
  const { blocks, refused, unreadable } = learnt.plan(items)
  for (const block of [...blocks, ...refused.map((known) => known.block)]) {
    const parts = await readParts(block, (part) => line.ask(askRead(part), { urgency: 'read', signal }))
    for (const reading of parts.flatMap(readingsOfPart)) readings.set(reading.tag, reading)
  }
  for (const { item, status } of unreadable) readings.set(item.tag, badReading(item, status))
  return items.map((item) => readings.get(item.tag) ?? badReading(item, notDecoded))
}

function readingsOfPart({ block, answer }: Part): readonly Reading[] {
  if (answer.kind === 'data') return readingsOf(block, answer.data)
  if (isPassing(answer.code)) throw exceptionFault(`unit ${block.unit}`, answer.code)
  return block.items.map((item) => badReading(item, statusOfException(answer.code)))
}

function itemOf(items: readonly Item[], tag: number): Item {
  const item = items[tag]
  if (item === undefined) throw new Error(`there is no tag ${tag} on this connection`)
  return item
}
