import type { Clock } from '../../base/clock.ts'
import { errorFields, type Log } from '../../base/log.ts'
import { type Running, startLoop } from '../../base/running.ts'
import type { User } from './user.ts'
import { readUsers, removeFirstPassword, usersFileStamp } from './users-file.ts'

/** How soon a change of the list counts for those who are connected. */
const lookPauseMs = 1_000

/** The list of users of a gateway that runs, as it stands in its file. */
export interface Users extends Running {
  find(name: string): Promise<User | undefined>
  /** Who stands behind one of these names of a certificate. */
  byCertificate(names: readonly string[]): Promise<User | undefined>
  /** The user as known just now, without looking. */
  current(name: string): User | undefined
  onChange(listener: () => void): Disposable
  /** Somebody is in: the password written down for the first login has done its work. */
  loggedIn(user: User): void
}

export interface UsersOptions {
  readonly stateFolder: string
  readonly clock: Clock
  readonly log: Log
}

/** Reads the list when somebody shows credentials for the first time, and keeps to it from then on. */
export function openUsers(options: UsersOptions): Users {
  const list = new UserList(options)
  const looking = startLoop(async (signal) => {
    while (!signal.aborted) {
      await options.clock.sleep(lookPauseMs, signal)
      if (list.isUsed) await list.look()
    }
  })
  return {
    failure: looking.failure,
    find: async (name) => (await list.fresh()).get(name),
    byCertificate: async (names) => {
      const users = await list.fresh()
      return users.values().find(({ certificates }) => certificates?.some((name) => names.includes(name)) === true)
    },
    current: (name) => list.users.get(name),
    onChange: (listener) => list.onChange(listener),
    loggedIn: ({ name, role }) => list.loggedIn(name, role),
    [Symbol.asyncDispose]: () => looking[Symbol.asyncDispose](),
  }
}

class UserList {
  readonly #options: UsersOptions
  readonly #listeners = new Set<() => void>()
  #users: ReadonlyMap<string, User> = new Map()
  #stamp: string | undefined
  #looking: Promise<void> | undefined
  #hasFirstPassword = true
  #isUsed = false

  constructor(options: UsersOptions) {
    this.#options = options
  }

  get users(): ReadonlyMap<string, User> {
    return this.#users
  }

  get isUsed(): boolean {
    return this.#isUsed
  }

  /** As the file is now: those who come together share one look. */
  async fresh(): Promise<ReadonlyMap<string, User>> {
    await this.look()
    return this.#users
  }

  /** Never rejects: a list that cannot be read changes nothing. */
  async look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined
      this.#isUsed = true
    })
    await this.#looking
  }

  onChange(listener: () => void): Disposable {
    this.#listeners.add(listener)
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) }
  }

  loggedIn(name: string, role: string): void {
    if (!this.#hasFirstPassword || name !== 'admin' || role !== 'admin') return
    this.#hasFirstPassword = false
    void removeFirstPassword(this.#options.stateFolder)
  }

  async #look(): Promise<void> {
    const { stateFolder, log } = this.#options
    let stamp = this.#stamp
    try {
      stamp = await usersFileStamp(stateFolder)
      if (stamp === this.#stamp) return
      const users = await readUsers(stateFolder)
      this.#users = new Map(users.map((user) => [user.name, user]))
      for (const listener of this.#listeners) listener()
    } catch (error) {
      log.error('The list of users cannot be read; the one known before goes on to count.', errorFields(error))
    } finally {
      this.#stamp = stamp // told once for each state of the file
    }
  }
}
