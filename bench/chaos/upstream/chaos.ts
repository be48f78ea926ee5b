import { mixed } from '../chance.ts'
import type { ChaosOptions, Loss } from '../loss.ts'
import { upstreamRound } from './round.ts'

const steps = 12
/** Enough to see what is wrong. */
const lossesMax = 5

/** The way upstream through kills, half-open links, full disks and disks that stand still: rounds until the time is over. */
export async function chaosUpstream({ minutes, seed, say }: ChaosOptions): Promise<readonly Loss[]> {
  const losses: Loss[] = []
  const total = { rounds: 0, faults: 0, messages: 0, resent: 0, recoveryMs: 0 }
  const endMs = performance.now() + minutes * 60_000
  for (let own = seed; performance.now() < endMs && losses.length < lossesMax; own = mixed(own + 0x9e37_79b9)) {
    const result = await upstreamRound({ seed: own, steps, say })
    for (const what of result.losses.slice(0, lossesMax)) losses.push({ what, seed: own })
    total.rounds += 1
    total.faults += result.faults
    total.messages += result.messages
    total.resent += result.resent
    total.recoveryMs = Math.max(total.recoveryMs, result.recoveryMs)
    const counts = `${total.rounds} rounds, ${total.faults} faults, ${total.messages} messages accepted and acknowledged, ${total.resent} sent twice`
    say(`seed ${own}: ${counts}; slowest recovery ${Math.round(total.recoveryMs)} ms`)
  }
  return losses
}
