/** An OPC UA server in a process of its own, for tests to kill, stop and limit. Shares no code with src. Prints `ready PORT`. */
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { UAVariable } from 'node-opcua-address-space'
import { OPCUACertificateManager } from 'node-opcua-certificate-manager'
import { DataValue, MessageSecurityMode, ResponseHeader, SecurityPolicy, ServiceFault, UserTokenType } from 'node-opcua-client'
import { OPCUAServer } from 'node-opcua-server'
import { StatusCodes } from 'node-opcua-status-code'
import { DataType, Variant } from 'node-opcua-variant'
import { makeRich, type Rich } from './opcua-peer-rich.ts'

interface PeerOptions {
  readonly port: number
  /** For its certificates; whoever started it removes it. */
  readonly folder: string
  /** Namespaces registered before the plant's: they shift its index. */
  readonly shift: number
  readonly count: number
  readonly nodesPerCallMax?: number
  readonly nodesUnderWayMax?: number
  readonly user?: string
  readonly password?: string
  readonly isRich?: boolean
  readonly isSuspicious?: boolean
  readonly isExpired?: boolean
  readonly hasNoSubscriptions?: boolean
  readonly isCareless?: boolean
  readonly itemsMax?: number
  readonly product?: string
  readonly clockOffsetMs?: number
  readonly springs?: readonly string[]
}

interface Asked {
  readonly requestHeader: { readonly requestHandle: number }
  readonly nodesToWrite?: readonly { readonly nodeId: object }[] | null
  readonly nodesToRead?: readonly { readonly nodeId: object }[] | null
  readonly itemsToCreate?: readonly object[] | null
  readonly itemsToModify?: readonly object[] | null
  readonly browsePaths?: readonly object[] | null
}

interface Answered {
  readonly responseHeader: { readonly requestHandle: number }
}

/** Values that are written, looked at once, and a moment later are what they were: as buttons are. */
class Springs {
  readonly #released = new Map<string, Variant>()
  readonly #pressed = new Set<string>()

  add(name: string): void {
    const value = variables.get(name)?.readValue().value
    if (value !== undefined) this.#released.set(name, value)
  }

