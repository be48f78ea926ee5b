import type { MessagePort } from 'node:worker_threads'
import { Fault, faultOf, type PlainFault, plainFault } from './fault.ts'
import { Slots } from './slots.ts'

/**
 * The door between two rooms: typed calls over a MessagePort, each answered once. An answer is also the acknowledgement, so back-pressure,
 * bounded queues and feeds are built on top of `call`; who uses `tell` calls now and then to learn how far the other side is.
 *
 * A door outlives the room behind it: when that room dies its port closes, every pending call is rejected with `door.closed`, and `attach`
 * connects the door to the room's next life.
 */
export interface Door<Theirs extends Calls<Theirs>> {
  /** Rejects with the far side's Fault, with `door.closed` (nobody there) or with `door.busy` (too many unanswered calls). All but the first are retryable. */
  call<Name extends keyof Theirs & string>(
    name: Name,
    ask: Ask<Theirs, Name>,
    transfer?: readonly MessagePort[],
  ): Promise<Answer<Theirs, Name>>
  /** Says something without waiting for an answer; false where nobody is there. What is told and what is called arrive in the order of sending: a later answer acknowledges it. */
  tell<Name extends keyof Theirs & string>(name: Name, ask: Ask<Theirs, Name>): boolean
  attach(port: MessagePort): void
  /** Called each time somebody stands behind the door again; at once if somebody does now. */
  onAttach(listener: () => void): void
  readonly isOpen: boolean
  readonly unanswered: number
  close(): void
}

// `never` accepts any parameter: this only says that each member takes one plain argument.
export type Calls<T> = Record<keyof T, (ask: never) => unknown>
type Ask<T, Name extends keyof T> = T[Name] extends (ask: infer A) => unknown ? A : never
type Answer<T, Name extends keyof T> = T[Name] extends (ask: never) => infer R ? Awaited<R> : never
/** What one side does when it is called. */
export type Handlers<Ours> = { readonly [Name in keyof Ours]: (ask: Ask<Ours, Name>) => Answer<Ours, Name> | Promise<Answer<Ours, Name>> }

export interface DoorOptions {
  /** For faults: `control to store`. */
  readonly name: string
  /** Calls that may wait for an answer at once; one more is refused with `door.busy`. */
  readonly unansweredMax: number
}

type Message =
  | { readonly kind: 'tell'; readonly name: string; readonly ask: unknown }
  | { readonly kind: 'call'; readonly id: number; readonly name: string; readonly ask: unknown }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: unknown }
  | { readonly kind: 'fault'; readonly id: number; readonly fault: PlainFault }

interface Pending {
  readonly resolve: (answer: never) => void
  readonly reject: (error: Fault) => void
}

export function createDoor<Theirs extends Calls<Theirs>, Ours extends Calls<Ours>>(
  handlers: Handlers<Ours>,
  options: DoorOptions,
): Door<Theirs> {
  return new PortDoor<Theirs>(handlers as Record<string, (ask: never) => unknown>, options)
}

class PortDoor<Theirs extends Calls<Theirs>> implements Door<Theirs> {
  readonly #handlers: Readonly<Record<string, (ask: never) => unknown>>
  readonly #options: DoorOptions
  readonly #pending = new Slots<Pending>()
  readonly #attachListeners: (() => void)[] = []
  #port: MessagePort | undefined

  constructor(handlers: Readonly<Record<string, (ask: never) => unknown>>, options: DoorOptions) {
    this.#handlers = handlers
    this.#options = options
  }

  get isOpen(): boolean {
    return this.#port !== undefined
  }

  get unanswered(): number {
    return this.#pending.size
  }

  call<Name extends keyof Theirs & string>(
    name: Name,
    ask: Ask<Theirs, Name>,
    transfer: readonly MessagePort[] = [],
  ): Promise<Answer<Theirs, Name>> {
    const port = this.#port
    if (port === undefined) return Promise.reject(closed(this.#options.name))
    if (this.#pending.size >= this.#options.unansweredMax) return Promise.reject(busy(this.#options))
    return new Promise((resolve, reject) => {
      const id = this.#pending.add({ resolve, reject })
      port.postMessage({ kind: 'call', id, name, ask } satisfies Message, transfer)
    })
  }

  tell<Name extends keyof Theirs & string>(name: Name, ask: Ask<Theirs, Name>): boolean {
    this.#port?.postMessage({ kind: 'tell', name, ask } satisfies Message)
    return this.isOpen
  }

  attach(port: MessagePort): void {
    this.close()
    this.#port = port
    port.on('message', (message: Message) => this.#receive(port, message))
    port.on('close', () => {
      if (this.#port === port) this.close()
    })
    for (const listener of this.#attachListeners) listener()
  }

  onAttach(listener: () => void): void {
    this.#attachListeners.push(listener)
    if (this.isOpen) listener()
  }

  close(): void {
    this.#port?.close()
    this.#port = undefined
    for (const pending of this.#pending.takeAll()) pending.reject(closed(this.#options.name))
  }

  #receive(port: MessagePort, message: Message): void {
    switch (message.kind) {
      case 'tell':
        this.#hear(message)
        return
      case 'call':
        this.#serve(port, message)
        return
      case 'answer':
        this.#pending.take(message.id)?.resolve(message.answer as never)
        return
      case 'fault':
        this.#pending.take(message.id)?.reject(faultOf(message.fault))
        return
      default:
        message satisfies never
    }
  }

  /** There is nobody to be told of a failure: it is a bug, and ends this room. */
  async #hear({ name, ask }: { readonly name: string; readonly ask: unknown }): Promise<void> {
    await this.#handler(name)(ask as never)
  }

  #handler(name: string): (ask: never) => unknown {
    const handler = this.#handlers[name]
    if (handler === undefined) throw new Error(`nobody answers "${name}" behind the door ${this.#options.name}`)
    return handler
  }

  async #serve(port: MessagePort, call: { readonly id: number; readonly name: string; readonly ask: unknown }): Promise<void> {
    let message: Message
    try {
      message = { kind: 'answer', id: call.id, answer: await this.#handler(call.name)(call.ask as never) }
    } catch (error) {
      message = { kind: 'fault', id: call.id, fault: plainFault(error) }
    }
    if (this.#port === port) port.postMessage(message)
  }
}

function closed(name: string): Fault {
  return new Fault('door.closed', `Nobody is behind the door ${name} right now.`, {
    remedy: 'Wait: the runtime restarts the part behind it, and the log says why it went.',
    isRetryable: true,
  })
}

function busy(options: DoorOptions): Fault {
  return new Fault('door.busy', `${options.unansweredMax} calls already wait behind the door ${options.name}.`, {
    remedy: 'Ask again a little later, and ask less often.',
    isRetryable: true,
  })
}
