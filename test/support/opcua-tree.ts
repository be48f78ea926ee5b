/** An OPC UA server with a large and awkward address space, in a process of its own. Shares no code with src. Prints `ready PORT`. */
import { OPCUACertificateManager } from 'node-opcua-certificate-manager'
import { OPCUAServer } from 'node-opcua-server'
import { DataType } from 'node-opcua-variant'

interface TreeOptions {
  readonly port: number
  /** For certificates; who starts the process takes it away. */
  readonly state: string
  /** Folders below Plant. */
  readonly folders: number
  /** Variables in each folder. */
  readonly variables: number
  /** Variables in the one folder that is too wide for a single answer. */
  readonly wide: number
  readonly browseMax?: number
  readonly pointsMax?: number
  readonly user?: string
  readonly password?: string
}

const options = JSON.parse(process.argv[2] ?? '{}') as TreeOptions
process.on('SIGTERM', () => process.exit(0))
const certificates = new OPCUACertificateManager({ rootFolder: options.state, automaticallyAcceptUnknownCertificate: true })

const server = new OPCUAServer({
  port: options.port,
  host: '127.0.0.1',
  hostname: '127.0.0.1',
  resourcePath: '/tree',
  allowAnonymous: options.user === undefined,
  ...(options.user === undefined
    ? {}
    : { userManager: { isValidUser: (user: string, password: string) => user === options.user && password === options.password } }),
  serverCertificateManager: certificates,
  userCertificateManager: certificates,
  serverCapabilities: {
    maxSessions: 20,
    maxBrowseContinuationPoints: options.pointsMax ?? 10,
    operationLimits: { maxNodesPerBrowse: options.browseMax ?? 1_000, maxNodesPerRead: 1_000 },
  },
})
await server.initialize()
const { addressSpace } = server.engine
if (addressSpace === null) throw new Error('no address space')
addressSpace.registerNamespace('urn:shift')
const namespace = addressSpace.registerNamespace('urn:test:tree;v=1')
const plant = namespace.addFolder('ObjectsFolder', { browseName: 'Plant', nodeId: 's=Plant' })

for (let place = 0; place < options.folders; place += 1) {
  const area = namespace.addFolder(plant, { browseName: `Area ${place}`, nodeId: `s=Plant.${place}` })
  for (let at = 0; at < options.variables; at += 1) {
    namespace.addVariable({ componentOf: area, browseName: `V${at}`, nodeId: `s=Plant.${place}.V${at}`, dataType: 'Double' })
  }
}
const wide = namespace.addFolder(plant, { browseName: 'Wide', nodeId: 's=Wide' })
for (let at = 0; at < options.wide; at += 1) {
  namespace.addVariable({ componentOf: wide, browseName: `W${at}`, nodeId: `s=W${at}`, dataType: 'Int32' })
}

// One of each kind that is not plain.
const odd = namespace.addFolder(plant, { browseName: 'Odd', nodeId: 's=Odd' })
namespace.addAnalogDataItem({
  componentOf: odd,
  browseName: 'Pressure',
  nodeId: 's=Odd.Pressure',
  dataType: 'Double',
  description: 'Of the press',
  engineeringUnitsRange: { low: 0, high: 250 },
  engineeringUnits: {
    namespaceUri: 'http://www.opcfoundation.org/UA/units/un/cefact',
    unitId: 4_342_098,
    displayName: 'bar',
    description: 'bar',
  },
  accessLevel: 'CurrentRead | CurrentWrite',
  userAccessLevel: 'CurrentRead | CurrentWrite',
})
namespace.addVariable({ componentOf: odd, browseName: 'Read only', nodeId: 's=Odd.ro', dataType: 'Int16', accessLevel: 'CurrentRead' })
namespace.addVariable({
  componentOf: odd,
  browseName: 'Secret',
  nodeId: 's=Odd.secret',
  dataType: 'Int16',
  accessLevel: 'CurrentWrite',
  userAccessLevel: 'CurrentWrite',
})
namespace.addVariable({
  componentOf: odd,
  browseName: 'Array',
  nodeId: 's=Odd.array',
  dataType: 'Float',
  valueRank: 1,
  arrayDimensions: [3],
})
namespace.addVariable({
  componentOf: odd,
  browseName: 'Any',
  nodeId: 's=Odd.any',
  dataType: 'Number',
  value: { dataType: DataType.Double, value: 1 },
})
namespace.addVariable({
  componentOf: odd,
  browseName: 'Enum',
  nodeId: 's=Odd.enum',
  dataType: 'ServerState',
  value: { dataType: DataType.Int32, value: 1 },
})
namespace.addVariable({ componentOf: odd, browseName: 'Structure', nodeId: 's=Odd.structure', dataType: 'Range' })
namespace.addVariable({ componentOf: odd, browseName: 'set', nodeId: 's=Odd.set', dataType: 'Boolean' })
namespace.addVariable({ componentOf: odd, browseName: 'a/b:c', nodeId: 's=Odd.a;b', dataType: 'String' })
namespace.addVariable({ componentOf: odd, browseName: 'a_b_c', nodeId: 's=Odd.abc', dataType: 'UInt64' })
namespace.addVariable({
  componentOf: odd,
  browseName: '=1+1\n- x: "y" \u001b[2J',
  nodeId: 's=Odd."hostile" # {',
  dataType: 'Byte',
  description: '=HYPERLINK("http://x")\n  evil: true',
})
// Loops: a child that holds its grandparent, and a folder that holds itself.
const loop = namespace.addFolder(odd, { browseName: 'Loop', nodeId: 's=Loop' })
loop.addReference({ referenceType: 'Organizes', nodeId: plant.nodeId })
loop.addReference({ referenceType: 'Organizes', nodeId: loop.nodeId })

await server.start()
process.stdin.on('end', () => process.exit(0))
process.stdin.resume()
process.stdout.write(`ready ${server.endpoints[0]?.port ?? 0}\n`)
