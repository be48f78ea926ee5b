import type { Role, TagId } from '../../model/tag.ts'

export type Priority = 'critical' | 'high' | 'normal' | 'low'

/**
 * One flow, parsed. Plain data, safe as JSON: it is kept with each run, so that a run finishes on the definition it began with. Expressions are
 * still text; `check` has seen that they compile.
 */
export interface FlowDefinition {
  readonly flow: string
  readonly version: number
  readonly title?: string
  readonly priority: Priority
  /** `shadow`: decides on live data and writes nothing; its decisions are journalled beside those of the live version. */
  readonly mode: 'live' | 'shadow'
  readonly on: readonly FlowTrigger[]
  readonly input: Readonly<Record<string, FlowInput>>
  readonly concurrency: Concurrency
  /** Taken in one global (sorted) order before the first step, and held until the run has ended, its undo included. */
  readonly locks: readonly string[]
  readonly timeoutMs?: number
  /** For each step that has none of its own. */
  readonly retry?: Retry
  readonly steps: readonly FlowStep[]
}

export interface FlowInput {
  readonly type: 'number' | 'text' | 'boolean' | 'any'
  /** JSON; an input without one must be given by whoever starts the flow. */
  readonly default?: unknown
  readonly title?: string
  readonly range?: readonly [number, number]
}

export interface Concurrency {
  readonly limit: number
  /** CEL over `trigger` and `input`; runs with the same result share the limit. */
  readonly per?: string
  /** Of a start for which there is no room. replace: the oldest that waits makes room, or, where none may wait, the run under way is cancelled with its undo. */
  readonly overflow: 'queue' | 'drop' | 'replace'
  readonly queueMax: number
}

export interface Retry {
  /** The first one included. */
  readonly attempts: number
  readonly waitMs: number
  readonly factor: number
  readonly maxMs: number
}

/** What becomes of moments that passed while the daemon was away or paused. */
export type Missed = 'skip' | 'once' | 'all'

export type FlowTrigger =
  | TagTrigger
  /** A filter on the embedded broker, as it is written: below the site's path, or with `/` in front from the root of all topics. */
  | { readonly kind: 'topic'; readonly topic: string; readonly where?: string }
  /** `device.lost`, or with `*` for the last part: `device.*`. */
  | { readonly kind: 'event'; readonly event: string; readonly subject?: string; readonly where?: string }
  | { readonly kind: 'alarm'; readonly alarm: string; readonly state: 'raised' | 'cleared' }
  | { readonly kind: 'cron'; readonly cron: string; readonly zone?: string; readonly missed: Missed }
  | { readonly kind: 'interval'; readonly everyMs: number; readonly missed: Missed }
  /** By a person or a program: command line, API, MQTT, OPC UA. */
  | { readonly kind: 'start'; readonly role: Role }

/** Starts a run each time `when` becomes true, and has stayed so for `forMs`. */
export interface TagTrigger {
  readonly kind: 'tag'
  /** Whose changes are watched; `value` and `quality` in `when` are this tag's. */
  readonly tag: TagId
  readonly when: string
  readonly forMs?: number
  /** After a start the value must have moved by this much before the trigger is armed again. */
  readonly deadband?: number
}

export interface StepCommon {
  /** Unique in the whole flow, nested steps and undo included. */
  readonly id: string
  /** Ids of siblings. The file may be silent: then the step above. */
  readonly needs: readonly string[]
  readonly when?: string
  readonly timeoutMs?: number
  readonly retry?: Retry
  /** Done in this order, each with its own retry, when the run unwinds and this step was done or is in doubt. */
  readonly undo: readonly FlowStep[]
  /** continue: counts as done, with `steps['id'].failed`; a list: done in its place, then the flow goes on; absent: the run fails and unwinds. */
  readonly onFailure?: 'continue' | readonly FlowStep[]
  /** What is done when the daemon died between intent and outcome. Absent: by kind. */
  readonly inDoubt?: 'repeat' | 'fail' | 'ask'
}

export type FlowStep = StepCommon & StepAction
export type StepKind = StepAction['kind']
export type StepOf<Kind extends StepKind> = StepCommon & Extract<StepAction, { readonly kind: Kind }>

/** A value as it stands, or text with `${expression}` in it. */
export type FlowValue = boolean | number | string | readonly unknown[]
export type JsonMap = Readonly<Record<string, unknown>>

