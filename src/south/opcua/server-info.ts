import { AttributeIds, type DataValue } from 'node-opcua-client'
import type { ConnectContext } from '../driver.ts'
import { type Make, recogniseMake } from './makes.ts'
import type { Requests } from './requests.ts'

export interface ServerInfo {
  readonly make: Make | undefined
  /** ms by which the server's clock is ahead of ours; undefined where it does not say. */
  readonly clockOffsetMs: number | undefined
}

/** CurrentTime, ProductName, ProductUri, ManufacturerName (OPC 10000-5, 6.3.1). */
const infoNodes = ['i=2258', 'i=2261', 'i=2262', 'i=2263'] as const
/** Beyond this, source times and certificates are not to be trusted. */
const clockOffsetMsMax = 5_000

/** Each device is warned of once, not at each of its connections. */
const warned = new WeakSet<object>()

export async function readServerInfo(
  requests: Requests,
  device: { readonly config: object; readonly context: ConnectContext },
): Promise<ServerInfo> {
  const { clock, log } = device.context
  const askedMs = clock.elapsed()
  const [time, ...build] = await requests.ask('a read of its clock and make', (session) =>
    session.read(infoNodes.map((nodeId) => ({ nodeId, attributeId: AttributeIds.Value }))),
  )
  const halfWayMs = (clock.elapsed() - askedMs) / 2
  const serverMs = momentOf(time)
  const clockOffsetMs = serverMs === undefined ? undefined : Math.round(serverMs + halfWayMs - clock.now())
  const make = recogniseMake(build.map((data) => String(data.value?.value ?? '').slice(0, 200)))
  if (clockOffsetMs !== undefined && Math.abs(clockOffsetMs) > clockOffsetMsMax && !warned.has(device.config)) {
    warned.add(device.config)
    log.warn('The clock of the OPC UA server and ours differ: its source times are off by as much.', { clockOffsetMs })
  }
  log.debug('Read what the OPC UA server is.', { make: make?.name, clockOffsetMs })
  return { make, clockOffsetMs }
}

function momentOf(data: DataValue | undefined): number | undefined {
  const value: unknown = data?.value?.value
  const ms = value instanceof Object && 'getTime' in value ? Number(value) : Number.NaN
  return Number.isNaN(ms) ? undefined : ms
}
