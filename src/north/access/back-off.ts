import type { Clock, MonotonicMs } from '../../base/clock.ts'

/** Wrong passwords in a row that cost no wait: people mistype. */
const freeForUser = 5
/** One address may hold many machines. */
const freeForAddress = 20
const firstMs = 1_000
const longestMs = 60_000
/** Who has been quiet for this long begins anew. */
const forgetMs = 15 * 60_000
/** When more are known, the oldest is forgotten. */
const entriesMax = 10_000

interface Entry {
  failures: number
  heldUntil: MonotonicMs
  at: MonotonicMs
}

/** How long somebody has to wait after wrong passwords: by address and user, and by address. Bounded, however many come. */
export class BackOff {
  readonly #clock: Clock
  readonly #entries = new Map<string, Entry>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get size(): number {
    return this.#entries.size
  }

  isHeld(address: string, user: string): boolean {
    const now = this.#clock.elapsed()
    return [addressKey(address), userKey(address, user)].some((key) => (this.#entries.get(key)?.heldUntil ?? 0) > now)
  }

  /** Counted before the password is looked at: a thousand tries at once must not all find the door open. */
  tried(address: string, user: string): void {
    this.#count(userKey(address, user), freeForUser)
  }

  failed(address: string): void {
    this.#count(addressKey(address), freeForAddress)
  }

  succeeded(address: string, user: string): void {
    this.#entries.delete(userKey(address, user))
  }

  #count(key: string, free: number): void {
    const now = this.#clock.elapsed()
    const known = this.#entries.get(key)
    const failures = (known === undefined || now - known.at > forgetMs ? 0 : known.failures) + 1
    const waitMs = failures < free ? 0 : Math.min(longestMs, firstMs * 2 ** Math.min(failures - free, 10))
    this.#entries.delete(key) // to the end: the first of the map is who has been quiet for longest
    this.#entries.set(key, { failures, at: now, heldUntil: (now + waitMs) as MonotonicMs })
    if (this.#entries.size <= entriesMax) return
    for (const oldest of this.#entries.keys()) {
      this.#entries.delete(oldest)
      break
    }
  }
}

/** Of IPv6 the network: a machine has as many addresses in it as it likes. */
export function networkOf(address: string): string {
  if (!address.includes(':') || address.startsWith('::ffff:')) return address
  const [front = '', back] = address.split('::')
  const groups = front.split(':').filter((group) => group !== '')
  const missing = back === undefined ? 0 : 8 - groups.length - back.split(':').filter((group) => group !== '').length
  return [...groups, ...Array.from({ length: Math.max(missing, 0) }, () => '0')].slice(0, 4).join(':')
}

function addressKey(address: string): string {
  return networkOf(address)
}

function userKey(address: string, user: string): string {
  return `${networkOf(address)} ${user.slice(0, 256)}`
}
