import { systemClock } from '../base/clock.ts'
import { Fault } from '../base/fault.ts'
import { issueText } from '../base/issue-text.ts'
import { modiconAddress } from '../site/modicon.ts'
import type { DriverSchema } from '../south/driver.ts'
import { type Area, isBitArea, parseAt } from '../south/modbus/address.ts'
import { modbusRtu, modbusRtuTcp, modbusTcp } from '../south/modbus/config.ts'
import type { Line } from '../south/modbus/line.ts'
import { LineCounts } from '../south/modbus/line-counts.ts'
import { openLine } from '../south/modbus/open-line.ts'
import { findUnits, type Hole, type ProbeOptions, probeArea, readAgain, type UnitAnswer } from '../south/modbus/probe.ts'
import { type Guess, guessValues } from '../south/modbus/probe-guess.ts'
import { numberAt, type ProbedBlock, type RegisterView, viewsOf } from '../south/modbus/probe-views.ts'
import type { ModbusConfig } from '../south/modbus/settings.ts'
import { UnitBreaker } from '../south/modbus/unit-breaker.ts'

/** A Modbus device as a URL names it. */
export interface ProbeAddress {
  readonly driver: string
  /** As it would stand in a device file. */
  readonly connection: Readonly<Record<string, unknown>>
  readonly config: ModbusConfig
}

const drivers: Readonly<Record<string, DriverSchema<ModbusConfig, unknown>>> = {
  'modbus-tcp': modbusTcp,
  'modbus-rtu': modbusRtu,
  'modbus-rtu-tcp': modbusRtuTcp,
}

/** `modbus-tcp://host:502?unit=1`, `modbus-rtu:///dev/ttyUSB0?baud=9600&unit=3`. Throws the Fault `probe.option` where it is none. */
export function probeAddress(url: string): ProbeAddress {
  const [, name = '', rest = ''] = /^([a-z-]+):\/\/(.*)$/.exec(url) ?? []
  const schema = drivers[name]
  if (schema === undefined) throw notAnAddress(`${url.slice(0, 200)} names no Modbus device`)
  const [place = '', query = ''] = rest.split('?', 2)
  const connection = { ...(name === 'modbus-rtu' ? { port: decodeURIComponent(place) } : hostAndPort(place)), ...parameters(query) }
  const parsed = schema.config.safeParse({ connection })
  if (parsed.success) return { driver: name, connection, config: parsed.data }
  throw notAnAddress(issueText(parsed.error, 'the address'))
}

function hostAndPort(place: string): Record<string, unknown> {
  const [, host = '', port] = /^(\[[^\]]+\]|[^:/]*)(?::(\d+))?\/?$/.exec(place) ?? []
  return { host: host.replace(/^\[|\]$/g, ''), ...(port === undefined ? {} : { port: Number(port) }) }
}

function parameters(query: string): Record<string, unknown> {
  const pairs = [...new URLSearchParams(query)]
  return Object.fromEntries(pairs.map(([key, value]) => [key, /^\d+$/.test(value) ? Number(value) : value]))
}

function notAnAddress(message: string): Fault {
  return new Fault('probe.option', `${message}.`, {
    remedy:
      'Write it like modbus-tcp://10.1.7.30:502?unit=1, modbus-rtu:///dev/ttyUSB0?baud=9600&parity=even&unit=3 or modbus-rtu-tcp://10.1.7.31:4001?unit=3.',
  })
}

/** Most manuals print Modicon numbers, so they are what is tried first. */
function notAPlace(text: string): Fault {
  const place = modiconAddress(text, 'zero')
  const wanted =
    'Write an area and a place in it that counts from 0: hr:100 for holding registers, ir: for input registers, co: for coils, di: for discrete inputs.'
  if (place !== undefined && 'at' in place) {
    return new Fault('probe.option', `--from ${text} is a Modicon number, which means another place in some manuals.`, {
      remedy: `Write --from ${place.at.split('.')[0]} for it: the first digit is the area, the others count from 1. ${wanted}`,
    })
  }
  const shown = text.slice(0, 100)
  return new Fault('probe.option', place === undefined ? `--from ${shown} names no place.` : `--from ${shown}: ${place.message}.`, {
    remedy: wanted,
  })
}

export interface ProbePlan {
  readonly address: ProbeAddress
  readonly from: string
  readonly count: number
  readonly samples: number
  readonly intervalMs: number
  readonly pauseMs: number
  readonly signal: AbortSignal
}

/** A stretch of registers that could be read, and what it seems to hold. */
export interface ProbedStretch {
  readonly start: number
  readonly registers: readonly RegisterView[]
  readonly proposals: readonly Proposal[]
}

export interface Proposal extends Omit<Guess, 'place'> {
  readonly at: string
  /** As it was last seen. */
  readonly value: string | number | bigint
}

