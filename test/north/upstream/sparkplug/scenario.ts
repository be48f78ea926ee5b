import { vi } from 'vitest'
import { type Monitor, startMonitor, type Witnessed } from '../../../support/sparkplug-monitor.ts'
import { freePort } from '../../support/program.ts'
import { FarBroker } from '../far-broker.ts'
import { MemoryOutbox } from '../memory-outbox.ts'
import { type Edge, startCable, startEdge, startHost, stateFolder } from './edge.ts'

export const edgeClient = 'lineside-edge-07-plant'

/** What was seen of one life of an edge node. */
export interface Scenario {
  readonly seen: readonly Witnessed[]
  readonly unreadable: readonly string[]
  /** What the broker says it was told by the edge node, in order. */
  readonly log: readonly string[]
  /** Place in `seen` of what came after a moment. */
  readonly marks: Readonly<Record<string, number>>
  readonly edge: Edge
}

export const commandBytes = {
  /** {timestamp, metrics: [{name: "Node Control/Rebirth", boolean: true}]} */
  rebirth: metricCommand('Node Control/Rebirth', Buffer.from([0x70, 1])),
  /** A double by name. */
  setpoint: metricCommand('recipe/setpoint', Buffer.from([0x69, 0, 0, 0, 0, 0, 0, 0x45, 0x40])),
}

function metricCommand(name: string, value: Buffer): Buffer {
  const text = Buffer.from(name)
  const metric = Buffer.concat([Buffer.from([0x0a, text.length]), text, value])
  return Buffer.concat([Buffer.from([0x08, 0x80, 0x80, 0x80, 0x01, 0x12, metric.length]), metric])
}

const waits = { timeout: 15_000, interval: 20 }

async function until(check: () => boolean): Promise<void> {
  await vi.waitFor(() => {
    if (!check()) throw new Error('not yet')
  }, waits)
}

export function countOf(seen: readonly Witnessed[], type: string, device?: string): number {
  return seen.filter((message) => message.type === type && (device === undefined || message.device === device)).length
}

function brokerLog(far: FarBroker): readonly string[] {
  return far.lines().filter((line) => !/monitor-|host-/.test(line))
}

/** Births, data, a rebirth, commands, a device that is lost and comes back, and the end. */
export async function liveLife(): Promise<Scenario> {
  await using parts = new AsyncDisposableStack()
  const far = parts.use(new FarBroker(await freePort()))
  await far.start()
  const monitor = parts.use(await startMonitor(far.port))
  const host = parts.use(await startHost(far.port))
  const folder = parts.use(await stateFolder())
  const edge = parts.use(startEdge({ url: far.url, stateFolder: folder.path }))
  const marks: Record<string, number> = {}
  const { seen } = monitor
  await until(() => countOf(seen, 'DBIRTH') === 2)
  marks['born'] = seen.length
  for (let n = 0; n < 300; n += 1) edge.set('press-07/hydraulics/pressure', n + 0.5)
  edge.set('filler/level', -5, { quality: 'uncertain' })
  await until(() => edge.outbox.rows.length === 0)
  edge.set('filler/guess', 7)
  await until(() => countOf(seen, 'DBIRTH', 'filler') === 2)
  // The sequence goes round.
  for (let n = 0; countOf(seen, 'DDATA') < 300; n += 1) {
    edge.set('press-07/motor/running', n % 2 === 0)
    await new Promise((resolve) => setImmediate(resolve))
  }
  await until(() => edge.outbox.rows.length === 0)
  marks['rebirth'] = seen.length
  await host.publish('spBv1.0/munich/NCMD/edge-07', commandBytes.rebirth)
  await until(() => countOf(seen.slice(marks['rebirth']), 'DBIRTH') === 2)
  await host.publish('spBv1.0/munich/DCMD/edge-07/press-07', commandBytes.setpoint)
  await until(() => edge.asked.length === 1 && seen.slice(marks['rebirth']).some(({ type }) => type === 'DDATA'))
  marks['lost'] = seen.length
  edge.devices('connecting', 'press-07')
  await until(() => countOf(seen, 'DDEATH') === 1)
  edge.set('press-07/recipe/setpoint', 5)
  edge.set('filler/count', 5n)
  await until(() => edge.outbox.rows.length === 1)
  marks['back'] = seen.length
  edge.devices('online', 'press-07')
  await until(() => countOf(seen.slice(marks['back']), 'DBIRTH') === 1 && edge.outbox.rows.length === 0)
  marks['end'] = seen.length
  await edge[Symbol.asyncDispose]()
  await until(() => countOf(seen, 'NDEATH') === 1 && far.lines().some((line) => line.includes(`Received DISCONNECT from ${edgeClient}`)))
  return { seen: [...seen], unreadable: monitor.unreadable, log: brokerLog(far), marks, edge }
}

