import type { LineMember, LineProblem } from '../driver.ts'
import { isBroadcast, locate, type ModbusAddress, spanOfRange } from './address.ts'
import { planBlocks } from './planner.ts'
import type { ModbusConfig } from './settings.ts'
import { assumedTurnaroundMs, type LineTiming, readMs } from './timing.ts'

/** What one scan class of one device asks of its line. */
export interface ScanLoad {
  readonly device: string
  readonly scan: string
  readonly periodMs: number
  /** One round of the class, alone on the line. */
  readonly needMs: number
  readonly requests: number
  readonly tags: number
  readonly units: ReadonlySet<number>
}

/** A line that has no time for what is asked of it. */
export interface Overload {
  /** Of the line's time: 1 is all of it. */
  readonly share: number
  /** The class that asks for most. */
  readonly worst: ScanLoad
  /** What all classes together take while the worst one has its period. */
  readonly needMs: number
  readonly requests: number
  readonly tags: number
  readonly units: number
}

type Member = LineMember<ModbusConfig, ModbusAddress>

/** On a switched network a PLC answers in a few ms; only what this cannot explain is called impossible. */
const assumedRoundTripMs = 5
/** So much of a line may be planned for: some is left for writes, for what has to be asked again, and for a unit that is probed. */
const usableShare = 0.9

/** undefined where the classes fit. */
export function overloadOf(loads: readonly ScanLoad[]): Overload | undefined {
  const share = loads.reduce((sum, load) => sum + shareOf(load), 0)
  const [first] = loads
  if (first === undefined || share <= 1) return undefined
  const worst = loads.reduce((most, load) => (shareOf(load) > shareOf(most) ? load : most), first)
  const rounds = loads.map((load) => worst.periodMs / load.periodMs)
  const requests = loads.reduce((sum, load, place) => sum + load.requests * (rounds[place] ?? 1), 0)
  return {
    share,
    worst,
    needMs: share * worst.periodMs,
    requests: Math.ceil(requests),
    tags: loads.reduce((sum, { tags }) => sum + tags, 0),
    units: new Set(loads.flatMap(({ units }) => [...units])).size,
  }
}

function shareOf({ needMs, periodMs }: ScanLoad): number {
  return needMs / periodMs
}

/** What the scan classes of a device ask of its line. */
function loadsOf({ device, config, scanMs, tags }: Member): readonly ScanLoad[] {
  const { registersMax, coilsMax, isOneRequestPerTag } = config.quirks
  const holes = config.quirks.holes.map((hole) => spanOfRange(hole, config))
  const limits = { registersMax, coilsMax, gapRegistersMax: config.gapRegistersMax, isOneItemEach: isOneRequestPerTag, holes }
  const timing = timingOf(config)
  return [...Map.groupBy(tags, ({ scan }) => scan)].flatMap(([scan, ofScan]) => {
    const periodMs = scanMs[scan]
    if (periodMs === undefined) return [] // told of elsewhere
    const places = ofScan.map(({ address }) => locate(address, config)).filter(({ unit }) => !isBroadcast(unit, config))
    const blocks = planBlocks(places, limits)
    const needMs = blocks.reduce((sum, block) => sum + readMs(block, timing), 0)
    return { device, scan, periodMs, needMs, requests: blocks.length, tags: ofScan.length, units: new Set(places.map(({ unit }) => unit)) }
  })
}

/** Devices that share a line, or one that has its own. */
export function checkBudget(members: readonly Member[]): readonly LineProblem[] {
  const [first] = members
  const overload = overloadOf(members.flatMap(loadsOf))
  if (first === undefined || overload === undefined) return []
  const { worst, share } = overload
  const longEnoughMs = (worst.periodMs * share) / usableShare
  return [
    {
      device: worst.device,
      path: ['scan', worst.scan],
      code: 'modbus.scan-budget',
      message: `${sentence(overload)} (${lineText(first.config)}).`,
      remedy: `Read less often: ${durationText(roundedUp(longEnoughMs))} ${members.length > 1 ? 'for the classes of this line ' : ''}fits. Or read less in this class${remedyOf(first.config)}.`,
      severity: 'warning',
    },
  ]
}

function sentence({ worst, needMs, requests, tags, units }: Overload): string {
  const what = `${count(units, 'unit')} with ${count(tags, 'tag')} need ${durationText(needMs)} for ${count(requests, 'request')}`
  return `${what}, and ${durationText(worst.periodMs)} was asked`
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`
}

function timingOf({ line, quirks, inflightMax }: ModbusConfig): LineTiming {
  const { pauseMs } = quirks
  if (line.kind === 'tcp') return { kind: 'tcp', roundTripMs: assumedRoundTripMs, pauseMs, inflightMax }
  return {
    kind: 'serial',
    baud: line.baud,
    characterBits: line.characterBits,
    turnaroundMs: quirks.turnaroundMs ?? assumedTurnaroundMs,
    pauseMs,
  }
}

function lineText({ line }: ModbusConfig): string {
  return line.kind === 'tcp' ? `at ${assumedRoundTripMs} ms for an answer` : `at ${line.baud} baud`
}

function remedyOf({ line, quirks }: ModbusConfig): string {
  if (line.kind !== 'tcp') return ', raise the baud rate, or divide the units over several lines'
  return quirks.pauseMs > 0 ? ', or shorten `pause`' : ', or raise `inflight` if the device can'
}

/** `4.1s`, `250ms`, as site files have it. */
function durationText(ms: number): string {
  if (ms < 1_000) return `${Math.ceil(ms)}ms`
  return ms < 10_000 ? `${Math.round(ms / 100) / 10}s` : `${Math.round(ms / 1_000)}s`
}

/** To a number that people write. */
function roundedUp(ms: number): number {
  const step = 10 ** Math.floor(Math.log10(ms)) / 2
  return Math.ceil(ms / step) * step
}
