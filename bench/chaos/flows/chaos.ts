import { mixed } from '../chance.ts'
import type { ChaosOptions, Loss } from '../loss.ts'
import { flowsRound } from './round.ts'

const steps = 10
/** Enough to see what is wrong. */
const lossesMax = 5

/** Runs under load while the daemon and its threads are killed: rounds until the time is over. */
export async function chaosFlows({ minutes, seed, say }: ChaosOptions): Promise<readonly Loss[]> {
  const losses: Loss[] = []
  const total = { rounds: 0, faults: 0, repeated: 0, recoveryMs: 0 }
  const ended: Record<string, number> = {}
  const endMs = performance.now() + minutes * 60_000
  for (let own = seed; performance.now() < endMs && losses.length < lossesMax; own = mixed(own + 0x9e37_79b9)) {
    const result = await flowsRound({ seed: own, steps })
    for (const what of result.losses.slice(0, lossesMax)) losses.push({ what, seed: own })
    for (const [state, count] of Object.entries(result.ended)) ended[state] = (ended[state] ?? 0) + count
    total.rounds += 1
    total.faults += result.faults
    total.repeated += result.repeated
    total.recoveryMs = Math.max(total.recoveryMs, result.recoveryMs)
    const states = Object.entries(ended).map(([state, count]) => `${count} ${state}`)
    const counts = `${total.rounds} rounds, ${total.faults} kills, runs: ${states.join(', ')}; ${total.repeated} requests came twice, under their old key`
    say(`seed ${own}: ${counts}; slowest recovery ${Math.round(total.recoveryMs)} ms`)
  }
  return losses
}
