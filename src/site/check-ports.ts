import { isIP } from 'node:net'
import { hostname } from 'node:os'
import type { LoadedParts } from './loaded.ts'
import type { ProblemList } from './problems.ts'
import { valueAt } from './schema-problems.ts'
import type { SiteFile } from './site-file.ts'

interface Owner {
  /** Where it stands in the site file. */
  readonly path: readonly string[]
  readonly host: string
  readonly port: number
}

/** No two servers of the gateway may want one port of one address. */
export function checkPorts({ site }: LoadedParts, problems: ProblemList): void {
  if (site === undefined) return
  const owners = portOwners(site.part.keys)
  for (const [place, owner] of owners.entries()) {
    const first = owners.slice(0, place).find((other) => collide(owner, other))
    if (first === undefined) continue
    const written = [owner, first].find(({ path }) => valueAt(site.source.value, path) !== undefined) ?? owner
    problems.add(
      site.source,
      { path: [...written.path, 'port'] },
      {
        code: 'site.port-taken',
        message: `${owner.path.join('.')} and ${first.path.join('.')} both want port ${owner.port} of ${owner.host}.`,
        remedy: `Give one of them another port: \`${owner.path.join(': { ')}: { port: … }${' }'.repeat(owner.path.length - 1)}\`.`,
      },
    )
  }
}

/** What goes up comes in again at the same door, and goes up once more. */
export function checkUpstreams({ site }: LoadedParts, problems: ProblemList): void {
  if (site === undefined) return
  const doors = portOwners(site.part.keys).filter(({ path }) => path[0] === 'mqtt' && path[1] !== 'websocket')
  for (const [name, { url }] of Object.entries(site.part.keys.upstreams ?? {})) {
    const { hostname: host, port, protocol } = new URL(url)
    const place = { host, port: Number(port) || (protocol === 'mqtts:' ? 8883 : 1883) }
    const door = doors.find((other) => isSelf(place, other))
    if (door === undefined) continue
    problems.add(
      site.source,
      { path: ['upstreams', name, 'url'] },
      {
        code: 'upstream.own-broker',
        message: `The upstream ${name} is this gateway's own broker: ${door.path.join('.')} listens at port ${door.port} of ${door.host}.`,
        remedy: 'Write the address of the broker above. Clients of this gateway find its topics on its own broker without an upstream.',
      },
    )
  }
}

function isSelf({ host, port }: { readonly host: string; readonly port: number }, door: Owner): boolean {
  if (port !== door.port) return false
  if (host === door.host) return true
  const isThisMachine = isLoopback(host) || host.toLowerCase() === hostname().toLowerCase()
  return isThisMachine && (isLoopback(door.host) || isEverywhere(door.host))
}

function portOwners(keys: Partial<SiteFile>): readonly Owner[] {
  const { mqtt } = keys
  const inMqtt = (['tls', 'websocket'] as const).flatMap((key): readonly Owner[] => {
    const door = mqtt?.[key]
    return mqtt === undefined || door === undefined ? [] : [{ path: ['mqtt', key], host: door.host ?? mqtt.host, port: door.port }]
  })
  const others = (['mqtt', 'api', 'opcua'] as const).flatMap((key): readonly Owner[] =>
    keys[key] === undefined ? [] : [{ path: [key], host: keys[key].host, port: keys[key].port }],
  )
  return [...others, ...inMqtt]
}

function collide(a: Owner, b: Owner): boolean {
  return (
    a.port === b.port &&
    a.port !== 0 &&
    (shortest(a.host) === shortest(b.host) || isEverywhere(a.host) || isEverywhere(b.host) || (isLoopback(a.host) && isLoopback(b.host)))
  )
}

function isEverywhere(host: string): boolean {
  return host === '0.0.0.0' || shortest(host) === '::'
}

export function isLoopback(host: string): boolean {
  const address = shortest(host)
  return address === 'localhost' || address === '::1' || /^127\.\d+\.\d+\.\d+$/.test(address)
}

/** IPv6 has many ways to write one address: 0:0:0:0:0:0:0:1 is ::1. */
function shortest(host: string): string {
  const bare = host.replace(/^\[(.*)\]$/, '$1')
  if (isIP(bare) !== 6) return host.toLowerCase()
  const address = URL.parse(`http://[${bare.replace(/%.*$/, '')}]`)?.hostname.slice(1, -1) ?? bare
  const mapped = /^::ffff:([\da-f]{1,4}):([\da-f]{1,4})$/.exec(address)
  if (mapped === null) return address
  return mapped
    .slice(1)
    .map((half) => `${Number.parseInt(half ?? '', 16) >> 8}.${Number.parseInt(half ?? '', 16) & 0xff}`)
    .join('.')
}
