import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SimulatedDevice } from './device.ts'
import type { Node } from './devices/labeller.ts'
import type { PlantFault } from './faults.ts'
import { createNodeStore, type NodeStore, type PlantNodeStore } from './node-store.ts'
import type { OpcuaServer } from './opcua-server.ts'
import type { Line } from './plant/line.ts'
import { type Relay, startRelay } from './relay.ts'

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
  const store = createNodeStore(options.nodes, options.line)
  const plc = parts.use(new Plc(options, store, await temporaryFolder(parts)))
  const relay = parts.use(await startRelay({ port: options.port, framing: 'stream', serverPort: () => plc.serverPort() }))
  plc.start({ publicPort: relay.port, isShifted: false })
  const started = parts.move()
  const parties = { name: options.name, store, plc, relay }
  return {
    name: options.name,
    port: relay.port,
    address: { protocol: 'opcua', host, port: relay.port, url: `opc.tcp://${host}:${relay.port}`, namespace: options.namespace },
    refresh: () => store.refresh(),
    fail: (fault) => fail(fault, parties),
    clear: () => clear(parties),
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  }
}

interface Parties {
  readonly name: string
  readonly store: PlantNodeStore
  readonly plc: Plc
  readonly relay: Relay
}

async function fail(fault: PlantFault, parties: Parties): Promise<void> {
  const { name, store, plc, relay } = parties
  await clear(parties)
  switch (fault.kind) {
    case 'namespace':
      return restart(parties, { isShifted: true })
    case 'exception':
      return store.spoil(fault.code)
    case 'freeze':
      if (!store.freeze(fault.point)) throw new Error(`${name} has no point "${fault.point}"`)
      return
    case 'refuse':
      await relay.close()
      return plc.stop()
    default:
      relay.setFault(fault)
  }
}

async function clear(parties: Parties): Promise<void> {
  parties.relay.setFault(undefined)
  parties.store.mend()
  if (!parties.plc.isRunning || parties.plc.isShifted) await restart(parties, { isShifted: false })
}

async function restart({ plc, relay }: Parties, { isShifted }: { readonly isShifted: boolean }): Promise<void> {
  await relay.close()
  await plc.stop()
  plc.start({ publicPort: relay.port, isShifted })
  await plc.serverPort()
  await relay.open()
}

async function temporaryFolder(parts: AsyncDisposableStack): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'bottling-plant-pki-'))
  const remove = (): void => rmSync(folder, { recursive: true, force: true })
  process.once('exit', remove) // also where the process ends before the server has
  parts.defer(() => {
    process.off('exit', remove)
    remove()
  })
  return folder
}

/** The server that can be stopped and started again while everything around it stays. */
class Plc implements AsyncDisposable {
  readonly #options: OpcuaDeviceOptions
  readonly #store: NodeStore
  readonly #pkiFolder: string
  #server: Promise<OpcuaServer> | undefined
  isShifted = false

  constructor(options: OpcuaDeviceOptions, store: NodeStore, pkiFolder: string) {
    this.#options = options
    this.#store = store
    this.#pkiFolder = pkiFolder
  }

  get isRunning(): boolean {
    return this.#server !== undefined
  }

  start({ publicPort, isShifted }: { readonly publicPort: number; readonly isShifted: boolean }): void {
    this.isShifted = isShifted
    this.#server = this.#start(publicPort)
    this.#server.catch((error: unknown) => console.error(`${this.#options.name} has no OPC UA server: ${String(error)}`))
  }

  async serverPort(): Promise<number> {
    if (this.#server === undefined) throw new Error(`${this.#options.name} is switched off`)
    return (await this.#server).port
  }

  async stop(): Promise<void> {
    const server = await this.#server?.catch(() => undefined)
    this.#server = undefined
    await server?.[Symbol.asyncDispose]()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  async #start(publicPort: number): Promise<OpcuaServer> {
    const { startOpcuaServer } = await import('./opcua-server.ts') // the library takes a second to load: the port must not wait for it
    return startOpcuaServer({ ...this.#options, store: this.#store, pkiFolder: this.#pkiFolder, publicPort, isShifted: this.isShifted })
  }
}
