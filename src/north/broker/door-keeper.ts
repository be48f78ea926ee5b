import type { Fault } from '../../base/fault.ts'
import type { Role } from '../../model/tag.ts'

/** Who may come in: what the broker needs of the access list. */
export interface DoorKeeper {
  admit(credentials: Shown): Promise<Admitted | { readonly isAdmitted: false; readonly fault: Fault }>
  /** Called when somebody may have lost his rights. */
  onChange(listener: () => void): Disposable
}

export interface Shown {
  readonly user?: string
  readonly password?: Uint8Array
  readonly certificate?: readonly string[]
  readonly remoteAddress?: string
}

export interface Admitted {
  readonly isAdmitted: true
  readonly role: Role
  readonly rights: Rights
  readonly name?: string
  isValid(): boolean
}

export interface Rights {
  mayRead(filter: string): boolean
  mayWrite(topic: string): boolean
  readonly hasOwnWriteRules: boolean
}

/** Who comes by the private socket: the kernel has looked at the user already. */
export const localAdmission: Admitted = {
  isAdmitted: true,
  role: 'admin',
  name: 'local',
  rights: { mayRead: () => true, mayWrite: () => true, hasOwnWriteRules: false },
  isValid: () => true,
}

/** What a client has published under an owned prefix. `passOn` hands it to subscribers too; `discard` counts it as refused. */
export type Receive = (message: ReceivedMessage) => 'passOn' | 'discard'

export interface ReceivedMessage {
  readonly topic: string
  readonly payload: Uint8Array
  readonly by: { readonly name: string; readonly role: Role }
}