/** Connections that are cut, values that wait meanwhile, and a restart. */
export async function lostLife(): Promise<Scenario> {
  await using parts = new AsyncDisposableStack()
  const far = parts.use(new FarBroker(await freePort()))
  await far.start()
  const monitor: Monitor = parts.use(await startMonitor(far.port))
  const folder = parts.use(await stateFolder())
  const cable = parts.use(await startCable(far.port))
  const outbox = new MemoryOutbox()
  const url = `mqtt://127.0.0.1:${cable.port}`
  const marks: Record<string, number> = {}
  const { seen } = monitor
  const one = startEdge({ url, stateFolder: folder.path, outbox })
  await until(() => countOf(seen, 'DBIRTH') === 2 && outbox.rows.length === 0)
  marks['cut'] = seen.length
  outbox.isBroken = true // what is set now is sent by nobody before the cut
  for (let n = 0; n < 700; n += 1) one.set('press-07/hydraulics/pressure', n)
  cable.cut()
  await until(() => countOf(seen, 'NDEATH') === 1)
  outbox.isBroken = false
  await until(() => countOf(seen, 'NBIRTH') === 2)
  await until(() => outbox.rows.length === 0)
  marks['stop'] = seen.length
  await one[Symbol.asyncDispose]()
  await until(() => countOf(seen, 'NDEATH') === 2)
  const two = parts.use(startEdge({ url, stateFolder: folder.path, outbox }))
  await until(() => countOf(seen, 'NBIRTH') === 3 && countOf(seen, 'DBIRTH') === 6)
  return { seen: [...seen], unreadable: monitor.unreadable, log: brokerLog(far), marks, edge: two }
}

/** A primary host that comes, goes, says old things, and is at another server in the end. */
export async function hostedLife(): Promise<Scenario & { readonly second: Scenario }> {
  await using parts = new AsyncDisposableStack()
  const brokers = [parts.use(new FarBroker(await freePort())), parts.use(new FarBroker(await freePort()))] as const
  for (const broker of brokers) await broker.start()
  const monitors = [parts.use(await startMonitor(brokers[0].port)), parts.use(await startMonitor(brokers[1].port))] as const
  const hosts = [parts.use(await startHost(brokers[0].port)), parts.use(await startHost(brokers[1].port))] as const
  const folder = parts.use(await stateFolder())
  const sparkplug = { primaryHost: 'scada-1', servers: [brokers[1].url], hostWait: '2s' }
  const edge = parts.use(startEdge({ url: brokers[0].url, stateFolder: folder.path, sparkplug }))
  const [near, far] = [monitors[0].seen, monitors[1].seen]
  const marks: Record<string, number> = {}
  await until(() => edge.edge.status().state === 'waiting-for-host')
  await hosts[0].state('another-host', true, Date.now())
  await hosts[0].state('scada-1', false, 1_000)
  edge.set('filler/level', 3)
  await until(() => edge.edge.status().state === 'waiting-for-host')
  marks['waited'] = near.length + far.length
  await hosts[0].state('scada-1', true, 5_000)
  await until(() => countOf(near, 'DBIRTH') === 2)
  marks['born'] = near.length
  await hosts[0].state('scada-1', false, 4_000) // older than the last word: nothing happens
  edge.set('filler/level', 4)
  await until(() => near.slice(marks['born']).some(({ type }) => type === 'DDATA'))
  marks['ignored'] = near.length
  await hosts[1].state('scada-1', true, 100)
  await hosts[0].state('scada-1', false, 6_000)
  await until(() => countOf(near, 'NDEATH') === 1 && countOf(far, 'DBIRTH') === 2)
  const rest = { edge, marks }
  return {
    ...{ ...rest, seen: [...near], unreadable: monitors[0].unreadable, log: brokerLog(brokers[0]) },
    second: { ...rest, seen: [...far], unreadable: monitors[1].unreadable, log: brokerLog(brokers[1]) },
  }
}

/** {metrics: [{name: "recipe", template: {metrics: [{name: "setpoint", double: 42}]}}]} */
function templateCommand(): Buffer {
  const field = (key: readonly number[], bytes: Buffer): Buffer => Buffer.concat([Buffer.from([...key, bytes.length]), bytes])
  const member = Buffer.concat([field([0x0a], Buffer.from('setpoint')), Buffer.from([0x69, 0, 0, 0, 0, 0, 0, 0x45, 0x40])])
  const metric = Buffer.concat([field([0x0a], Buffer.from('recipe')), field([0x92, 0x01], field([0x12], member))])
  return Buffer.concat([Buffer.from([0x08, 0x80, 0x80, 0x80, 0x01]), field([0x12], metric)])
}

/** A branch of a device that is one metric: births, one member that changes, a command to it, and history. */
export async function templatedLife(): Promise<Scenario> {
  await using parts = new AsyncDisposableStack()
  const far = parts.use(new FarBroker(await freePort()))
  await far.start()
  const monitor = parts.use(await startMonitor(far.port))
  const host = parts.use(await startHost(far.port))
  const folder = parts.use(await stateFolder())
  const cable = parts.use(await startCable(far.port))
  const outbox = new MemoryOutbox()
  const sparkplug = { templates: { Recipe: ['+/recipe'] } }
  const edge = parts.use(startEdge({ url: `mqtt://127.0.0.1:${cable.port}`, stateFolder: folder.path, outbox, sparkplug }))
  const { seen } = monitor
  await until(() => countOf(seen, 'DBIRTH') === 2 && outbox.rows.length === 0)
  const marks: Record<string, number> = { born: seen.length }
  edge.set('press-07/recipe/setpoint', 7)
  await until(() => outbox.rows.length === 0 && countOf(seen, 'DDATA') > 0)
  await host.publish('spBv1.0/munich/DCMD/edge-07/press-07', templateCommand())
  await until(() => edge.asked.length === 1)
  marks['cut'] = seen.length
  outbox.isBroken = true
  for (const value of [8, 9]) edge.set('press-07/recipe/setpoint', value)
  cable.cut()
  await until(() => countOf(seen, 'NDEATH') === 1)
  outbox.isBroken = false
  await until(() => countOf(seen, 'NBIRTH') === 2 && outbox.rows.length === 0)
  await until(() => countOf(seen.slice(marks['cut']), 'DDATA') > 0)
  return { seen: [...seen], unreadable: monitor.unreadable, log: brokerLog(far), marks, edge }
}
