import { existsSync } from 'node:fs'
import type { UpstreamConfig } from '../north/upstream/config.ts'
import type { LoadedParts } from './loaded.ts'
import type { ProblemList } from './problems.ts'
import type { Finding } from './source.ts'

interface Found {
  readonly path: readonly (string | number)[]
  readonly problem: Finding
}

/** What each key may hold, and all of them together may not: rules that never count, and files that are not there. */
export function checkUpstreamRules({ site }: LoadedParts, problems: ProblemList): void {
  if (site === undefined) return
  const { site: root, upstreams = {} } = site.part.keys
  const known = new Map<string, string>()
  for (const [name, upstream] of Object.entries(upstreams)) {
    const findings = [
      ...intoOwnTopics(upstream, root),
      ...shadowedMappings(upstream),
      ...missingFiles(upstream),
      ...twin(name, upstream, known),
    ]
    for (const { path, problem } of findings) problems.add(site.source, { path: ['upstreams', name, ...path] }, problem)
  }
}

function* intoOwnTopics({ receive }: UpstreamConfig, root: string | undefined): Generator<Found> {
  for (const [place, { into }] of receive.entries()) {
    const owner = [root, 'lineside'].find((prefix) => prefix !== undefined && isWithin(into ?? '', prefix))
    if (owner === undefined) continue
    yield {
      path: ['receive', place, 'into'],
      problem: {
        code: 'upstream.into-own',
        message: `Nothing can be published below ${into}: the topics below ${owner} are the gateway's own.`,
        remedy: 'Give it another topic. `do: write` sets tags.',
        severity: 'error',
      },
    }
  }
}

/** The first mapping that fits counts, up and down. */
function* shadowedMappings({ map }: UpstreamConfig): Generator<Found> {
  for (const [place, { from, to }] of map.entries()) {
    const before = map.slice(0, place)
    const upward = before.find((other) => isWithin(from, other.from))
    const downward = before.find((other) => isWithin(to, other.to))
    const [key, other] = upward !== undefined ? (['from', upward] as const) : (['to', downward] as const)
    if (other === undefined) continue
    const message =
      key === 'from'
        ? `This mapping never counts: what is below ${from} goes to ${other.to}, for the one before it counts first.`
        : `What is below ${to} up there may have come from ${other.from} as well as from ${from}: both would share their topics.`
    const remedy = key === 'from' ? 'Put the longer `from` first, or take one of the two out.' : 'Give each mapping a `to` of its own.'
    yield { path: ['map', place, key], problem: { code: 'upstream.map-overlap', message, remedy, severity: 'warning' } }
  }
}

function* missingFiles({ tls }: UpstreamConfig): Generator<Found> {
  for (const key of ['ca', 'cert', 'key'] as const) {
    const file = tls?.[key]
    if (typeof file !== 'string' || existsSync(file)) continue
    yield {
      path: ['tls', key],
      problem: {
        code: 'upstream.certificate-missing',
        message: `There is no file ${file} on this machine, and without it this upstream is not called.`,
        remedy: 'Put it there, readable by the gateway, or mend the path.',
        severity: 'warning',
      },
    }
  }
}

function* twin(name: string, { clientId, url }: UpstreamConfig, known: Map<string, string>): Generator<Found> {
  if (clientId === undefined) return
  const key = `${url} ${clientId}`
  const other = known.get(key)
  known.set(key, name)
  if (other === undefined) return
  yield {
    path: ['client'],
    problem: {
      code: 'upstream.client-twin',
      message: `${other} and ${name} call the same broker as the client ${clientId}: each would throw the other out.`,
      remedy: 'Give one of them another `client`, or leave it out: then it is made of the node and the name of the upstream.',
      severity: 'warning',
    },
  }
}

function isWithin(topic: string, prefix: string): boolean {
  return topic === prefix || topic.startsWith(`${prefix}/`)
}
