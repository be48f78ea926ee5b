import { randomUUID } from 'node:crypto'
import { type StatusCode, StatusCodes } from 'node-opcua-status-code'
import type { Variant } from 'node-opcua-variant'
import type { Log } from '../../base/log.ts'
import type { CommandRoad } from '../../control/contract.ts'
import type { Asker, CommandResult } from '../../model/command.ts'
import type { TagMeta } from '../../model/tag.ts'
import type { TagVariable } from './address-space.ts'
import { tagValueOf } from './values.ts'

export interface WriteOptions {
  readonly commands: CommandRoad
  readonly log: Log
  /** undefined for a session that was never let in, or may not write this tag. */
  readonly askerOf: (session: object | undefined, tag: string) => Asker | undefined
  /** Who that is, whatever he may do. */
  readonly whoIs: (session: object | undefined) => Asker
  readonly onResult: (status: CommandResult['status']) => void
}

interface WriteContext {
  readonly session?: object
}

interface WrittenValue {
  readonly value?: Variant | null
  readonly statusCode?: StatusCode | null
  readonly sourceTimestamp?: Time | null
  readonly serverTimestamp?: Time | null
}

interface Time {
  getTime(): number
}

type WriteCallback = (error: Error | null, status?: StatusCode) => void

/**
 * Sends writes of clients down the command road. In place of the library's own write, which would store the client's value as if the device
 * had said it: here only the device says what the value is.
 */
export function bindWrites(variable: TagVariable, meta: TagMeta, options: WriteOptions): void {
  const writeValue = (context: WriteContext | null, data: WrittenValue, ...rest: readonly unknown[]): void => {
    const callback = rest.at(-1) as WriteCallback
    const range = rest.length > 1 ? (rest[0] as { isEmpty?(): boolean } | string | null) : null
    const write = { data, asker: options.askerOf(context?.session, meta.id), by: options.whoIs(context?.session), options }
    if (hasRange(range) || claimsToKnow(data)) {
      callback(null, refuse(meta, write, 'write-not-supported'))
      return
    }
    answer(variable, meta, write).then(
      (status) => callback(null, status),
      (error: unknown) => {
        options.log.error('A write of an OPC UA client ended in a bug.', { tag: meta.id, error: String(error) })
        callback(null, StatusCodes.BadInternalError)
      },
    )
  }
  Object.assign(variable, { writeValue })
}

function hasRange(range: { isEmpty?(): boolean } | string | null | undefined): boolean {
  if (range === null || range === undefined || range === '') return false
  return typeof range === 'string' || range.isEmpty?.() === false
}

/**
 * Only the device says how good a value is and when it was taken; a client that says so too must hear that this cannot be kept (OPC 10000-4, 5.11.4).
 * Good may come along with any value: many clients send it.
 */
function claimsToKnow({ statusCode, sourceTimestamp, serverTimestamp }: WrittenValue): boolean {
  return isSet(sourceTimestamp) || isSet(serverTimestamp) || (statusCode !== undefined && statusCode !== null && statusCode.value !== 0)
}

/** OPC 10000-6, 5.2.2.5: the first moment of 1601 stands for none. */
const noTimeMs = -11_644_473_600_000

function isSet(time: Time | null | undefined): boolean {
  return time !== undefined && time !== null && time.getTime() > noTimeMs
}

interface Write {
  readonly data: WrittenValue
  readonly asker: Asker | undefined
  readonly by: Asker
  readonly options: WriteOptions
}

/** What the road need not be asked for, as its client and the journal hear of it. */
const refusals = {
  'access.write': {
    status: StatusCodes.BadUserAccessDenied,
    why: 'may not be written by this user',
    remedy: 'Ask an admin for a rule (`lineside user add NAME --write FILTER`) that covers the topic …/set of this tag.',
  },
  'command.type': {
    status: StatusCodes.BadTypeMismatch,
    why: 'takes a value of another type',
    remedy: 'Write a value of the data type that the node shows.',
  },
  'write-not-supported': {
    status: StatusCodes.BadWriteNotSupported,
    why: 'is written whole, and without a status or time of its own',
    remedy: 'Write the value alone, without an index range.',
  },
} as const

function refuse(meta: TagMeta, { data, by, options }: Omit<Write, 'asker'>, reason: keyof typeof refusals): StatusCode {
  const { status, why, remedy } = refusals[reason]
  const code = reason === 'write-not-supported' ? 'opcua.write-not-supported' : reason
  const value = data.value === undefined || data.value === null ? undefined : tagValueOf(data.value)
  const wish = { tag: meta.id, ...(value === undefined ? {} : { value }), by }
  options.commands.noteRefused({ ...wish, code, message: `${meta.id} ${why}.`, remedy })
  options.onResult('refused')
  return status
}

async function answer(variable: TagVariable, meta: TagMeta, write: Write): Promise<StatusCode> {
  const { data, asker, options } = write
  if (asker === undefined) return refuse(meta, write, 'access.write')
  const variant = data.value ?? undefined
  const value = variant === undefined || !fits(variable, variant) ? undefined : tagValueOf(variant)
  if (value === undefined) return refuse(meta, write, 'command.type')
  const result = await options.commands.write({ id: randomUUID(), tag: meta.id, value, by: asker })
  options.onResult(result.status)
  return statusOfResult(result)
}

function fits(variable: TagVariable, variant: Variant): boolean {
  const checked = variable as unknown as { checkVariantCompatibility(variant: Variant): StatusCode }
  return checked.checkVariantCompatibility(variant).isGood()
}

const statusByCode: Readonly<Record<string, StatusCode>> = {
  'command.role': StatusCodes.BadUserAccessDenied,
  'command.read-only': StatusCodes.BadNotWritable,
  'command.range': StatusCodes.BadOutOfRange,
  'command.type-range': StatusCodes.BadOutOfRange,
  'command.length': StatusCodes.BadOutOfRange,
  'command.type': StatusCodes.BadTypeMismatch,
  'command.step': StatusCodes.BadOutOfRange,
  'command.ramp': StatusCodes.BadOutOfRange,
  'command.current-unknown': StatusCodes.BadNoCommunication,
  'command.device-starting': StatusCodes.BadNoCommunication,
  'command.road-full': StatusCodes.BadResourceUnavailable,
  'command.interlock': StatusCodes.BadInvalidState,
  'command.rate': StatusCodes.BadResourceUnavailable,
  'command.busy': StatusCodes.BadResourceUnavailable,
  'command.expired': StatusCodes.BadTimeout,
  'command.tag-unknown': StatusCodes.BadNodeIdUnknown,
  'command.not-confirmed': StatusCodes.BadDeviceFailure,
  'device.absent': StatusCodes.BadNoCommunication,
  'door.closed': StatusCodes.BadNoCommunication,
  'door.busy': StatusCodes.BadResourceUnavailable,
}

/** `unknown` is BadTimeout: OPC UA has no other way to say that the value may have arrived or not. */
function statusOfResult(result: CommandResult): StatusCode {
  if (result.status === 'done') return StatusCodes.Good
  if (result.status === 'unknown') return StatusCodes.BadTimeout
  const known = statusByCode[result.code ?? '']
  if (known !== undefined) return known
  return result.status === 'refused' ? StatusCodes.BadRequestNotAllowed : StatusCodes.BadCommunicationError
}
