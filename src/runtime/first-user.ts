import { backoffMs, type Chance } from '../base/chance.ts'
import type { Clock } from '../base/clock.ts'
import { errorFields, type Log } from '../base/log.ts'
import { type Running, startLoop } from '../base/running.ts'
import { type FirstUser, makeFirstUser, randomPassword } from '../north/access/first-user.ts'

export interface FirstUserOptions {
  readonly stateFolder: string
  readonly clock: Clock
  readonly chance: Chance
  readonly log: Log
  /** Called once, with the one that was made. */
  readonly tell: (first: FirstUser) => void
}

/** A disk that is full at the first start gets room some day; until then a try costs one password hash. */
const wait = { firstMs: 1_000, maxMs: 30_000 } as const

/** Makes the user of a gateway's first start, as soon as he can be written down; nothing where there is a list of users already. */
export function startFirstUser({ stateFolder, clock, chance, log, tell }: FirstUserOptions): Running {
  return startLoop(async (signal) => {
    const startedAt = clock.elapsed()
    for (let attempt = 1; !signal.aborted; attempt += 1) {
      try {
        const first = await makeFirstUser(stateFolder)
        if (first !== undefined) tell(first)
        if (attempt > 1) log.info('The first user is settled.', { attempts: attempt, tookMs: Math.round(clock.elapsed() - startedAt) })
        return
      } catch (error) {
        if (attempt === 1) log.error('The first user could not be made; the gateway runs on, and tries again.', errorFields(error))
        await clock.sleep(backoffMs(wait, attempt, chance), signal).catch(() => {}) // stopping ends the loop
      }
    }
  })
}

export async function newPassword(): Promise<string> {
  return await randomPassword()
}
