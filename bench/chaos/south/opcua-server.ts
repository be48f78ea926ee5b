/**
 * An OPC UA server for the fault schedule: to be killed, stopped, limited, shifted. Shares no code with src. One argument, JSON: ServerOptions.
 * Prints `ready PORT`. Variable i holds i × 1,000,000 + the step, and all change every `stepMs`: a value says where it belongs and how old it is.
 * Each namespace that shifts the plant's index holds the same ids, with negative values: who asks for the wrong index gets a value, and a wrong one.
 * On standard input: `drop` closes all sessions.
 */
import { createInterface } from 'node:readline'
import { OPCUACertificateManager } from 'node-opcua-certificate-manager'
import { OPCUAServer } from 'node-opcua-server'
import { StatusCodes } from 'node-opcua-status-code'
import { DataType } from 'node-opcua-variant'

interface ServerOptions {
  readonly port: number
  readonly folder: string
  readonly items: number
  readonly stepMs: number
  readonly shift: number
  readonly nodesPerCallMax?: number
  readonly refusesCertificates: boolean
}

const options = JSON.parse(process.argv[2] ?? '{}') as ServerOptions
const { port, folder, items, stepMs, shift, nodesPerCallMax, refusesCertificates } = options
const certificates = new OPCUACertificateManager({ rootFolder: folder, automaticallyAcceptUnknownCertificate: !refusesCertificates })
const limits = {
  maxNodesPerRead: nodesPerCallMax,
  maxNodesPerWrite: nodesPerCallMax,
  maxMonitoredItemsPerCall: nodesPerCallMax,
  maxNodesPerTranslateBrowsePathsToNodeIds: nodesPerCallMax,
}
const server = new OPCUAServer({
  port,
  host: '127.0.0.1',
  hostname: '127.0.0.1',
  resourcePath: '/chaos',
  serverCertificateManager: certificates,
  userCertificateManager: certificates,
  serverCapabilities: {
    maxSessions: 50,
    minSupportedSampleRate: 10,
    ...(nodesPerCallMax === undefined ? {} : { operationLimits: limits as Record<keyof typeof limits, number> }),
  },
})
await server.initialize()
const { addressSpace } = server.engine
if (addressSpace === null) throw new Error('no address space')
for (let place = 0; place < shift; place += 1) addVariables(`urn:decoy:${place}`, (item) => -1 - item)
const variables = addVariables('urn:chaos:plant', (item) => item * 1_000_000)
await server.start()

function addVariables(uri: string, valueFor: (item: number) => number) {
  const namespace = addressSpace?.registerNamespace(uri)
  if (namespace === undefined) throw new Error('no namespace')
  const line = namespace.addFolder('ObjectsFolder', { browseName: `Line-${uri}`, nodeId: 's=Line' })
  return Array.from({ length: items }, (_, item) => {
    const nodeId = `s=V${item}`
    const variable = namespace.addVariable({
      componentOf: line,
      browseName: `V${item}`,
      nodeId,
      dataType: 'Double',
      minimumSamplingInterval: 10,
    })
    variable.setValueFromSource({ dataType: DataType.Double, value: valueFor(item) }, StatusCodes.Good, new Date())
    return variable
  })
}

// The step goes by the clock, so that it never falls behind that of an earlier life.
setInterval(() => {
  const at = new Date()
  const step = Math.floor(at.getTime() / stepMs) % 1_000_000
  for (const [item, variable] of variables.entries()) {
    variable.setValueFromSource({ dataType: DataType.Double, value: item * 1_000_000 + step }, StatusCodes.Good, at)
  }
}, stepMs)

createInterface({ input: process.stdin }).on('line', (text) => {
  if (text !== 'drop') return
  for (const session of Object.values(
    (server.engine as unknown as { _sessions: Record<string, { authenticationToken: unknown }> })._sessions,
  )) {
    server.engine.closeSession(session.authenticationToken as Parameters<typeof server.engine.closeSession>[0], true, 'Terminated')
  }
})
process.stdin.on('end', () => process.exit(0))
process.stdout.write(`ready ${port}\n`)
