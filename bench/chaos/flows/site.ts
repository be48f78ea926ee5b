import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { lanes } from './orders.ts'

/** Of a lane's counter; the one of what was taken back stands `backAt` further. */
export const backAt = 100

export function registerOf(lane: number): number {
  return 2 * lane
}

const number = '${trigger.payload.number}'
const lane = '${trigger.payload.lane}'

/** An order is told to a service, counted in the plant and told to whoever listens, several of them at once; every seventh fails at its end, and is taken back. */
const order = {
  flow: 'order',
  on: [{ topic: 'orders/+' }],
  concurrency: { limit: 1, per: 'trigger.topic', overflow: 'queue', queue: 5_000 },
  retry: { attempts: 30, wait: '100ms', factor: 2, max: '2s' },
  steps: [
    { id: 'accept', request: { service: 'mes', method: 'POST', path: '/orders', body: { number }, expect: [201] } },
    {
      id: 'count',
      write: { [`plant/${lane}`]: number },
      undo: { write: { [`plant/${lane}-back`]: number }, retry: { attempts: 30, wait: '100ms', max: '2s' } },
    },
    {
      id: 'both',
      parallel: {
        told: [{ id: 'told', publish: { topic: `told/${lane}`, payload: { number } } }],
        rested: [{ id: 'rest', wait: { for: '20ms' } }],
      },
    },
    { id: 'bad', when: 'trigger.payload.isBad', fail: `${number} is bad` },
    { id: 'closed', publish: { topic: `closed/${lane}`, payload: { number } } },
  ],
}

export interface SiteOptions {
  readonly folder: string
  readonly ports: { readonly mqtt: number; readonly api: number }
  readonly plantPort: number
  readonly serviceUrl: string
}

/** Gives the folders of the site and of its state. */
export function writeSite({ folder, ports, plantPort, serviceUrl }: SiteOptions): { readonly site: string; readonly stateFolder: string } {
  const site = join(folder, 'site')
  const stateFolder = join(folder, 'state')
  for (const part of ['devices', 'flows']) mkdirSync(join(site, part), { recursive: true })
  const gateway = {
    site: 'chaos/line',
    node: 'chaos',
    mqtt: { port: ports.mqtt, anonymous: { role: 'operator' } },
    api: { port: ports.api },
    storage: { path: stateFolder },
    services: { mes: { url: serviceUrl, timeout: '5s' } },
  }
  const written = { min: 0, max: 4_294_967_295, rate: 100, confirm: '2s' }
  const tag = (at: number) => ({ at: `hr:${at}`, type: 'u32', write: written })
  const device = {
    device: 'plant',
    driver: 'modbus-tcp',
    connection: { host: '127.0.0.1', port: plantPort },
    scan: { normal: '50ms' },
    tags: Object.fromEntries(
      Array.from({ length: lanes }, (_, place) => [
        [`lane-${place}`, tag(registerOf(place))],
        [`lane-${place}-back`, tag(registerOf(place) + backAt)],
      ]).flat(),
    ),
  }
  writeFileSync(join(site, 'lineside.yaml'), JSON.stringify(gateway))
  writeFileSync(join(site, 'devices', 'plant.yaml'), JSON.stringify(device))
  writeFileSync(join(site, 'flows', 'order.yaml'), JSON.stringify(order))
  return { site, stateFolder }
}
