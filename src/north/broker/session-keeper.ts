import type { Clock } from '../../base/clock.ts'
import { Fault } from '../../base/fault.ts'
import { errorFields, type Log } from '../../base/log.ts'
import { type Running, startLoop } from '../../base/running.ts'
import type { SessionChanges, SessionsPage, SessionsPageAsk, SessionsPart } from '../../store/contract.ts'
import type { PendingChanges } from './pending-changes.ts'

/** Where sessions outlive the broker. */
export interface SessionStore {
  keep(changes: SessionChanges): Promise<{ readonly file: number }>
  page(ask: SessionsPageAsk): Promise<SessionsPage>
}

/** The broker's memory, seen from its keeper. */
export interface Remembered {
  restore(changes: Partial<SessionChanges>): void
  /** Everything there is has been read. */
  restored(): void
  /** The file is another one, and empty: all of it is to be said again. */
  repeatAll(): void
}

export interface SessionKeeperOptions {
  readonly store: SessionStore
  readonly pending: PendingChanges
  readonly memory: Remembered
  readonly clock: Clock
  readonly log: Log
  /** The store keeps again what it refused to keep. */
  readonly onMended: () => void
}

const parts: readonly SessionsPart[] = ['sessions', 'subscriptions', 'queued', 'received', 'retained', 'wills']
/** What nobody waits for is written with what somebody waits for, or after this time. A message acknowledged since then comes again after a crash. */
const lazyMs = 200
const retryMs = 500
/** A call that takes longer than this is as good as refused. */
const patienceMs = 3_000
/** How long the last changes may take when the broker ends. */
const partingMs = 2_000

/** Brings what changes in the sessions to the store: one call at a time, everything that has gathered since the last one, and again until it is kept. */
export class SessionKeeper {
  readonly #options: SessionKeeperOptions
  readonly #waiting: { readonly number: number; readonly done: () => void }[] = []
  readonly #restored = Promise.withResolvers<void>()
  #inHand: { readonly changes: SessionChanges; readonly upTo: number } | undefined
  #wake = Promise.withResolvers<void>()
  #lazily: Disposable | undefined
  #hasFailed = false
  #failures = 0
  #keptUpTo = 0
  #file: number | undefined

  constructor(options: SessionKeeperOptions) {
    this.#options = options
  }

  /** Resolves when what the store holds is in memory. */
  get restored(): Promise<void> {
    return this.#restored.promise
  }

  get failures(): number {
    return this.#failures
  }

  /** Whether it makes no sense to wait for the store now. */
  get isFailing(): boolean {
    return this.#hasFailed
  }

  /** Calls back when all that has changed so far is on the disk; in the order of asking. */
  whenKept(done: () => void): void {
    const { pending } = this.#options
    if (pending.number <= this.#keptUpTo) {
      done()
      return
    }
    this.#waiting.push({ number: pending.number, done })
    this.#wake.resolve()
  }

  kept(): Promise<void> {
    return new Promise((resolve) => this.whenKept(resolve))
  }

  /** Something has changed that nobody waits for. */
  changed(): void {
    this.#lazily ??= this.#options.clock.after(lazyMs, () => {
      this.#lazily = undefined
      this.#wake.resolve()
    })
  }

  start(): Running {
    const running = startLoop((signal) => this.#run(signal))
    const close = async (): Promise<void> => {
      this.#lazily?.[Symbol.dispose]()
      if (!this.#hasFailed && this.#file !== undefined) await Promise.race([this.kept(), this.#options.clock.sleep(partingMs)])
      const ended = running[Symbol.asyncDispose]()
      this.#wake.resolve()
      await Promise.race([ended, this.#options.clock.sleep(partingMs)]) // a store that hangs is left behind
    }
    return { failure: running.failure, [Symbol.asyncDispose]: close }
  }

  async #run(signal: AbortSignal): Promise<void> {
    await this.#untilDone(() => this.#restore(), signal)
    while (!signal.aborted) {
      await this.#wake.promise
      this.#wake = Promise.withResolvers()
      await new Promise((resolve) => setImmediate(resolve)) // all that comes in this turn of the loop goes in one call
      while (!signal.aborted && this.#hasWork()) {
        await this.#untilDone(() => this.#send(), signal)
        this.#release()
      }
      if (signal.aborted) return
      this.#keptUpTo = this.#options.pending.number // what came and went before it was sent left nothing to send
      this.#release()
    }
  }

  #hasWork(): boolean {
    return this.#inHand !== undefined || !this.#options.pending.isEmpty
  }

  async #restore(): Promise<void> {
    const { store, memory } = this.#options
    if (this.#hasWork() && this.#hasFailed) await this.#send() // what came while the file could not be read is newer than the file
    for (const part of parts) {
      let afterId: number | undefined = 0
      while (afterId !== undefined) {
        const page: SessionsPage = await store.page({ part, afterId })
        this.#file = page.file
        memory.restore(page.changes)
        afterId = page.nextAfterId
      }
    }
    memory.restored()
    this.#restored.resolve()
  }

  async #send(): Promise<void> {
    this.#inHand ??= this.#options.pending.take()
    const { changes, upTo } = this.#inHand
    const { file } = await this.#options.store.keep(changes)
    this.#inHand = undefined
    this.#keptUpTo = upTo
    if (this.#file !== undefined && this.#file !== file) this.#options.memory.repeatAll()
    this.#file = file
  }

  #release(): void {
    const count = this.#waiting.findIndex(({ number }) => number > this.#keptUpTo)
    for (const { done } of this.#waiting.splice(0, count === -1 ? this.#waiting.length : count)) done()
  }

  async #untilDone(work: () => Promise<void>, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options
    while (!signal.aborted) {
      try {
        using _ = clock.after(patienceMs, () => this.#failed(silent()))
        await work()
      } catch (error) {
        this.#failed(error)
        await clock.sleep(retryMs, signal)
        continue
      }
      this.#mended()
      return
    }
  }

  #failed(error: unknown): void {
    this.#failures += 1
    if (this.#hasFailed) return
    this.#hasFailed = true
    this.#options.log.error('The broker cannot keep what its sessions need: such messages are not acknowledged.', errorFields(error))
  }

  #mended(): void {
    if (!this.#hasFailed) return
    this.#hasFailed = false
    this.#options.log.info('The broker keeps again what its sessions need.')
    this.#release() // first: what is acknowledged need not be sent again
    this.#options.onMended()
  }
}

function silent(): Fault {
  return new Fault('mqtt.store-silent', `The store has not answered for ${patienceMs} ms.`, {
    remedy: 'Look at the disk of the state folder: it is far too slow, or broken.',
    isRetryable: true,
  })
}
