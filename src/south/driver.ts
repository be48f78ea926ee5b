import type { z } from 'zod'
import type { Clock, EpochMs } from '../base/clock.ts'
import type { Fault } from '../base/fault.ts'
import type { Log } from '../base/log.ts'
import type { Metric } from '../base/metric.ts'
import type { Running } from '../base/running.ts'
import type { Reading, Tag, TagValue } from '../model/tag.ts'

/** What `check` found: the path inside the device file where it stands, and what to do about it. */
export interface Problem {
  /** Keys from the device file's root: `['tags', 'motor/running', 'at']`. */
  readonly path: readonly (string | number)[]
  readonly code: string
  readonly message: string
  readonly remedy: string
  readonly severity?: 'error' | 'warning'
}

/** A driver's part of the device file, known without loading any protocol library: `config.ts` of each driver. */
export interface DriverSchema<Config, Address> {
  readonly name: string
  /** Of the device file's own keys that this driver owns (`connection`, `modbus`, …), as one object. */
  readonly config: z.ZodType<Config>
  /** Of the keys of a tag that this driver owns (`at`, `type`, `node`, …), as one object. */
  readonly address: z.ZodType<Address>
  /** What the schemas cannot say. Pure. */
  check(config: Config, tags: readonly Tag<Address>[]): readonly Problem[]
  /** Pairs of tags (positions) that show the same place of the device, or parts of it: writing one changes the other. Pure. */
  sharing?(config: Config, tags: readonly Tag<Address>[]): readonly (readonly [number, number])[]
  /** The same of tags in different device files of this driver, as far as one of the two may be written. Pure. */
  sharingAcross?(members: readonly SharingMember<Config, Address>[]): readonly (readonly [Tag<Address>, Tag<Address>])[]
  /** Devices with the same answer share one line; without one a device has its own. */
  lineOf?(config: Config): string | undefined
  /** The host and port that it wants, and what it takes whoever answers there to speak. */
  peerOf?(config: Config): Peer | undefined
  /** What only all devices of one line together can show: that it has no time for them. Pure. */
  checkLine?(members: readonly LineMember<Config, Address>[]): readonly LineProblem[]
}

export interface Peer {
  /** `host:port`, in small letters. */
  readonly place: string
  /** For people: `Modbus TCP`. */
  readonly speaks: string
}

export interface SharingMember<Config, Address> {
  readonly config: Config
  readonly tags: readonly Tag<Address>[]
}

export interface LineMember<Config, Address> extends SharingMember<Config, Address> {
  readonly device: string
  readonly scanMs: Readonly<Record<string, number>>
}

/** A problem in the file of one of the devices. */
export interface LineProblem extends Problem {
  readonly device: string
}

/** A way to talk to one kind of device. It knows its protocol and nothing else: polling, reconnecting, time, health and logging live in device.ts. */
export interface Driver<Config, Address> {
  readonly name: string
  /** `signal` limits connecting; the connection then lives until it is disposed of. */
  connect(config: Config, tags: readonly Tag<Address>[], context: ConnectContext): Promise<Connection>
}

export interface ConnectContext {
  readonly signal: AbortSignal
  readonly clock: Clock
  readonly log: Log
  /** A folder of the device's own that outlives restarts (certificates, what was learnt). */
  readonly stateFolder: string
  /** What `lineside trust` must be told to reach this device: by default its name. */
  readonly trustedAs?: { readonly name: string; readonly site?: string }
  /** Period of each scan class: what shares a line with others is asked for in time. */
  readonly scanMs?: Readonly<Record<string, number>>
  /** Called for what the driver has found out about the device by asking it; at a bounded rate. */
  readonly learnt?: (note: LearntNote) => void
  /** Called with tags (positions) that turn out to be one place of the device, which only asking it could tell. */
  readonly sharing?: (tags: readonly number[]) => void
}

/** What a driver has found out about a device that the device file does not say. */
export interface LearntNote {
  /** Stable: `modbus.hole`. */
  readonly code: string
  /** A sentence for people. */
  readonly message: string
  /** What to write into the device file, so that nobody needs to find it out again. */
  readonly pin?: string
  readonly sinceMs: EpochMs
}