export interface ProbeResult {
  readonly unit: number
  readonly area: Area
  /** In which most of it makes sense. */
  readonly order: string
  readonly stretches: readonly ProbedStretch[]
  /** Coils and discrete inputs that could be read. */
  readonly bits: readonly { readonly at: string; readonly value: boolean }[]
  readonly holes: readonly Hole[]
  readonly requests: number
}

/** Reads, and never writes. Rejects with the Fault of the line. */
export async function probe(plan: ProbePlan): Promise<ProbeResult> {
  const { address, signal, count } = plan
  const at = parseAt(plan.from)
  if (at === undefined || at.bit !== undefined || at.length !== undefined) throw notAPlace(plan.from)
  const unit = at.unit ?? address.config.unit
  const span = { unit, area: at.area, start: at.offset, count: Math.min(count, 65_536 - at.offset) }
  await using line = await open(address.config, signal)
  const options: ProbeOptions = { line, clock: systemClock, pauseMs: plan.pauseMs, signal }
  const { blocks, holes, requests } = await probeArea(span, options)
  const common = { unit, area: at.area, holes, requests }
  if (isBitArea(at.area)) return { ...common, order: 'ABCD', stretches: [], bits: blocks.flatMap((block) => bitsOf(block, span)) }
  const samples = [blocks.map(({ data }) => data)]
  while (samples.length < plan.samples && blocks.length > 0) {
    await systemClock.sleep(plan.intervalMs, signal)
    samples.push([...(await readAgain(blocks, span, options))])
  }
  return { ...common, bits: [], ...proposed(blocks, samples, at.area) }
}

/** Those of some units that answer. */
export async function probeUnits(
  plan: Pick<ProbePlan, 'address' | 'from' | 'pauseMs' | 'signal'>,
  units: readonly number[],
): Promise<readonly UnitAnswer[]> {
  const { address, signal, pauseMs } = plan
  await using line = await open(address.config, signal)
  return await findUnits(units, parseAt(plan.from)?.area ?? 'hr', { line, clock: systemClock, pauseMs, signal })
}

async function open(config: ModbusConfig, signal: AbortSignal): Promise<Line> {
  const record = { units: new UnitBreaker({ clock: systemClock }), counts: new LineCounts(systemClock) }
  return await openLine(config, record, { clock: systemClock, signal })
}

/** One order for the whole device: the one that suits the longest stretch. */
function proposed(
  blocks: readonly ProbedBlock[],
  samples: readonly (readonly Buffer[])[],
  area: Area,
): Pick<ProbeResult, 'order' | 'stretches'> {
  const guessed = blocks.map((block, place) => ({ block, ...guessValues(samples.map((sample) => sample[place] ?? block.data)) }))
  const longest = guessed.toSorted((one, other) => weightOf(other.guesses) - weightOf(one.guesses))[0]
  const order = longest?.order ?? 'ABCD'
  const stretches = guessed.map(({ block, ...own }, place) => {
    const seen = samples.map((sample) => sample[place] ?? block.data)
    const guesses = own.order === order ? own.guesses : guessValues(seen, [order]).guesses
    const data = seen.at(-1) ?? block.data
    const last = { start: block.start, data }
    return {
      start: block.start,
      registers: viewsOf(last),
      proposals: guesses.map((guess) => proposalOf(guess, { block: last, order, area })),
    }
  })
  return { order, stretches }
}

/** Values of several registers say which order it is; others look the same in each. */
function weightOf(guesses: readonly Guess[]): number {
  return guesses.filter(({ count, type }) => count > 1 && type !== 'zero').reduce((sum, { score, count }) => sum + score * count, 0)
}

interface Proposing {
  readonly block: ProbedBlock
  readonly order: ReturnType<typeof guessValues>['order']
  readonly area: Area
}

function proposalOf({ place, ...guess }: Guess, { block, order, area }: Proposing): Proposal {
  return { ...guess, at: `${area}:${block.start + place}`, value: seenValue({ place, ...guess }, { block, order }) }
}

function seenValue({ place, count, type }: Guess, { block, order }: Omit<Proposing, 'area'>): string | number | bigint {
  if (type === 'zero') return 0
  if (!type.startsWith('string')) return numberAt(block.data, place, { type: type as 'u16', order }) ?? 'none'
  return block.data
    .subarray(place * 2, (place + count) * 2)
    .toString('latin1')
    .replace(/\0.*$/s, '')
}

function bitsOf(
  { start, data }: ProbedBlock,
  span: { readonly area: Area; readonly start: number; readonly count: number },
): ProbeResult['bits'] {
  const count = Math.min(data.length * 8, span.start + span.count - start)
  return Array.from({ length: count }, (_, bit) => ({
    at: `${span.area}:${start + bit}`,
    value: (((data[bit >> 3] ?? 0) >> (bit & 7)) & 1) === 1,
  }))
}
