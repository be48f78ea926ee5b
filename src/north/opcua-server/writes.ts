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
    if (hasRange(range) || claimsToKnow(data)) {
      callback(null, StatusCodes.BadWriteNotSupported)
      return
    }
    answer(variable, meta, { data, asker: options.askerOf(context?.session, meta.id), options }).then(
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
  readonly options: WriteOptions
}

async function answer(variable: TagVariable, meta: TagMeta, { data, asker, options }: Write): Promise<StatusCode> {
  if (asker === undefined) return StatusCodes.BadUserAccessDenied
  const variant = data.value ?? undefined
  if (variant === undefined || !fits(variable, variant)) return StatusCodes.BadTypeMismatch
  const value = tagValueOf(variant)
  if (value === undefined) return StatusCodes.BadTypeMismatch
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