/** A device that can be talked to. Its `failure` rejects with a Fault as soon as it is known to be lost. */
export interface Connection extends Running {
  readonly source: PolledSource | SubscribedSource
  /** Reads these tags now, ahead of any poll; one reading a tag, in order. Rejects with a Fault where the device does not answer. */
  read(tags: readonly number[], signal: AbortSignal): Promise<readonly Reading[]>
  /** Writes raw values, ahead of any poll; one outcome a write, in order. Never rejects for what a device does. */
  write(writes: readonly RawWrite[], signal: AbortSignal): Promise<readonly WriteOutcome[]>
  /**
   * Why each of these writes would not be sent, as far as that is known beforehand: a batch must not be found out to be impossible when half of it
   * is written. Nothing is written for it. Rejects with a Fault where the device has to be asked, and does not answer.
   */
  refusals?(writes: readonly RawWrite[], signal: AbortSignal): Promise<readonly (WriteRefusal | undefined)[]>
  /** Calls a method of the device, where its protocol has such. Never rejects for what a device does. */
  call?(call: MethodCall, signal: AbortSignal): Promise<CallOutcome>
  /** Called when some of the device cannot be had though it answers, with why, and without when all can again. The tags concerned are told of by their readings. */
  onMissing?(tell: (fault: Fault | undefined) => void): void
  /** What the device tells beside its tags, where its device file asks for it. */
  readonly events?: EventSource
  /** Of this connection, without the label `device`; those of a line have the label `line`, and get no other. */
  metrics?(): readonly Metric[]
  /** All that has been learnt about the device, and is used. */
  learnt?(): readonly LearntNote[]
}

/** A device that has things to tell which are no values. */
export interface EventSource {
  /** Starts the reports; resolves when they have been asked for. A device that refuses is told of in the log and is no failure. */
  listen(report: (events: readonly DeviceEvent[]) => void, signal: AbortSignal): Promise<void>
}

export interface DeviceEvent {
  /** Dotted, as site events are: `opcua.event`. */
  readonly type: string
  /** By the device's own clock. */
  readonly timeMs: EpochMs
  /** JSON-safe. */
  readonly data: Readonly<Record<string, unknown>>
}

/** Object and method are written as the driver's addresses are. */
export interface MethodCall {
  readonly object: string
  readonly method: string
  readonly args: readonly TagValue[]
}

/** `values` are the output arguments, null where one holds what no tag can. `unknown`: it was sent, and the reply was lost. */
export type CallOutcome =
  | { readonly outcome: 'done'; readonly values: readonly (TagValue | null)[] }
  | { readonly outcome: 'failed' | 'unknown'; readonly fault: Fault }

/** A device that is asked. */
export interface PolledSource {
  readonly kind: 'polled'
  /** Reads every tag of one scan class once. */
  poll(scan: string, signal: AbortSignal): Promise<PollResult>
}

export interface PollResult {
  /** What changed since this scan class was last polled on this connection (the first time: everything). A tag that is not in it was read and is as it was, unless `silence` says otherwise. */
  readonly readings: readonly Reading[]
  /** Tags (positions) that could not be read because the device did not answer in time, and why. */
  readonly silence?: { readonly tags: readonly number[]; readonly fault: Fault }
}

/** A device that tells. */
export interface SubscribedSource {
  readonly kind: 'subscribed'
  /** Starts the reports; the first ones hold every tag. Resolves when every tag has been asked for. */
  subscribe(report: (readings: readonly Reading[]) => void, signal: AbortSignal): Promise<void>
}

export interface RawWrite {
  readonly tag: number
  /** Raw: scaling has been undone. */
  readonly value: TagValue
}

/**
 * `value`: the place of the tag cannot hold it, now or ever. `fraction`: it holds whole numbers only, and this is none. `place`: the tag cannot be
 * written just now, whatever the value.
 */
export interface WriteRefusal {
  readonly of: 'value' | 'fraction' | 'place'
  readonly fault: Fault
}

/** `unknown`: it was sent, and the reply was lost. `neverSent`: the device has surely not heard of it, so that asking again is no repetition. */
export type WriteOutcome =
  | { readonly outcome: 'done' }
  | { readonly outcome: 'unknown'; readonly fault: Fault }
  | { readonly outcome: 'failed'; readonly fault: Fault; readonly neverSent?: boolean }
