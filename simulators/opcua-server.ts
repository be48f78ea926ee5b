import { join } from 'node:path'
import { OPCUACertificateManager } from 'node-opcua-certificate-manager'
import { DataType, DataValue, MessageSecurityMode, SecurityPolicy, type StatusCode, StatusCodes, Variant } from 'node-opcua-client'
import { OPCUAServer } from 'node-opcua-server'
import type { NodeFace, NodeValue } from './node-store.ts'
import type { PlcStart } from './plc.ts'

export interface OpcuaServer extends AsyncDisposable {
  readonly port: number
}

export interface OpcuaServerOptions extends Omit<PlcStart, 'update'> {
  /** A status that all values have now; undefined: good. */
  readonly status: () => number | undefined
  readonly read: (name: string) => NodeValue
  readonly write: (name: string, value: number | string) => void
}

const host = '127.0.0.1'

export async function startOpcuaServer(options: OpcuaServerOptions): Promise<OpcuaServer> {
  const serverCertificateManager = certificates(join(options.pkiFolder, 'server'))
  const userCertificateManager = certificates(join(options.pkiFolder, 'users'))
  await serverCertificateManager.initialize()
  await userCertificateManager.initialize()
  const server = new OPCUAServer({
    port: 0,
    host,
    hostname: host,
    advertisedEndpoints: [`opc.tcp://${host}:${options.publicPort}`],
    serverInfo: { applicationUri: `urn:bottling-plant:plc:${options.name}` },
    buildInfo: { productName: 'Bottling plant labeller', manufacturerName: 'Bottling plant' },
    serverCertificateManager,
    userCertificateManager,
    securityPolicies: [SecurityPolicy.None, SecurityPolicy.Basic256Sha256],
    securityModes: [MessageSecurityMode.None, MessageSecurityMode.Sign, MessageSecurityMode.SignAndEncrypt],
    allowAnonymous: true,
    serverCapabilities: { maxSessions: 20 },
  })
  await server.initialize()
  addNodes(server, options)
  await server.start()
  return {
    port: server.endpoints[0]?.port ?? 0,
    [Symbol.asyncDispose]: async () => {
      await server.shutdown(0)
    },
  }
}

function certificates(rootFolder: string): OPCUACertificateManager {
  return new OPCUACertificateManager({ rootFolder, automaticallyAcceptUnknownCertificate: true, disableFileWatchers: true })
}

type AddressSpace = NonNullable<OPCUAServer['engine']['addressSpace']>
type Namespace = ReturnType<AddressSpace['registerNamespace']>
type Folder = ReturnType<Namespace['addFolder']>

function addNodes({ engine: { addressSpace } }: OPCUAServer, options: OpcuaServerOptions): void {
  if (addressSpace === null) throw new Error('an OPC UA server without an address space')
  if (options.isShifted) addressSpace.registerNamespace('urn:bottling-plant:firmware-update')
  const namespace = addressSpace.registerNamespace(options.namespace)
  const machine = namespace.addFolder(addressSpace.rootFolder.objects, { browseName: options.name, nodeId: `s=${options.name}` })
  const folders = new Map<string, Folder>()
  for (const node of options.nodes) addNode({ namespace, folder: folderOf(node), node, options })

  function folderOf(node: NodeFace): Folder {
    const [first = '', ...rest] = node.name.split('/')
    if (rest.length === 0) return machine
    const folder = folders.get(first) ?? namespace.addFolder(machine, { browseName: first, nodeId: `s=${first}` })
    folders.set(first, folder)
    return folder
  }
}

interface Placing {
  readonly namespace: Namespace
  readonly folder: Folder
  readonly node: NodeFace
  readonly options: OpcuaServerOptions
}

function addNode({ namespace, folder, node, options }: Placing): void {
  const accessLevel = node.write ? 'CurrentRead | CurrentWrite' : 'CurrentRead'
  const common = {
    organizedBy: folder,
    browseName: node.name.split('/').at(-1) ?? node.name,
    nodeId: `s=${node.name}`,
    dataType: node.dataType,
    accessLevel,
    userAccessLevel: accessLevel,
    minimumSamplingInterval: 50,
    value: {
      timestamped_get: () => dataValueOf(node, options),
      ...(node.write ? { timestamped_set: async (wanted: DataValue) => write(node, wanted, options) } : {}),
    },
  }
  if (node.range === undefined) {
    namespace.addVariable(common)
    return
  }
  const [low, high] = node.range
  namespace.addAnalogDataItem({
    ...common,
    engineeringUnitsRange: { low, high },
    instrumentRange: { low, high },
    ...(node.unit === undefined ? {} : { engineeringUnits: { displayName: { text: node.unit }, description: { text: node.unit } } }),
  })
}

function dataValueOf(node: NodeFace, { read, status }: OpcuaServerOptions): DataValue {
  const { value, timeMs } = read(node.name)
  return new DataValue({
    value: new Variant({ dataType: DataType[node.dataType], value }),
    statusCode: statusOf(status()),
    sourceTimestamp: new Date(timeMs),
    serverTimestamp: new Date(),
  })
}

function statusOf(code: number | undefined): StatusCode {
  if (code === undefined) return StatusCodes.Good
  const known = Object.values(StatusCodes).find((status) => status instanceof Object && 'value' in status && status.value === code)
  return (known as StatusCode | undefined) ?? StatusCodes.BadDeviceFailure
}

function write(node: NodeFace, wanted: DataValue, options: OpcuaServerOptions): StatusCode {
  const value: unknown = wanted.value.value
  const { min = 0, max = 0 } = node.write ?? {}
  if (typeof value !== 'number' && typeof value !== 'string') return StatusCodes.BadTypeMismatch
  const size = typeof value === 'number' ? value : value.length
  if (!(size >= min && size <= max)) return StatusCodes.BadOutOfRange
  options.write(node.name, value)
  return StatusCodes.Good
}
