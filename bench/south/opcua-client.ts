/**
 * A bare OPC UA client: the library alone, subscribed as its documentation has it, and nothing done with the values but counting them. Shares no code with
 * src. Arguments: port, items. Prints `ready`, and at `count` on standard input `got COUNT`: the values received since the last time.
 */
import { createInterface } from 'node:readline'
import {
  AttributeIds,
  ClientMonitoredItemGroup,
  ClientSubscription,
  MessageSecurityMode,
  OPCUAClient,
  SecurityPolicy,
  TimestampsToReturn,
} from 'node-opcua-client'

const itemsPerCall = 1_000
const [port = 0, items = 10_000] = process.argv.slice(2).map(Number)
const client = OPCUAClient.create({
  securityMode: MessageSecurityMode.None,
  securityPolicy: SecurityPolicy.None,
  endpointMustExist: false,
  connectionStrategy: { maxRetry: 0 },
})
await client.connect(`opc.tcp://127.0.0.1:${port}/bench`)
const session = await client.createSession()
const namespace = (await session.readNamespaceArray()).indexOf('urn:bench:plant')
const subscription = ClientSubscription.create(session, {
  requestedPublishingInterval: 100,
  requestedMaxKeepAliveCount: 20,
  requestedLifetimeCount: 600,
  maxNotificationsPerPublish: 12_000,
  publishingEnabled: true,
})
let got = 0
const monitored = new Set<object>()
for (let first = 0; first < items; first += itemsPerCall) {
  const nodes = Array.from({ length: Math.min(itemsPerCall, items - first) }, (_, place) => ({
    nodeId: `ns=${namespace};s=V${first + place}`,
    attributeId: AttributeIds.Value,
  }))
  const parameters = { samplingInterval: 0, queueSize: 2, discardOldest: true }
  const group = ClientMonitoredItemGroup.create(subscription, nodes, parameters, TimestampsToReturn.Source)
  group.on('changed', () => {
    got += 1
  })
  await new Promise((resolve) => group.once('initialized', () => resolve(undefined)))
  monitored.add(group)
}

createInterface({ input: process.stdin }).on('line', () => {
  process.stdout.write(`got ${got}\n`)
  got = 0
})
process.stdin.on('end', () => process.exit(0))
process.stdout.write('ready 1\n')