/** `${…}` may stand in any string but names of flows, services, roles, capabilities, locks, variables and alarms. */
export type StepAction =
  | WriteAction
  /** result: { 'DEVICE/TAG': value }. Fresh: asked of the device, not taken from the table. */
  | { readonly kind: 'read'; readonly tags: readonly string[]; readonly isFresh: boolean }
  | {
      readonly kind: 'publish'
      readonly topic: string
      readonly payload: unknown
      readonly isRetained: boolean
      /** The field of the payload that takes the idempotency key. */
      readonly keyField?: string
    }
  | { readonly kind: 'emit'; readonly event: string; readonly subject?: string; readonly data: unknown }
  /** Either `forMs`, or `until` with or without `untilMs`, its timeout. */
  | { readonly kind: 'wait'; readonly forMs?: number; readonly until?: string; readonly untilMs?: number }
  | { readonly kind: 'set'; readonly variables: JsonMap }
  /** The first case whose condition is true. */
  | { readonly kind: 'switch'; readonly cases: readonly SwitchCase[]; readonly otherwise: readonly FlowStep[] }
  /** any, or N: once so many branches are done the others are cancelled, with undo of what they did. */
  | { readonly kind: 'parallel'; readonly branches: readonly Branch[]; readonly join: 'all' | 'any' | number }
  /** One after the other; an item beyond `limit` fails the step before anything is done. */
  | { readonly kind: 'each'; readonly in: unknown; readonly as: string; readonly limit: number; readonly steps: readonly FlowStep[] }
  | { readonly kind: 'run'; readonly flow: string; readonly input: JsonMap; readonly isAwaited: boolean }
  | RequestAction
  | {
      readonly kind: 'call'
      readonly device: string
      readonly object?: string
      readonly method: string
      readonly inputs: readonly unknown[]
    }
  | QueryAction
  | {
      readonly kind: 'approve'
      readonly role: Role
      readonly text: string
      readonly withinMs: number
      readonly default: 'approve' | 'reject' | 'fail'
    }
  | PickAction
  | { readonly kind: 'raise'; readonly alarm: string; readonly text?: string; readonly severity?: number }
  | { readonly kind: 'clear'; readonly alarm: string }
  | { readonly kind: 'log'; readonly level: 'info' | 'warn' | 'error'; readonly text: string; readonly data?: unknown }
  | { readonly kind: 'fail'; readonly text: string }
  | { readonly kind: 'end'; readonly output?: unknown }

export interface WriteAction {
  readonly kind: 'write'
  /** In the order of the file, one after another. `tag` is a TagId, or a text with `${…}`, such as the device that `pick` found. */
  readonly writes: readonly { readonly tag: string; readonly value: FlowValue }[]
  /** Without it, a write whose outcome is unknown counts as done. */
  readonly isConfirmed: boolean
  /** How long the step waits for the confirmation of each write. Absent: as the tag's own `write: { confirm }` says. */
  readonly confirmMs?: number
}

export interface SwitchCase {
  readonly name?: string
  readonly when: string
  readonly steps: readonly FlowStep[]
}

export interface Branch {
  readonly name: string
  readonly steps: readonly FlowStep[]
}

export interface RequestAction {
  readonly kind: 'request'
  readonly service: string
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly body?: unknown
  readonly headers?: JsonMap
  /** Status codes that count as done. */
  readonly expect: readonly number[]
}

/** result: { 'DEVICE/TAG': number, or a list with null where nothing is known; known: { 'DEVICE/TAG': share } }. */
export interface QueryAction {
  readonly kind: 'query'
  readonly tags: readonly string[]
  readonly lastMs: number
  /** avg: weighted by how long each value was in force. delta: last less first. seconds: for how long it was true, or not 0. */
  readonly aggregate: 'avg' | 'min' | 'max' | 'first' | 'last' | 'sum' | 'count' | 'delta' | 'seconds'
  readonly everyMs?: number
}

/** result: { device }. */
export interface PickAction {
  readonly kind: 'pick'
  readonly capability: string
  /** Absent: all devices of the site that have the capability. */
  readonly from?: readonly string[]
  readonly by: 'first-healthy' | 'round-robin' | 'least-busy'
  readonly fallback?: string
}
