import type { Cure } from './cure.ts'

const channel = 'src/south/opcua/channel.ts'
const driver = 'src/south/opcua/driver.ts'
const resolve = 'src/south/opcua/resolve.ts'
const subscription = 'src/south/opcua/subscription.ts'
const monitoring = 'src/south/opcua/monitoring.ts'
const requests = 'src/south/opcua/requests.ts'
const structures = 'src/south/opcua/structures.ts'
const wide = 'src/model/wide.ts'
const server = 'src/north/opcua-server/server.ts'
const limits = 'src/north/opcua-server/limits.ts'
const addressSpace = 'src/north/opcua-server/address-space.ts'

const driverTests = 'test/south/opcua/driver.test.ts'
const makeTests = 'test/south/opcua/servers.test.ts'
const requestTests = 'test/south/opcua/requests.test.ts'
const serverTests = 'test/north/opcua-server/server.test.ts'
const limitTests = 'test/north/opcua-server/limits.test.ts'

const attacked = { file: serverTests, title: 'survives a session that asks for everything, at once, for ever' }
const limited = { file: driverTests, title: 'asks a server for no more nodes at once than it allows' }
const shifted = { file: driverTests, title: 'finds its nodes again after a restart that gave their namespace another index' }
const typed = { file: driverTests, title: 'writes the value in the type of the node, and only the value' }
const fields = {
  file: 'test/south/opcua/values.test.ts',
  title: 'come out of structures by path, as fields are named by the engineering tool',
}
const kept = {
  file: 'test/north/opcua-server/home.test.ts',
  title: 'keeps the certificates of each side in a folder of its own, and writes nothing into the home folder',
}

const sweep = { file: server, cure: '    mendSamplingIntervals(addressSpace)\n', without: '' }
const clamp = { file: server, cure: '    clampRequest(request as Parameters<typeof clampRequest>[0])\n', without: '' }

/**
 * By the numbers of "OPC UA" in the facts. Not here: 2, for the server has no conditions yet, and nothing of the library's hangs on a variable; of 8
 * the policies with elliptic curves, which the schema does not know, and history, which is not served yet.
 */
