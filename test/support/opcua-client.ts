/** An OPC UA client in a process of its own: one JSON request a line in, one JSON answer a line out. Shares no code with src. */
import { createInterface } from 'node:readline'
import {
  AttributeIds,
  type ClientSession,
  ClientSubscription,
  DataType,
  type DataValue,
  MessageSecurityMode,
  OPCUAClient,
  type ReferenceDescription,
  SecurityPolicy,
  StatusCodes,
  setErrorLogger,
  setWarningLogger,
  TimestampsToReturn,
  UserTokenType,
  Variant,
  VariantArrayType,
} from 'node-opcua-client'

setErrorLogger(() => {})
setWarningLogger(() => {})

interface Request {
  readonly id: number
  readonly op: 'connect' | 'read' | 'write' | 'browse' | 'watch' | 'watched' | 'call' | 'attack' | 'endpoints' | 'revised' | 'close'
  readonly url?: string
  readonly security?: string
  readonly user?: string
  readonly password?: string
  readonly nodes?: readonly string[]
  readonly attribute?: keyof typeof AttributeIds
  readonly type?: keyof typeof DataType
  readonly value?: unknown
  /** Of a written value, where it is to have one. */
  readonly status?: string
  readonly sourceTime?: string
  readonly serverTime?: string
  /** Of a method: [type, value]. */
  readonly inputs?: readonly (readonly [keyof typeof DataType, unknown])[]
}

let client: OPCUAClient | undefined
let session: ClientSession | undefined
const seen: Record<string, unknown>[] = []

function plain(data: DataValue): Record<string, unknown> {
  const { value } = data
  return {
    value: typeof value?.value?.toJSON === 'function' ? value.value.toJSON() : value?.value,
    type: value === undefined || value === null ? undefined : DataType[value.dataType],
    status: data.statusCode.name,
    sourceTime: data.sourceTimestamp?.toISOString(),
    picoseconds: data.sourcePicoseconds,
  }
}

async function connect(request: Request): Promise<unknown> {
  const [policy, mode] = (request.security ?? 'None').split('/')
  client = OPCUAClient.create({
    endpointMustExist: false,
    connectionStrategy: { maxRetry: 0 },
    securityMode: mode === undefined ? MessageSecurityMode.None : MessageSecurityMode[mode as 'Sign'],
    securityPolicy: SecurityPolicy[policy as 'None'],
  })
  await client.connect(request.url ?? '')
  session = await client.createSession(
    request.user === undefined
      ? { type: UserTokenType.Anonymous }
      : { type: UserTokenType.UserName, userName: request.user, password: request.password ?? '' },
  )
  return { namespaces: await session.readNamespaceArray() }
}

async function endpoints(request: Request): Promise<unknown> {
  const asking = OPCUAClient.create({ endpointMustExist: false, connectionStrategy: { maxRetry: 0 } })
  await asking.connect(request.url ?? '')
  const found = await asking.getEndpoints()
  await asking.disconnect()
  return found.map((one) => ({
    security: `${one.securityPolicyUri?.split('#')[1]}/${MessageSecurityMode[one.securityMode]}`,
    url: one.endpointUrl,
  }))
}

function live(): ClientSession {
  if (session === undefined) throw new Error('not connected')
  return session
}

async function browse(node: string): Promise<readonly Record<string, unknown>[]> {
  const found = await live().browse({
    nodeId: node,
    browseDirection: 0,
    referenceTypeId: 'HierarchicalReferences',
    includeSubtypes: true,
    resultMask: 63,
  })
  return (found.references ?? []).map((reference: ReferenceDescription) => ({
    node: reference.nodeId.toString(),
    name: reference.browseName.name,
    type: reference.typeDefinition?.toString(),
  }))
}

async function watch(nodes: readonly string[]): Promise<null> {
  const subscription = ClientSubscription.create(live(), {
    requestedPublishingInterval: 50,
    requestedLifetimeCount: 100,
    requestedMaxKeepAliveCount: 10,
    publishingEnabled: true,
  })
  const group = await subscription.monitorItems(
    nodes.map((nodeId) => ({ nodeId, attributeId: AttributeIds.Value })),
    { samplingInterval: 0, queueSize: 100_000, discardOldest: true },
    TimestampsToReturn.Both,
  )
  group.on('changed', (item, data) => seen.push({ node: item.itemToMonitor.nodeId.toString(), ...plain(data) }))
  return null
}

/** What the server makes of the wish for a boundless queue, and to be told at once. */
async function revised(node: string): Promise<unknown> {
  const subscription = ClientSubscription.create(live(), { requestedPublishingInterval: 1, publishingEnabled: true })
  const item = await subscription.monitor(
    { nodeId: node, attributeId: AttributeIds.Value },
    { samplingInterval: 0, queueSize: 4_000_000_000, discardOldest: true },
    TimestampsToReturn.Both,
  )
  const { result } = item as unknown as { readonly result: { readonly revisedQueueSize: number; readonly revisedSamplingInterval: number } }
  return { queue: result.revisedQueueSize, samplingMs: result.revisedSamplingInterval, publishingMs: subscription.publishingInterval }
}

