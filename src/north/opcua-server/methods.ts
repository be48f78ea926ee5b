import { type StatusCode, StatusCodes } from 'node-opcua-status-code'
import { DataType, Variant } from 'node-opcua-variant'
import { plainFault } from '../../base/fault.ts'
import type { Log } from '../../base/log.ts'
import type { StartAsk, StartedRun } from '../../control/contract.ts'
import type { Asker } from '../../model/command.ts'
import type { AddressSpace } from './address-space.ts'

/** A flow that may be started from outside. */
export interface StartableFlow {
  readonly flow: string
  readonly title?: string
  /** In the order of the file, which is that of the method's arguments. */
  readonly inputs: readonly { readonly name: string; readonly type: 'number' | 'text' | 'boolean' | 'any'; readonly title?: string }[]
}

export interface FlowMethodsOptions {
  readonly site: string
  readonly flows: readonly StartableFlow[]
  /** Answered when the run will survive a power cut. */
  readonly start: (ask: StartAsk) => Promise<StartedRun>
  /** undefined for a session that may not start this flow. */
  readonly starterOf: (session: object | undefined, flow: string) => Asker | undefined
  readonly log: Log
}

/** Starts on their way to control at once; one more is refused. */
const underWayMax = 100

interface CallContext {
  readonly session?: object
}

interface CallAnswer {
  readonly statusCode: StatusCode
  readonly outputArguments: readonly Variant[]
}

type CallCallback = (error: Error | null, answer: CallAnswer) => void

/**
 * Each flow that may be started is a method of the object `flows` below the site: its inputs are the arguments, the run is what it gives back. Node ids
 * begin with a `#`, which no tag does. A method of OPC UA has no defaults: a client says all arguments.
 */
export function addFlowMethods(addressSpace: AddressSpace, options: FlowMethodsOptions): void {
  if (options.flows.length === 0) return
  const namespace = addressSpace.getOwnNamespace()
  const folder = namespace.addFolder(`ns=${namespace.index};s=/${options.site}/`, { browseName: 'flows', nodeId: 's=#flows' })
  const calls = { underWay: 0 }
  for (const flow of options.flows) {
    const method = namespace.addMethod(folder, {
      nodeId: `s=#flows/${flow.flow}`,
      browseName: flow.flow,
      ...(flow.title === undefined ? {} : { description: flow.title }),
      inputArguments: flow.inputs.map(({ name, type, title = '' }) => ({ name, description: { text: title }, dataType: dataTypes[type] })),
      outputArguments: [{ name: 'run', description: { text: 'The run that has begun.' }, dataType: DataType.String }],
    })
    const called = (given: readonly Variant[], context: CallContext, callback: CallCallback): void => {
      answer(flow, { given, context, calls }, options).then(
        (told) => callback(null, told),
        (error: unknown) => callback(null, refused(error, flow, options)),
      )
    }
    method.bindMethod(called as unknown as Parameters<typeof method.bindMethod>[0])
  }
}

const dataTypes = { number: DataType.Double, text: DataType.String, boolean: DataType.Boolean, any: DataType.String } as const

interface Call {
  readonly given: readonly Variant[]
  readonly context: CallContext
  readonly calls: { underWay: number }
}

async function answer(flow: StartableFlow, { given, context, calls }: Call, options: FlowMethodsOptions): Promise<CallAnswer> {
  const by = options.starterOf(context.session, flow.flow)
  if (by === undefined) return { statusCode: StatusCodes.BadUserAccessDenied, outputArguments: [] }
  if (calls.underWay >= underWayMax) return { statusCode: StatusCodes.BadTooManyOperations, outputArguments: [] }
  calls.underWay += 1
  try {
    const { run, late } = await options.start({ flow: flow.flow, input: inputOf(flow, given), by })
    const statusCode = late === undefined ? StatusCodes.Good : StatusCodes.GoodCompletesAsynchronously
    return { statusCode, outputArguments: [new Variant({ dataType: DataType.String, value: run })] }
  } finally {
    calls.underWay -= 1
  }
}

/** A text that is null is left to the flow's own default. */
function inputOf({ inputs }: StartableFlow, given: readonly Variant[]): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    inputs.flatMap(({ name, type }, place) => {
      const value: unknown = given[place]?.value
      if (value === null || value === undefined) return []
      return [[name, type === 'any' ? parsed(String(value)) : value]]
    }),
  )
}

/** JSON where it is JSON, else the text. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

function refused(error: unknown, { flow }: StartableFlow, { log }: FlowMethodsOptions): CallAnswer {
  const { code, message } = plainFault(error)
  log.info('A flow was not started for an OPC UA client.', { flow, code, message })
  return { statusCode: statusByCode[code] ?? StatusCodes.BadInvalidState, outputArguments: [] }
}

const statusByCode: Readonly<Record<string, StatusCode>> = {
  'access.role': StatusCodes.BadUserAccessDenied,
  'flow.not-startable': StatusCodes.BadUserAccessDenied,
  'flow.bad-input': StatusCodes.BadInvalidArgument,
  'flow.overloaded': StatusCodes.BadTooManyOperations,
  'flow.dropped': StatusCodes.BadInvalidState,
  'door.closed': StatusCodes.BadNoCommunication,
  'door.busy': StatusCodes.BadResourceUnavailable,
}
