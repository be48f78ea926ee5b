import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SimulatedDevice } from './device.ts'
import type { Node } from './devices/labeller.ts'
import type { PlantFault } from './faults.ts'
import type { NodeStore, OpcuaServer } from './opcua-server.ts'
import type { Line } from './plant/line.ts'
import { startRelay } from './relay.ts'

export interface OpcuaDeviceOptions {
  readonly name: string
  readonly port: number
  readonly namespace: string
  readonly nodes: readonly Node[]
  readonly line: Line
}

const host = '127.0.0.1'

/**
 * An OPC UA server behind a relay. The port is open at once, and whoever comes in the second or so until the server is up is kept waiting.
 */
export async function startOpcuaDevice(options: OpcuaDeviceOptions): Promise<SimulatedDevice> {
  await using parts = new AsyncDisposableStack()
  const pkiFolder = await mkdtemp(join(tmpdir(), 'bottling-plant-pki-'))
  const removeFolder = (): void => rmSync(pkiFolder, { recursive: true, force: true })
  process.once('exit', removeFolder) // also where the process ends before the server has
  parts.defer(() => {
    process.off('exit', removeFolder)
    removeFolder()
  })
  const store = createStore(options)
  let server: Promise<OpcuaServer> | undefined
  const startServer = async (relayPort: number, isShifted: boolean): Promise<OpcuaServer> => {
    const { startOpcuaServer } = await import('./opcua-server.ts') // the library takes a second to load: the port must not wait for it
    return startOpcuaServer({ ...options, store, pkiFolder, publicPort: relayPort, isShifted })
  }
  const stopServer = async (): Promise<void> => {
    const running = server
    server = undefined
    await (await running?.catch(() => undefined))?.[Symbol.asyncDispose]()
  }
  parts.defer(stopServer)
  const serverPort = async (): Promise<number> => {
    if (server === undefined) throw new Error('there is no server now')
    return (await server).port
  }
  const relay = parts.use(await startRelay({ port: options.port, framing: 'stream', serverPort }))
  const restart = (isShifted: boolean): void => {
    server = startServer(relay.port, isShifted)
    server.catch((error: unknown) =>
      console.error(`${options.name} has no OPC UA server: ${error instanceof Error ? error.message : error}`),
    )
  }
  restart(false)
  const started = parts.move()
  let isShifted = false
  const reopen = async (isNowShifted: boolean): Promise<void> => {
    await relay.close()
    await stopServer()
    isShifted = isNowShifted
    restart(isShifted)
    await server
    await relay.open()
  }
  const clear = async (): Promise<void> => {
    relay.setFault(undefined)
    store.thaw()
    if (server === undefined || isShifted) await reopen(false)
  }
  const fail = async (fault: PlantFault): Promise<void> => {
    await clear()
    if (fault.kind === 'namespace') return reopen(true)
    if (fault.kind === 'exception') store.spoil(fault.code)
    else if (fault.kind === 'freeze' && !store.freeze(fault.point)) throw new Error(`${options.name} has no point "${fault.point}"`)
    else if (fault.kind === 'refuse') {
      await relay.close()
      await stopServer()
    } else if (fault.kind !== 'freeze') relay.setFault(fault)
  }
  return {
    name: options.name,
    port: relay.port,
    address: { protocol: 'opcua', host, port: relay.port, url: `opc.tcp://${host}:${relay.port}`, namespace: options.namespace },
    refresh: () => store.refresh(),
    fail,
    clear,
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  }
}

/** The nodes' values outlive a restart of the server, as they do in a PLC. */
function createStore({ nodes, line }: OpcuaDeviceOptions): NodeStore & {
  refresh(): void
  freeze(name: string | undefined): boolean
  thaw(): void
  spoil(status: number): void
} {
  const values = new Map<string, { value: boolean | number | string; time: Date }>()
  const frozen = new Set<string>()
  let spoiltStatus: number | undefined
  const refreshNode = (node: Node): void => {
    const value = node.read(line)
    if (values.get(node.name)?.value !== value) values.set(node.name, { value, time: new Date() })
  }
  for (const node of nodes) refreshNode(node)
  return {
    get status() {
      return spoiltStatus
    },
    read: (name) => values.get(name) ?? { value: 0, time: new Date() },
    write: (node, value) => {
      node.write?.apply(line, value)
      refreshNode(node)
    },
    refresh: () => {
      for (const node of nodes) if (!frozen.has(node.name)) refreshNode(node)
    },
    freeze: (name) => {
      const names = nodes.map((node) => node.name).filter((node) => name === undefined || node === name)
      for (const each of names) frozen.add(each)
      return names.length > 0
    },
    thaw: () => {
      frozen.clear()
      spoiltStatus = undefined
    },
    spoil: (status) => {
      spoiltStatus = status
    },
  }
}
