import type { Role } from '../../model/tag.ts'

/** One `flows/*.test.yaml`. Plain data. */
export interface FlowTestFile {
  readonly flow: string
  /** Where the clock of each case begins. */
  readonly time: string
  readonly tags: TagStates
  readonly services: Readonly<Record<string, readonly ServiceStep[]>>
  /** How the plant answers, in each case. */
  readonly plant: readonly Deed[]
  /** Flows that run beside it and may start by themselves. */
  readonly beside: readonly string[]
  readonly cases: readonly FlowTestCase[]
}

export interface FlowTestCase {
  readonly name: string
  readonly time?: string
  readonly tags: TagStates
  readonly devices: Readonly<Record<string, 'here' | 'away'>>
  readonly services: Readonly<Record<string, readonly ServiceStep[]>>
  /** By device: what its methods give, in turn; the last one again and again. */
  readonly methods: Readonly<Record<string, readonly unknown[][]>>
  /** By step: how many of its first attempts fail. */
  readonly fail: Readonly<Record<string, number>>
  readonly do: readonly Deed[]
  /** So long it lasts at least. */
  readonly forMs: number
  readonly expect: Expectation
}

export type JsonScalar = boolean | number | string
export type TestValue = JsonScalar | readonly JsonScalar[] | null
export interface TagState {
  readonly value: TestValue
  readonly quality: 'good' | 'uncertain' | 'bad' | 'stale'
}
export type TagStates = Readonly<Record<string, TagState>>

export type ServiceStep =
  | { readonly kind: 'away' }
  | { readonly kind: 'answer'; readonly status: number; readonly body: unknown; readonly afterMs: number }

/** What one line of `do` or `plant` does, and when. */
export interface Deed {
  readonly on?: Moment
  readonly afterMs: number
  readonly set?: TagStates
  readonly devices?: Readonly<Record<string, 'here' | 'away'>>
  readonly start?: { readonly flow?: string; readonly input: Readonly<Record<string, unknown>>; readonly role: Role; readonly by: string }
  readonly event?: { readonly type: string; readonly subject: string; readonly data: Readonly<Record<string, unknown>> }
  readonly message?: { readonly topic: string; readonly payload: unknown }
  readonly alarm?: { readonly alarm: string; readonly state: 'raised' | 'cleared' }
  readonly answer?: {
    readonly step: string
    readonly verdict: Verdict
    readonly by: string
    readonly role: Role
    readonly comment?: string
  }
  readonly order?: {
    readonly act: Order
    readonly step?: string
    readonly by: string
    readonly role: Role
    readonly why?: string
    readonly undo: boolean
  }
  /** The power fails, and comes back after so long. */
  readonly killMs?: number
}

export type Verdict = 'approved' | 'rejected' | 'done' | 'failed' | 'repeat'
export type Order = 'pause' | 'resume' | 'cancel' | 'skip' | 'retry' | 'settle'

/** One of these. */
export interface Moment {
  readonly write?: string
  /** Of a write: only that of this value. */
  readonly value?: TestValue
  readonly publish?: string
  readonly request?: string
  /** A step begins. */
  readonly step?: string
}

export interface Expectation {
  readonly runs?: number
  readonly state?: string
  readonly withinMs?: number
  readonly atLeastMs?: number
  readonly steps?: Readonly<Record<string, string>>
  readonly ways?: Readonly<Record<string, unknown>>
  readonly fault?: { readonly step?: string; readonly code?: string; readonly message?: string }
  readonly writes?: readonly Readonly<Record<string, unknown>>[]
  readonly tags?: Readonly<Record<string, unknown>>
  readonly publishes?: readonly { readonly topic: string; readonly payload?: unknown; readonly retain?: boolean }[]
  readonly requests?: readonly Readonly<Record<string, unknown>>[]
  readonly calls?: readonly Readonly<Record<string, unknown>>[]
  readonly events?: readonly Readonly<Record<string, unknown>>[]
  readonly alarms?: Readonly<Record<string, string>>
  readonly refused?: readonly string[]
  readonly asks?: readonly string[]
  readonly left?: readonly string[]
  readonly output?: unknown
}
