import type { LoadedParts } from './loaded.ts'
import type { ProblemList } from './problems.ts'
import { valueAt } from './schema-problems.ts'
import type { SiteFile } from './site-file.ts'

interface Owner {
  readonly key: 'mqtt' | 'opcua' | 'api'
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
    const written = [owner, first].find(({ key }) => valueAt(site.source.value, [key]) !== undefined) ?? owner
    problems.add(
      site.source,
      { path: [written.key, 'port'] },
      {
        code: 'site.port-taken',
        message: `${owner.key} and ${first.key} both want port ${owner.port} of ${owner.host}.`,
        remedy: `Give one of them another port: \`${owner.key}: { port: … }\`.`,
      },
    )
  }
}

function portOwners(keys: Partial<SiteFile>): readonly Owner[] {
  return (['mqtt', 'api', 'opcua'] as const).flatMap((key) =>
    keys[key] === undefined ? [] : [{ key, host: keys[key].host, port: keys[key].port }],
  )
}

function collide(a: Owner, b: Owner): boolean {
  return (
    a.port === b.port &&
    a.port !== 0 &&
    (a.host === b.host || isEverywhere(a.host) || isEverywhere(b.host) || (isLoopback(a.host) && isLoopback(b.host)))
  )
}

function isEverywhere(host: string): boolean {
  return host === '0.0.0.0' || host === '::' || host === '*'
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host)
}
