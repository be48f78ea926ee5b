import { type Argument, DataType, type NodeId, type Variant } from 'node-opcua-client'
import { Fault } from '../../base/fault.ts'
import type { TagValue } from '../../model/tag.ts'
import type { CallOutcome, MethodCall } from '../driver.ts'
import { type NodeType, typeText, variantFor } from './coerce.ts'
import type { OpcuaAddress } from './config.ts'
import { badAnswer, mayHaveHappened } from './faults.ts'
import { badTimeout, qualityOf, statusName, statusOf } from './quality.ts'
import type { Requests } from './requests.ts'
import type { Place } from './resolve.ts'
import { tagValueOf } from './values.ts'

export interface MethodContext {
  readonly requests: Requests
  readonly resolve: (addresses: readonly { readonly address: OpcuaAddress }[]) => Promise<readonly Place[]>
  /** The built-in type under a data type of the server's own; undefined for a structure. */
  readonly builtInType: (dataType: NodeId) => Promise<DataType | undefined>
}

/** Calls a method once, with the arguments in the types that the server declares. Never rejects, and never calls again. */
export async function callMethod(call: MethodCall, context: MethodContext, signal: AbortSignal): Promise<CallOutcome> {
  let isSent = false
  try {
    const { requests, resolve } = context
    const [objectId, methodId] = nodesOf(call, await resolve([call.object, call.method].map((text) => ({ address: addressOf(text) }))))
    const inputArguments = await argumentsOf(call, methodId, { ...context, signal })
    const result = await requests.ask(
      `a call of ${call.method}`,
      (session) => {
        isSent = true
        return session.call({ objectId, methodId, inputArguments: [...inputArguments] })
      },
      signal,
    )
    const status = statusOf(result.statusCode.value)
    if (qualityOf(status) === 'bad') return { outcome: status === badTimeout ? 'unknown' : 'failed', fault: callRefused(call, status) }
    return { outcome: 'done', values: (result.outputArguments ?? []).map((output) => tagValueOf(output) ?? null) }
  } catch (error) {
    const fault = badAnswer(`a call of ${call.method}`, error)
    return { outcome: isSent && mayHaveHappened(fault) ? 'unknown' : 'failed', fault }
  }
}

function addressOf(text: string): OpcuaAddress {
  return text.startsWith('/') ? { path: text } : { node: text }
}

function nodesOf({ object, method }: MethodCall, places: readonly Place[]): readonly [NodeId, NodeId] {
  const [objectId, methodId] = places.map((place) => ('node' in place ? place.node : undefined))
  if (objectId !== undefined && methodId !== undefined) return [objectId, methodId]
  const absent = objectId === undefined ? object : method
  throw new Fault('opcua.no-method', `The server has no node ${absent}, which was to be called.`, {
    remedy: 'Write object and method as nodes or paths are written in the device file; `lineside browse` shows them.',
  })
}

interface ArgumentContext extends MethodContext {
  readonly signal: AbortSignal
}

async function argumentsOf({ method, args }: MethodCall, methodId: NodeId, context: ArgumentContext): Promise<readonly Variant[]> {
  const ask = (): Promise<{ readonly inputArguments: readonly Argument[] }> =>
    context.requests.ask(`the arguments of ${method}`, (session) => session.getArgumentDefinition(methodId), context.signal)
  const { inputArguments } = await ask()
  if (inputArguments.length !== args.length) {
    throw new Fault('opcua.method-arguments', `${method} takes ${inputArguments.length} arguments, and ${args.length} were given.`, {
      remedy: `It takes: ${inputArguments.map(({ name }) => name ?? '?').join(', ') || 'none'}.`,
    })
  }
  const variants: Variant[] = []
  for (const [at, argument] of inputArguments.entries()) variants.push(await argumentOf(argument, args[at] ?? '', { ...context, method }))
  return variants
}

async function argumentOf(argument: Argument, value: TagValue, context: ArgumentContext & { readonly method: string }): Promise<Variant> {
  const dataType = await context.builtInType(argument.dataType)
  const isArray = argument.valueRank >= 1 || (argument.valueRank < -1 && Array.isArray(value))
  const type = dataType === undefined ? undefined : { dataType: dataType === DataType.Variant ? naturalType(value) : dataType, isArray }
  const variant = type === undefined ? undefined : variantFor(value, type)
  if (variant !== undefined) return variant
  throw wrongArgument({ argument, value, type, method: context.method })
}

/** Where the server takes any type: the widest that says what was meant. */
function naturalType(value: TagValue): DataType {
  const first = Array.isArray(value) ? value[0] : value
  if (typeof first === 'boolean') return DataType.Boolean
  if (typeof first === 'bigint') return first >= 2n ** 63n ? DataType.UInt64 : DataType.Int64
  if (typeof first === 'string') return DataType.String
  return first instanceof Uint8Array ? DataType.ByteString : DataType.Double
}

interface WrongArgument {
  readonly argument: Argument
  readonly value: TagValue
  readonly type: NodeType | undefined
  readonly method: string
}

function wrongArgument({ argument, value, type, method }: WrongArgument): Fault {
  const needs = type === undefined ? 'a structure, which cannot be given' : typeText(type)
  return new Fault('opcua.method-arguments', `${String(value).slice(0, 50)} is no ${argument.name} of ${method}, which is ${needs}.`, {
    remedy: type === undefined ? 'Let the PLC offer a method with plain arguments.' : `Give a value that fits ${needs}.`,
  })
}

function callRefused({ method }: MethodCall, status: number): Fault {
  return new Fault('opcua.call-refused', `The server refused to carry out ${method}: ${statusName(status)}.`, {
    remedy: 'Check that the method may be called by this user, in this state and with these arguments.',
  })
}
