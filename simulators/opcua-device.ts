import { readdirSync, rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SimulatedDevice } from './device.ts'
import type { Node } from './devices/labeller.ts'
import type { PlantFault } from './faults.ts'
import { createNodeStore, faceOf, type NodeStore } from './node-store.ts'
import type { Line } from './plant/line.ts'
import { Plc } from './plc.ts'
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
  const pkiFolder = await temporaryFolder(parts)
  const { name, namespace, nodes, line } = options
  const store = createNodeStore({ nodes, line, tell: (update) => plc.tell(update) })
  const plc = parts.use(
    new Plc({
      ...{ name, namespace, pkiFolder, nodes: nodes.map(faceOf) },
      everything: () => store.everything(),
      onWrite: (node, value) => store.write(node, value),
    }),
  )
  store.refresh()
  const relay = parts.use(await startRelay({ port: options.port, framing: 'stream', serverPort: () => plc.serverPort() }))
  plc.start({ publicPort: relay.port, isShifted: false })
  const started = parts.move()
  const parties = { name, store, plc, relay }
  return {
    name,
    port: relay.port,
    address: { protocol: 'opcua', host, port: relay.port, url: `opc.tcp://${host}:${relay.port}`, namespace },
    refresh: () => store.refresh(),
    fail: (fault) => fail(fault, parties),
    clear: () => clear(parties),
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  }
}

interface Parties {
  readonly name: string
  readonly store: NodeStore
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
      store.spoil(fault.code)
      return plc.settled()
    case 'freeze':
      if (!store.freeze(fault.point)) throw new Error(`${name} has no point "${fault.point}"`)
      return plc.settled()
    case 'refuse':
      await relay.close()
      return plc.stop()
    default:
      relay.setFault(fault)
  }
}

async function clear(parties: Parties): Promise<void> {
  const { store, plc, relay } = parties
  relay.setFault(undefined)
  const isMended = store.mend()
  if (!plc.isRunning || plc.isShifted) await restart(parties, { isShifted: false })
  else if (isMended) await plc.settled()
}

async function restart({ plc, relay }: Parties, { isShifted }: { readonly isShifted: boolean }): Promise<void> {
  await relay.close()
  await plc.stop()
  plc.start({ publicPort: relay.port, isShifted })
  await plc.serverPort()
  await relay.open()
}

/** With the number of the process in its name: whoever was killed could not remove its own, so that the next to start does. */
async function temporaryFolder(parts: AsyncDisposableStack): Promise<string> {
  sweep()
  const folder = await mkdtemp(join(tmpdir(), `${folderPrefix}${process.pid}-`))
  const remove = (): void => rmSync(folder, { recursive: true, force: true })
  process.once('exit', remove) // also where the process ends before the server has
  parts.defer(() => {
    process.off('exit', remove)
    remove()
  })
  return folder
}

const folderPrefix = 'bottling-plant-pki-'

function sweep(): void {
  for (const name of readdirSync(tmpdir())) {
    const [, pid] = name.startsWith(folderPrefix) ? (/^(\d+)-/.exec(name.slice(folderPrefix.length)) ?? []) : []
    if (pid !== undefined && !isAlive(Number(pid))) rmSync(join(tmpdir(), name), { recursive: true, force: true })
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM' // somebody else's
  }
}
