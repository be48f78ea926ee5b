import type { Reading, Tag } from '../../model/tag.ts'
import type { ConnectContext, Connection, Driver, RawWrite, WriteOutcome } from '../driver.ts'
import type { ModbusAddress } from './address.ts'
import { exceptionFault } from './faults.ts'
import { type Item, itemsOf } from './item.ts'
import type { Line } from './line.ts'
import { badReading, readingsOf } from './live-block.ts'
import { askRead } from './pdu.ts'
import { type PlanLimits, planBlocks } from './planner.ts'
import { isPassing, type Part, readParts } from './read-parts.ts'
import { Scan } from './scan.ts'
import type { ModbusConfig } from './settings.ts'
import { connectTcp } from './tcp-client.ts'
import { UnitBreaker } from './unit-breaker.ts'
import { Writer } from './writer.ts'

export const modbusTcpDriver: Driver<ModbusConfig, ModbusAddress> = {
  name: 'modbus-tcp',
  connect: async (config, tags, context) => {
    const { host, port, timeoutMs, inflightMax, quirks } = config
    const { clock, signal } = context
    const line = await connectTcp({ host, port, timeoutMs, inflightMax, pauseMs: quirks.pauseMs, clock, signal })
    return overLine({ line, config, tags, context })
  },
}

interface LineOptions {
  readonly line: Line
  readonly config: ModbusConfig
  readonly tags: readonly Tag<ModbusAddress>[]
  readonly context: ConnectContext
}

/** A device behind a line, whatever kind of line it is. */
function overLine({ line, config, tags, context: { clock, log } }: LineOptions): Connection {
  const items = itemsOf(config, tags)
  const limits: PlanLimits = { ...config.quirks, gapRegistersMax: config.gapRegistersMax }
  const units = new UnitBreaker({ clock, unitCount: new Set(items.map(({ unit }) => unit)).size })
  const writer = new Writer(line)
  const scans = new Map(
    [...Map.groupBy(items, ({ tag }) => tags[tag]?.scan ?? '')].map(([name, ofScan]) => {
      return [name, new Scan({ blocks: planBlocks(ofScan, limits), line, units, clock, log })]
    }),
  )
  return {
    failure: line.failure,
    source: { kind: 'polled', poll: async (name, signal) => (await scans.get(name)?.poll(signal)) ?? { readings: [] } },
    read: (wanted, signal) => readNow({ line, limits, items: wanted.map((tag) => itemOf(items, tag)), signal }),
    write: (writes, signal) => writeAll({ writer, items, writes, signal }),
    [Symbol.asyncDispose]: () => line[Symbol.asyncDispose](),
  }
}

interface ReadNow {
  readonly line: Line
  readonly limits: PlanLimits
  readonly items: readonly Item[]
  readonly signal: AbortSignal
}

async function readNow({ line, limits, items, signal }: ReadNow): Promise<readonly Reading[]> {
  const readings = new Map<number, Reading>()
  for (const block of planBlocks(items, limits)) {
    const parts = await readParts(block, (part) => line.ask(askRead(part), { urgency: 'read', signal }))
    for (const reading of parts.flatMap(readingsOfPart)) readings.set(reading.tag, reading)
  }
  return items.map((item) => readings.get(item.tag) ?? badReading(item))
}

function readingsOfPart({ block, answer }: Part): readonly Reading[] {
  if (answer.kind === 'data') return readingsOf(block, answer.data)
  if (isPassing(answer.code)) throw exceptionFault(`unit ${block.unit}`, answer.code)
  return block.items.map(badReading)
}

interface WriteAll {
  readonly writer: Writer
  readonly items: readonly Item[]
  readonly writes: readonly RawWrite[]
  readonly signal: AbortSignal
}

async function writeAll({ writer, items, writes, signal }: WriteAll): Promise<readonly WriteOutcome[]> {
  const outcomes: WriteOutcome[] = []
  for (const { tag, value } of writes) outcomes.push(await writer.write(itemOf(items, tag), value, signal))
  return outcomes
}

function itemOf(items: readonly Item[], tag: number): Item {
  const item = items[tag]
  if (item === undefined) throw new Error(`there is no tag ${tag} on this connection`)
  return item
}
