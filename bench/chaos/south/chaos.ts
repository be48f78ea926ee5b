import { mixed } from '../chance.ts'
import type { ChaosOptions, Loss } from '../loss.ts'
import { startMemoryWatch } from './memory.ts'
import { modbusRound } from './modbus-round.ts'
import { opcuaRound } from './opcua-round.ts'

type RoundKind = 'modbus' | 'opcua'

/** What a round tells, for the summary. */
export interface RoundResult {
  readonly losses: readonly string[]
  readonly faults: number
  readonly values: number
  readonly writes: number
  /** The longest time from the end of a fault to all values back. */
  readonly recoveryMs: number
}

type Round = (options: { readonly seed: number }) => Promise<RoundResult>

const rounds: Readonly<Record<RoundKind, Round>> = { modbus: modbusRound, opcua: opcuaRound }
/** Rounds mostly wait, so several run at once. */
const lanes: readonly RoundKind[] = ['modbus', 'modbus', 'modbus', 'opcua']
/** Enough to see what is wrong. */
const lossesMax = 20

/** A seed says by itself which kind of round it begins, so that it is all that is needed to repeat one. */
function kindOf(seed: number): RoundKind {
  return seed % 8 === 0 ? 'opcua' : 'modbus'
}

/** The drivers in the care of the device loop and the tag table, against peers that misbehave: rounds of faults and calm until the time is over. */
export async function chaosSouth({ minutes, seed, say }: ChaosOptions): Promise<readonly Loss[]> {
  const losses: Loss[] = []
  const total = { rounds: 0, faults: 0, values: 0, writes: 0, recoveryMs: 0 }
  const endMs = performance.now() + minutes * 60_000
  const lose = (what: string, ofSeed: number): void => {
    say(`seed ${ofSeed}: ${what}`)
    losses.push({ what, seed: ofSeed })
  }
  const stray = (error: unknown): void => lose(`nobody caught ${error instanceof Error ? error.stack : String(error)}`, seed)
  process.on('unhandledRejection', stray).on('uncaughtException', stray)
  const memory = startMemoryWatch()
  const next = seeds(seed)
  const lane = async (kind: RoundKind, isFirst: boolean): Promise<void> => {
    for (let turn = 0; performance.now() < endMs && losses.length < lossesMax; turn += 1) {
      const own = isFirst && turn === 0 ? seed : next(kind)
      const result = await rounds[kind]({ seed: own })
      for (const what of result.losses) lose(`${kind}: ${what}`, own)
      total.rounds += 1
      total.faults += result.faults
      total.values += result.values
      total.writes += result.writes
      total.recoveryMs = Math.max(total.recoveryMs, result.recoveryMs)
      if (total.rounds % 50 === 0) say(summary(total, memory.heapMb()))
    }
  }
  const first = lanes.indexOf(kindOf(seed))
  await Promise.all(lanes.map((kind, place) => lane(kind, place === first)))
  process.off('unhandledRejection', stray).off('uncaughtException', stray)
  say(summary(total, memory.heapMb()))
  for (const what of memory.losses()) lose(what, seed)
  return losses
}

/** The seeds of later rounds, by kind. */
function seeds(seed: number): (kind: RoundKind) => number {
  let count = 0
  return (kind) => {
    for (;;) {
      count += 1
      const next = mixed(seed + count * 0x9e37_79b9)
      if (kindOf(next) === kind) return next
    }
  }
}

function summary(total: Omit<RoundResult, 'losses'> & { readonly rounds: number }, heapMb: number): string {
  const { rounds: done, faults, values, writes, recoveryMs } = total
  const counts = `${done} rounds, ${faults} faults, ${values} values and ${writes} writes checked`
  return `${counts}, slowest recovery ${Math.round(recoveryMs)} ms, heap ${heapMb.toFixed(1)} MB`
}
