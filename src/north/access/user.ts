import type { Role } from '../../model/tag.ts'
import type { TopicRules } from './rights.ts'

/** Somebody who may come in, as the list of users has him. */
export interface User extends TopicRules {
  readonly name: string
  readonly role: Role
  /** Argon2id; absent: no password opens anything. */
  readonly password?: string | undefined
  /** Names in the subject or among the alternative names of a client certificate that stand for this user. */
  readonly certificates?: readonly string[] | undefined
}