  see({ nodesToWrite, nodesToRead }: Asked): void {
    for (const [name, value] of this.#released) {
      const isIn = (nodes: Asked['nodesToRead']) => nodes?.some(({ nodeId }) => String(nodeId).endsWith(`s=${name}`)) === true
      if (isIn(nodesToWrite)) this.#pressed.add(name)
      else if (isIn(nodesToRead) && this.#pressed.delete(name)) setTimeout(() => variables.get(name)?.setValueFromSource(value), 20)
    }
  }
}

const options = JSON.parse(process.argv[2] ?? '{}') as PeerOptions
if (options.clockOffsetMs !== undefined) shiftClock(options.clockOffsetMs)
const { folder } = options
const certificates = new OPCUACertificateManager({
  rootFolder: folder,
  automaticallyAcceptUnknownCertificate: options.isSuspicious !== true,
})
const limit = options.nodesPerCallMax
const certificateFile = join(folder, 'own.pem')
if (options.isExpired === true) {
  await certificates.initialize()
  await certificates.createSelfSignedCertificate({
    outputFile: certificateFile,
    subject: '/CN=Peer',
    applicationUri: 'urn:peer',
    dns: ['127.0.0.1'],
    startDate: new Date('2020-01-01'),
    validity: 30,
  })
}

const server = new OPCUAServer({
  port: options.port,
  host: '127.0.0.1',
  hostname: '127.0.0.1',
  resourcePath: '/peer',
  allowAnonymous: options.user === undefined,
  ...(options.isExpired === true
    ? { certificateFile, privateKeyFile: certificates.privateKey, serverInfo: { applicationUri: 'urn:peer' } }
    : {}),
  ...(options.product === undefined ? {} : { buildInfo: { productName: options.product } }),
  ...(options.user === undefined
    ? {}
    : { userManager: { isValidUser: (user: string, password: string) => user === options.user && password === options.password } }),
  serverCertificateManager: certificates,
  userCertificateManager: certificates,
  serverCapabilities: {
    maxSessions: 20,
    minSupportedSampleRate: 10,
    ...(options.itemsMax === undefined ? {} : { maxMonitoredItems: options.itemsMax }),
    ...(limit === undefined
      ? {}
      : {
          operationLimits: {
            maxNodesPerRead: limit,
            maxNodesPerWrite: limit,
            maxMonitoredItemsPerCall: limit,
            maxNodesPerTranslateBrowsePathsToNodeIds: limit,
          },
        }),
  },
})
await server.initialize()
const { addressSpace } = server.engine
if (addressSpace === null) throw new Error('no address space')
for (let place = 0; place < options.shift; place += 1) addressSpace.registerNamespace(`urn:shifting:${place}`)
const namespace = addressSpace.registerNamespace('urn:test:plant')
const line = namespace.addFolder('ObjectsFolder', { browseName: 'Line', nodeId: 's=Line' })

const initial: Readonly<Record<string, Variant>> = {
  Bool: new Variant({ dataType: DataType.Boolean, value: true }),
  Int16: new Variant({ dataType: DataType.Int16, value: -5 }),
  Int64: new Variant({ dataType: DataType.Int64, arrayType: 0, value: [0xffff_ffff, 0xffff_fffe] }),
  UInt64: new Variant({ dataType: DataType.UInt64, arrayType: 0, value: [0xffff_ffff, 0xffff_ffff] }),
  Double: new Variant({ dataType: DataType.Double, value: 21.5 }),
  Text: new Variant({ dataType: DataType.String, value: 'hello' }),
  When: new Variant({ dataType: DataType.DateTime, value: new Date(1_700_000_000_000) }),
  Doubles: new Variant({ dataType: DataType.Double, arrayType: 1, value: new Float64Array([1, 2, 3]) }),
}
const variables = new Map<string, UAVariable>()
for (const [name, value] of Object.entries(initial)) {
  const variable = namespace.addVariable({
    componentOf: line,
    browseName: name,
    nodeId: `s=${name}`,
    dataType: DataType[value.dataType],
    ...(value.arrayType === 1 ? { valueRank: 1 } : {}),
    minimumSamplingInterval: 10,
  })
  variable.setValueFromSource(value, StatusCodes.Good, new Date(1_750_000_000_000))
  variables.set(name, variable)
}
for (let place = 0; place < options.count; place += 1) {
  const variable = namespace.addVariable({ componentOf: line, browseName: `N${place}`, nodeId: `s=N${place}`, dataType: 'Int32' })
  variable.setValueFromSource({ dataType: DataType.Int32, value: place }, StatusCodes.Good, new Date())
}
addAny()
addEmpty()
let rich: Rich | undefined
if (options.isRich === true) rich = await makeRich({ addressSpace, namespace, line })
if (options.hasNoSubscriptions === true) refuseSubscriptions(server)
if (options.isCareless === true) takeClearPasswords()
// Many PLCs refuse a write that brings a time: this one ends at once, so that no test overlooks it.
server.on('request', (request) => {
  const { nodesToWrite } = request as { readonly nodesToWrite?: readonly { readonly value: DataValue }[] | null }
  if (nodesToWrite?.some(({ value }) => value.sourceTimestamp !== null || value.serverTimestamp !== null) === true) process.exit(3)
})
// A client that is told of a limit keeps it: this one ends at once where it does not, and does not wait for it to learn from a refusal.
server.on('request', (request) => {
  if (nodesOf(request as Asked) > (limit ?? Number.POSITIVE_INFINITY)) process.exit(4)
})
if (options.nodesUnderWayMax !== undefined) countUnderWay(options.nodesUnderWayMax)
const springs = new Springs()
for (const name of options.springs ?? []) springs.add(name)
server.on('request', (request) => springs.see(request as Asked))
await server.start()

/** The server reads the time in many places: all of them are off alike. */
function shiftClock(offsetMs: number): void {
  const RealDate = Date
  class ShiftedDate extends RealDate {
    constructor(...args: readonly unknown[]) {
      super(...((args.length === 0 ? [RealDate.now() + offsetMs] : args) as [number]))
    }
    static override now(): number {
      return RealDate.now() + offsetMs
    }
  }
  globalThis.Date = ShiftedDate as DateConstructor
}

function refuseSubscriptions(of: object): void {
  Object.assign(of, {
    _on_CreateSubscriptionRequest: (
      message: unknown,
      channel: { send_response: (type: string, response: ServiceFault, message: unknown, done: () => void) => void },
    ) => {
      const responseHeader = { serviceResult: StatusCodes.BadServiceUnsupported }
      channel.send_response('MSG', new ServiceFault({ responseHeader: new ResponseHeader(responseHeader) }), message, () => {})
    },
  })
}

function takeClearPasswords(): void {
  for (const description of server.endpoints.flatMap((endpoint) => endpoint.endpointDescriptions())) {
    const first = description.userIdentityTokens?.find(({ tokenType }) => tokenType === UserTokenType.UserName)
    if (description.securityMode !== MessageSecurityMode.None || first === undefined) continue
    first.securityPolicyUri = SecurityPolicy.None
    description.userIdentityTokens = [first]
  }
}

function addVariable(name: string): void {
  const variable = namespace.addVariable({ componentOf: line, browseName: name, nodeId: `s=${name}`, dataType: 'Double' })
  variable.setValueFromSource({ dataType: DataType.Double, value: 1 })
  variables.set(name, variable)
}

/** With one node, `Late`. */
function addNamespace(uri: string): void {
  const late = addressSpace?.registerNamespace(uri)
  const variable = late?.addVariable({ componentOf: line, browseName: 'Late', nodeId: 's=Late', dataType: 'Double' })
  variable?.setValueFromSource({ dataType: DataType.Double, value: 1 })
}

/** Of no type of its own: it holds now this and now that. */
function addAny(): void {
  const variable = namespace.addVariable({ componentOf: line, browseName: 'Any', nodeId: 's=Any', dataType: 'BaseDataType' })
  variable.setValueFromSource({ dataType: DataType.Int32, value: 7 })
  variables.set('Any', variable)
}

/** Of a type, and without a value. */
function addEmpty(): void {
  const variable = namespace.addVariable({ componentOf: line, browseName: 'Empty', nodeId: 's=Empty', dataType: 'Int16' })
  variable.setValueFromSource({ dataType: DataType.Null }, StatusCodes.BadWaitingForInitialData)
}

function nodesOf({ nodesToRead, nodesToWrite, itemsToCreate, itemsToModify, browsePaths }: Asked): number {
  return Math.max(...[nodesToRead, nodesToWrite, itemsToCreate, itemsToModify, browsePaths].map((items) => items?.length ?? 0))
}

/** As an S7-1500 does, the nodes of all requests together; but it ends where they are too many. `Slow` takes its time, so that they can meet. */
function countUnderWay(max: number): void {
  const underWay = new Map<number, number>()
  server.on('request', (request) => {
    underWay.set((request as Asked).requestHeader.requestHandle, nodesOf(request as Asked))
    if ([...underWay.values()].reduce((sum, nodes) => sum + nodes, 0) > max) process.exit(5)
  })
  server.on('response', (response) => underWay.delete((response as Answered).responseHeader.requestHandle))
  const value = new DataValue({ value: { dataType: DataType.Double, value: 1 } })
  namespace.addVariable({
    componentOf: line,
    browseName: 'Slow',
    nodeId: 's=Slow',
    dataType: 'Double',
    value: { timestamped_get: (done: (error: null, value: DataValue) => void) => void setTimeout(() => done(null, value), 100) },
  })
}

interface Sessions {
  readonly _sessions: Readonly<Record<string, { readonly authenticationToken: unknown }>>
  closeSession(token: unknown, isDeleting: boolean, reason: string): void
}

function dropSessions(): void {
  const engine = server.engine as unknown as Sessions
  for (const session of Object.values(engine._sessions)) engine.closeSession(session.authenticationToken, true, 'Terminated')
}

function obey(order: string, text: string): void {
  if (order === 'drop') dropSessions()
  else if (order === 'add') addVariable(text)
  else if (order === 'namespace') addNamespace(text)
  else if (order === 'trip') rich?.trip(text)
  else if (order === 'reset') rich?.reset()
  else if (order === 'tell') rich?.tell(text)
  else if (order === 'any') variables.get('Any')?.setValueFromSource({ dataType: DataType.Double, value: Number(text) })
}

/** Lines on standard input: `NAME JSON [STATUS]` sets a value, `!ORDER TEXT` is an order. */
createInterface({ input: process.stdin }).on('line', (text) => {
  const [, order, rest = ''] = /^!(\w+) ?(.*)$/.exec(text) ?? []
  if (order !== undefined) return obey(order, rest)
  const [name = '', json = 'null', status = 'Good'] = text.split(' ')
  const variable = variables.get(name)
  const before = variable?.readValue().value
  const code = (StatusCodes as unknown as Record<string, (typeof StatusCodes)['Good']>)[status] ?? StatusCodes.Good
  variable?.setValueFromSource({ dataType: before?.dataType ?? DataType.Double, value: JSON.parse(json) }, code, new Date())
})
process.stdin.on('end', () => process.exit(0))
process.stdout.write(`ready ${server.endpoints[0]?.port ?? 0}\n`)