export const opcuaCures: readonly Cure[] = [
  { trap: 'OPC UA 1: the arguments of a method, which forbid any sampling interval', edits: [sweep], test: attacked },
  {
    trap: 'OPC UA 1: an assertion that ends the process where such an item is to be sampled at once',
    edits: [sweep, clamp],
    test: attacked,
  },
  {
    trap: 'OPC UA 1: a sampling interval that is no number',
    edits: [{ file: limits, cure: 'if (!Number.isFinite(wish.samplingInterval))', without: 'if (wish.samplingInterval === undefined)' }],
    test: attacked,
  },
  {
    trap: 'OPC UA 3: indexes of namespaces that are remembered over a restart',
    edits: [
      {
        file: resolve,
        cure: 'async function readNamespaces(requests: Requests): Promise<readonly string[]> {',
        without: `let known: Promise<readonly string[]> | undefined
async function readNamespaces(requests: Requests): Promise<readonly string[]> {
  return await (known ??= askNamespaces(requests))
}
async function askNamespaces(requests: Requests): Promise<readonly string[]> {`,
      },
    ],
    test: shifted,
  },
  {
    trap: 'OPC UA 3: an index of the device file that means another namespace after a restart',
    edits: [{ file: resolve, cure: 'this.#uris.get(namespace) ?? uris[namespace]', without: 'uris[namespace]' }],
    test: shifted,
  },
  {
    trap: 'OPC UA 3: what an index meant, forgotten with the connection',
    edits: [{ file: resolve, cure: 'if (!this.#isChanged) return', without: 'if (this.#isChanged) return' }],
    test: shifted,
  },
  {
    trap: 'OPC UA 3: namespaces as the session read them first',
    edits: [
      {
        file: resolve,
        cure: '(session) => session.read(namespaceArray))',
        without: 'async (session) => ({ value: { value: await session.readNamespaceArray() } }))',
      },
    ],
    test: { file: makeTests, title: 'comes alive when its whole namespace appears later' },
  },
  {
    trap: 'OPC UA 3: an item that the server refuses, and nobody looks at its status',
    edits: [{ file: subscription, cure: 'statusCode.isGoodish() ? 0 : statusOf(statusCode.value)', without: '0' }],
    test: { file: driverTests, title: 'marks a node that is not there as bad, and brings the others' },
  },
  {
    trap: 'OPC UA 3: an item that is refused once, and never asked for again',
    edits: [{ file: monitoring, cure: 'until, () => this.#retry())', without: 'until, async () => {})' }],
    test: { file: makeTests, title: 'comes alive when it appears later, without a reconnection' },
  },
  {
    trap: 'OPC UA 3: a session that the library repairs by itself',
    edits: [
      { file: channel, cure: '      connectionStrategy: { maxRetry: 0 },\n', without: '' },
      { file: channel, cure: "    this.#client.on('connection_lost', () => lost('the server closed it, or died'))\n", without: '' },
      { file: channel, cure: "    this.#client.on('close', () => lost('the server closed it, or died'))\n", without: '' },
    ],
    test: { file: makeTests, title: 'is known within a moment to be killed, though nothing is asked of it just now' },
  },
  {
    trap: 'OPC UA 4: a server that hangs',
    edits: [{ file: driver, cure: '    this.#watch(subscription)\n', without: '' }],
    test: { file: driverTests, title: 'knows within seconds that its server hangs, leaves it within one' },
  },
  {
    trap: 'OPC UA 4: a server that hangs, and is read',
    edits: [{ file: driver, cure: '    this.#watch(subscription)\n', without: '' }],
    test: { file: makeTests, title: 'is known within seconds to hang, though its silence is its way' },
  },
  {
    trap: 'OPC UA 4: a subscription that is silent in a session that lives',
    edits: [
      {
        file: 'src/south/opcua/watchdog.ts',
        cure: 'heartbeatMs === undefined ? Number.POSITIVE_INFINITY : heartbeatMs * 3 + keepaliveMs * 2',
        without: 'Number.POSITIVE_INFINITY',
      },
    ],
    test: { file: 'test/south/opcua/own-time.test.ts', title: 'knows a subscription that is silent in a session that lives' },
  },
  {
    trap: 'OPC UA 5: more nodes in a read than the server takes',
    edits: [{ file: driver, cure: 'limit: limits.read,', without: 'limit: 0,' }],
    test: limited,
  },
  {
    trap: 'OPC UA 5: more monitored items in a request than the server takes',
    edits: [
      { file: subscription, cure: "what: 'new monitored items',\n      limit,", without: "what: 'new monitored items',\n      limit: 0," },
    ],
    test: limited,
  },
  {
    trap: 'OPC UA 5: more browse paths in a request than the server takes',
    edits: [{ file: resolve, cure: 'limit: limits.translate,', without: 'limit: 0,' }],
    test: limited,
  },
  {
    trap: 'OPC UA 5: more writes in a request than the server takes',
    edits: [{ file: 'src/south/opcua/writes.ts', cure: 'Math.max(1, context.limit || defaultChunk)', without: 'defaultChunk' }],
    test: { file: makeTests, title: 'goes out in as many requests as the server makes necessary, with an outcome for each' },
  },
  {
    trap: 'OPC UA 5: a server that names no limit, and has one',
    edits: [{ file: requests, cure: 'if (chunk.length === 1 || !isTooMuch(error)) throw error', without: 'throw error' }],
    test: { file: requestTests, title: 'find the limit of a server that names none' },
  },
  {
    trap: 'OPC UA 5: an S7-1500, which counts the nodes of all requests',
    edits: [{ file: driver, cure: '    if (info.make?.takesTurns === true) requests.takeTurns()\n', without: '' }],
    test: { file: makeTests, title: 'is asked one thing at a time where it counts the nodes of all requests' },
  },
  {
    trap: 'OPC UA 5: two chunks under way together',
    edits: [{ file: requests, cure: 'if (!this.#isOneByOne) return await ask()', without: 'return await ask()' }],
    test: { file: requestTests, title: 'wait for each other where the server counts the nodes of all together' },
  },
  {
    trap: 'OPC UA 5: a WAGO, which names no limit and takes a hundred',
    edits: [{ file: 'src/south/opcua/makes.ts', cure: 'own === 0 ? perCallMax : Math.min(own, perCallMax)', without: 'own' }],
    test: { file: makeTests, title: 'limits what the server does not limit itself' },
  },
  {
    trap: 'OPC UA 5: an S7-1200, which takes a thousand items in all',
    edits: [{ file: monitoring, cure: 'make?.itemsMax ?? Number.POSITIVE_INFINITY', without: 'Number.POSITIVE_INFINITY' }],
    test: { file: makeTests, title: 'is asked no faster, and for no more items, than it can' },
  },
  {
    trap: 'OPC UA 5: items beyond those that a server takes',
    edits: [{ file: monitoring, cure: 'if (status === badTooManyMonitoredItems)', without: 'if (status === undefined)' }],
    test: { file: makeTests, title: 'reports as many as it takes, and is read for the others' },
  },
  {
    trap: 'OPC UA 6: the halves of an Int64 that is read',
    edits: [
      {
        file: wide,
        cure: '(BigInt(high >>> 0) << 32n) | BigInt(low >>> 0)',
        without: '(BigInt(low >>> 0) << 32n) | BigInt(high >>> 0)',
      },
    ],
    test: { file: driverTests, title: 'brings the first value of every tag with its type, quality and source time' },
  },
  {
    trap: 'OPC UA 6: the halves of an Int64 that is written',
    edits: [
      {
        file: wide,
        cure: '[Number(bits >> 32n), Number(bits & 0xffff_ffffn)]',
        without: '[Number(bits & 0xffff_ffffn), Number(bits >> 32n)]',
      },
    ],
    test: typed,
  },
  {
    trap: 'OPC UA 6: an Int64 in a structure, taken for a list of two',
    edits: [{ file: structures, cure: '(value.length === 0 || Array.isArray(value[0]))', without: 'value.length >= 0' }],
    test: fields,
  },
  {
    trap: 'OPC UA 6: a number that is written as a Double whatever the node holds',
    edits: [
      {
        file: 'src/south/opcua/coerce.ts',
        cure: 'new Variant({ dataType: type.dataType, arrayType: VariantArrayType.Scalar, value: scalar })',
        without:
          "new Variant({ dataType: typeof scalar === 'number' ? DataType.Double : type.dataType, arrayType: VariantArrayType.Scalar, value: scalar })",
      },
    ],
    test: typed,
  },
  {
    trap: 'OPC UA 6: the type of a node that has no value yet',
    edits: [
      {
        file: 'src/south/opcua/types.ts',
        cure: 'context.decoder.typeOf(tag) ?? (await declaredType(tag, context))',
        without: 'context.decoder.typeOf(tag)',
      },
    ],
    test: { file: driverTests, title: 'writes in the type that the node declares where it has no value yet' },
  },
  {
    trap: 'OPC UA 6: a write that brings a time of its own',
    edits: [
      {
        file: 'src/south/opcua/writes.ts',
        cure: 'value: { value: variant } })),',
        without: 'value: { value: variant, sourceTimestamp: new Date() } })),',
      },
    ],
    test: typed,
  },
  {
    trap: 'OPC UA 6: fields of structures that the library writes with a small letter',
    edits: [{ file: structures, cure: "[field?.name ?? '']", without: '[step]' }],
    test: fields,
  },
  {
    trap: 'OPC UA 7: ten sessions',
    edits: [{ file: server, cure: '    maxSessions: limits.sessions,\n', without: '' }],
    test: { file: limitTests, title: 'lets in as many sessions as it says, and no more' },
  },
  {
    trap: 'OPC UA 7: a sampling interval as short as a client likes',
    edits: [
      { file: limits, cure: 'Math.max(wish.samplingInterval, limits.samplingMsMin)', without: 'wish.samplingInterval' },
      { file: addressSpace, cure: 'const minimumSamplingMs = limits.samplingMsMin', without: 'const minimumSamplingMs = 0' },
      { file: server, cure: '    minSupportedSampleRate: limits.samplingMsMin,\n', without: '' },
    ],
    test: { file: limitTests, title: 'keeps no longer queue for a client, and looks no more often, than it allows' },
  },
  {
    trap: 'OPC UA 7: queues as long as a client likes',
    edits: [
      { file: limits, cure: 'Math.min(wish.queueSize, limits.queue)', without: 'wish.queueSize' },
      { file: server, cure: '    maxMonitoredItemsQueueSize: limits.queue,\n', without: '' },
    ],
    test: { file: limitTests, title: 'keeps no longer queue for a client, and looks no more often, than it allows' },
  },
  {
    trap: 'OPC UA 7: every interface of the machine',
    edits: [{ file: server, cure: '    host: config.host,\n    hostname: host,', without: '    hostname: host,' }],
    test: { file: limitTests, title: 'listens at the address it was given, and at no other' },
  },
  {
    trap: 'OPC UA 7: the name of the host, which clients cannot resolve',
    edits: [{ file: server, cure: '    hostname: host,\n', without: '' }],
    test: { file: limitTests, title: 'names itself by the address it listens at, which a client can dial' },
  },
  {
    trap: "OPC UA 7: the library's own clock, with picoseconds",
    edits: [
      {
        file: server,
        cure: 'variable.setValueFromSource(value, status, dateOf(sample.sourceMs))',
        without: 'variable.setValueFromSource(value, status)',
      },
    ],
    test: { file: serverTests, title: 'passes value, quality and source time through' },
  },
  {
    trap: 'OPC UA 8: a namespace of ours that is not the first',
    edits: [
      {
        file: addressSpace,
        cure: 'this.#namespace = addressSpace.getOwnNamespace()',
        without: "this.#namespace = addressSpace.registerNamespace('urn:lineside')",
      },
    ],
    test: { file: serverTests, title: 'shows the site as a tree, in its own namespace, with node ids that never change' },
  },
  {
    trap: "OPC UA 8: the library's store of client certificates, in the home folder",
    edits: [{ file: server, cure: '    serverCertificateManager: anyApplication(),\n', without: '' }],
    test: kept,
  },
  {
    trap: "OPC UA 8: the library's store of users' certificates, in the home folder",
    edits: [{ file: server, cure: '    userCertificateManager: noCertificateUsers(),\n', without: '' }],
    test: kept,
  },
  {
    trap: "OPC UA 8: the library's certificate of clients, in the home folder",
    edits: [{ file: channel, cure: '    certificateKeyPairProvider: await ownIdentity(context),\n', without: '' }],
    test: kept,
  },
  {
    trap: 'OPC UA 9: a server that is killed, and comes back',
    edits: [
      { file: channel, cure: "    this.#client.on('connection_lost', () => lost('the server closed it, or died'))\n", without: '' },
      { file: channel, cure: "    this.#client.on('close', () => lost('the server closed it, or died'))\n", without: '' },
    ],
    test: { file: makeTests, title: 'is known within a moment to be killed, though nothing is asked of it just now' },
  },
]
