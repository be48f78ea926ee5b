import type { Clock, MonotonicMs } from '../../base/clock.ts'
import { Fault } from '../../base/fault.ts'
import { BackOff } from './back-off.ts'
import type { User } from './user.ts'
import type { Users } from './users.ts'

/** Credentials that were right are known again for so long, so that a thousand clients that come back at once cost nothing. */
const trustedMs = 12 * 3_600_000
/** When more are known, the one not used for longest is forgotten. */
const trustedMax = 2_000
/** Passwords that wait to be looked at, one after the other; one more is refused. */
const waitingMax = 64
/** After a wrong one, so many times as long as it took: with that a flood of wrong passwords takes a quarter of a core at most. */
const restFactor = 3

/** Made once: they are thrown a thousand times a second. */
const backOff = new Fault('access.back-off', 'Too many wrong passwords came from there.', {
  remedy: 'Wait a minute, then try the right one.',
  isRetryable: true,
})
const busy = new Fault('access.busy', `${waitingMax} passwords wait to be looked at already.`, {
  remedy: 'Try again in some seconds.',
  isRetryable: true,
})

let crypto: typeof import('node:crypto') | undefined

interface Trusted {
  readonly user: User
  readonly until: MonotonicMs
}

/** Says whether a password is right, at a bounded cost however many ask. */
export class CredentialsCheck {
  readonly #users: Users
  readonly #clock: Clock
  readonly #backOff: BackOff
  readonly #trusted = new Map<string, Trusted>()
  readonly #open = new Map<string, Promise<User | undefined>>()
  #key: Uint8Array | undefined
  #turn: Promise<unknown> = Promise.resolve()
  #waiting = 0
  #restMs = 0
  #hashed = 0
  #refused = 0

  constructor(options: { readonly users: Users; readonly clock: Clock }) {
    this.#users = options.users
    this.#clock = options.clock
    this.#backOff = new BackOff(options.clock)
  }

  /** Passwords that were worked out, and those refused unseen. */
  get counts(): { readonly hashed: number; readonly refused: number } {
    return { hashed: this.#hashed, refused: this.#refused }
  }

  /** Undefined where user or password is wrong. Throws `access.back-off` or `access.busy`, both of which pass. */
  async userFor(name: string, password: Uint8Array, address: string): Promise<User | undefined> {
    const print = await this.#print(name, password)
    // First, and for as little as can be: a flood of guesses is in the way of all who are in.
    if (!this.#isSeen(print)) this.#turnAway(address, name)
    await this.#users.find(name) // who was changed a moment ago must not come in as he was
    const known = this.#known(print, name)
    if (known !== undefined) return known
    const open = this.#open.get(print) // of a thousand clients that share a user, one pays
    if (open !== undefined) return await open
    this.#turnAway(address, name)
    this.#backOff.tried(address, name)
    const checking = this.#inTurn(() => this.#check(name, password))
    this.#open.set(print, checking)
    try {
      const user = await checking
      if (user === undefined) this.#backOff.failed(address)
      else this.#trust(print, { user, address })
      return user
    } finally {
      this.#open.delete(print)
    }
  }

  #isSeen(print: string): boolean {
    return this.#trusted.has(print) || this.#open.has(print)
  }

  #turnAway(address: string, name: string): void {
    if (this.#backOff.isHeld(address, name)) throw this.#refuse(backOff)
    if (this.#waiting >= waitingMax) throw this.#refuse(busy)
  }

  #known(print: string, name: string): User | undefined {
    const trusted = this.#trusted.get(print)
    if (trusted === undefined) return undefined
    const isCurrent = this.#users.current(name) === trusted.user || sameSecret(this.#users.current(name), trusted.user)
    this.#trusted.delete(print)
    if (!isCurrent || trusted.until < this.#clock.elapsed()) return undefined
    const user = this.#users.current(name) ?? trusted.user
    this.#remember(print, user)
    return user
  }

  #trust(print: string, { user, address }: { readonly user: User; readonly address: string }): void {
    this.#backOff.succeeded(address, user.name)
    this.#users.loggedIn(user)
    this.#remember(print, user)
    if (this.#trusted.size <= trustedMax) return
    for (const oldest of this.#trusted.keys()) {
      this.#trusted.delete(oldest)
      break
    }
  }

  #remember(print: string, user: User): void {
    this.#trusted.set(print, { user, until: (this.#clock.elapsed() + trustedMs) as MonotonicMs })
  }

  async #check(name: string, password: Uint8Array): Promise<User | undefined> {
    const { matchesPassword, nobodysHash } = await import('./password.ts')
    const user = await this.#users.find(name)
    const started = this.#clock.elapsed()
    this.#hashed += 1
    const isRight = await matchesPassword(password, user?.password ?? nobodysHash)
    if (isRight && user?.password !== undefined) return user
    this.#restMs = restFactor * (this.#clock.elapsed() - started)
    return undefined
  }

  /** One after the other, and with the rest that a wrong one has earned behind it. */
  async #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    this.#waiting += 1
    const result = this.#turn.then(work)
    this.#turn = result
      .catch(() => {})
      .then(async () => {
        this.#waiting -= 1
        const restMs = this.#restMs
        this.#restMs = 0
        if (restMs > 0) await this.#clock.sleep(restMs)
      })
    return await result
  }

  /** A fingerprint under a key that nobody knows and that dies with the process: no password is kept, nor anything it could be found from. */
  async #print(name: string, password: Uint8Array): Promise<string> {
    crypto ??= await import('node:crypto') // an import of its own for each of a thousand guesses a second would be felt
    const { hash, randomBytes } = crypto
    this.#key ??= randomBytes(32)
    return hash('sha256', Buffer.concat([this.#key, Buffer.from(JSON.stringify(name)), password]), 'base64')
  }

  #refuse(fault: Fault): Fault {
    this.#refused += 1
    return fault
  }
}

/** The list is read anew after each change of it; who was not changed need not show more than before. */
function sameSecret(now: User | undefined, then: User): boolean {
  return now !== undefined && now.password === then.password
}