/** Every variable that can be browsed to, level by level. */
async function allVariables(): Promise<readonly string[]> {
  const variables: string[] = []
  const visited = new Set<string>(['i=84'])
  for (let level = ['i=84']; level.length > 0; ) {
    const next: string[] = []
    for (let at = 0; at < level.length; at += 500) {
      const asked = level.slice(at, at + 500).map((nodeId) => ({
        nodeId,
        browseDirection: 0,
        referenceTypeId: 'HierarchicalReferences',
        includeSubtypes: true,
        resultMask: 63,
      }))
      for (const { references } of await live().browse(asked)) {
        for (const { nodeId, nodeClass } of references ?? []) {
          const id = nodeId.toString()
          if (visited.has(id)) continue
          visited.add(id)
          next.push(id)
          if (nodeClass === 2) variables.push(id)
        }
      }
    }
    level = next
  }
  return variables
}

/** A monitored item with sampling 0 and a boundless queue on every variable, and stranger intervals on some. */
async function attack(): Promise<unknown> {
  const variables = await allVariables()
  const subscription = ClientSubscription.create(live(), {
    requestedPublishingInterval: 1,
    requestedLifetimeCount: 100,
    requestedMaxKeepAliveCount: 10,
    publishingEnabled: true,
  })
  const monitor = async (nodes: readonly string[], samplingInterval: number): Promise<void> => {
    const items = nodes.map((nodeId) => ({ nodeId, attributeId: AttributeIds.Value }))
    await subscription.monitorItems(items, { samplingInterval, queueSize: 4_000_000_000, discardOldest: true }, TimestampsToReturn.Both)
  }
  for (let at = 0; at < variables.length; at += 1_000) await monitor(variables.slice(at, at + 1_000), 0)
  for (const samplingInterval of [-1, -1e300, Number.NaN, Number.POSITIVE_INFINITY])
    await monitor(variables.slice(0, 100), samplingInterval)
  return { variables: variables.length, intervalMin: await leastSamplingInterval(variables) }
}

async function leastSamplingInterval(variables: readonly string[]): Promise<number> {
  let least = Number.POSITIVE_INFINITY
  for (let at = 0; at < variables.length; at += 1_000) {
    const attributeId = AttributeIds.MinimumSamplingInterval
    const values = await live().read(variables.slice(at, at + 1_000).map((nodeId) => ({ nodeId, attributeId })))
    for (const { value } of values) least = Math.min(least, Number(value?.value ?? 0))
  }
  return least
}

function claims({ status, sourceTime, serverTime }: Request): Partial<DataValue> {
  return {
    ...(status === undefined ? {} : { statusCode: StatusCodes[status as 'Good'] }),
    ...(sourceTime === undefined ? {} : { sourceTimestamp: new Date(sourceTime) }),
    ...(serverTime === undefined ? {} : { serverTimestamp: new Date(serverTime) }),
  }
}

async function perform(request: Request): Promise<unknown> {
  const nodes = request.nodes ?? []
  switch (request.op) {
    case 'connect':
      return await connect(request)
    case 'endpoints':
      return await endpoints(request)
    case 'read': {
      const attributeId = AttributeIds[request.attribute ?? 'Value']
      return (await live().read(nodes.map((nodeId) => ({ nodeId, attributeId })))).map(plain)
    }
    case 'write': {
      const value = new Variant({ dataType: DataType[request.type ?? 'Double'], arrayType: VariantArrayType.Scalar, value: request.value })
      const status = await live().write({ nodeId: nodes[0] ?? '', attributeId: AttributeIds.Value, value: { value, ...claims(request) } })
      return status.name
    }
    case 'browse':
      return await browse(nodes[0] ?? '')
    case 'watch':
      return await watch(nodes)
    case 'call': {
      const [objectId = '', methodId = ''] = nodes
      const inputArguments = (request.inputs ?? []).map(([type, value]) => new Variant({ dataType: DataType[type], value }))
      const { statusCode, outputArguments } = await live().call({ objectId, methodId, inputArguments })
      return { status: statusCode.name, outputs: (outputArguments ?? []).map(({ value }) => value) }
    }
    case 'watched':
      return seen
    case 'revised':
      return await revised(nodes[0] ?? '')
    case 'attack':
      return await attack()
    case 'close':
      await session?.close()
      await client?.disconnect()
      return null
    default:
      return request.op satisfies never
  }
}

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const request = JSON.parse(line) as Request
    perform(request).then(
      (answer) => process.stdout.write(`${JSON.stringify({ id: request.id, answer })}\n`),
      (error: unknown) => process.stdout.write(`${JSON.stringify({ id: request.id, error: String(error) })}\n`),
    )
  })
  .on('close', () => process.exit(0))
