import { systemClock } from '../base/clock.ts'
import { type GatewayChoice, reachGateway } from './gateway.ts'
import { shownAge, tableText } from './tag-row.ts'
import type { Terminal } from './terminal.ts'

export interface UpstreamCommandOptions extends GatewayChoice {
  readonly json?: boolean
}

interface Stream {
  readonly stream: string
  readonly accepted: number
  readonly sent: number
  readonly waiting: number
  readonly dropped: number
  readonly thinned: number
  readonly refused: number
  readonly replaced: number
  readonly missing: number
}

interface Row {
  readonly upstream: string
  readonly state: string
  readonly since: string
  readonly url?: string
  readonly version?: string | number
  readonly echoAgeMs?: number
  readonly lastFault?: { readonly code: string; readonly message: string; readonly remedy: string }
  readonly waiting?: { readonly rows: number; readonly bytes: number }
  readonly oldest?: string
  readonly streams?: readonly Stream[]
}

/** `lineside upstream`: the brokers above the gateway, and the books of what was sent there. 1 where something is missing, or none has that name. */
export async function upstream(name: string | undefined, options: UpstreamCommandOptions, terminal: Terminal): Promise<number> {
  const gateway = await reachGateway(options, terminal)
  const rows = rowsIn(await gateway.get('/api/v1/upstreams')).filter((row) => name === undefined || row.upstream === name)
  if (options.json === true) terminal.out(`${JSON.stringify(rows, null, 2)}\n`)
  else if (rows.length > 0) terminal.out(rows.map((row) => textOf(row)).join('\n'))
  else terminal.error(name === undefined ? 'This site has no upstream.\n' : `No upstream is named ${name}.\n`)
  const isMissing = rows.some(({ streams = [] }) => streams.some(({ missing }) => missing !== 0))
  return isMissing || rows.length === 0 ? 1 : 0
}

function rowsIn(answer: unknown): readonly Row[] {
  const items = typeof answer === 'object' && answer !== null && 'items' in answer ? answer.items : []
  return Array.isArray(items) ? (items as readonly Row[]) : []
}

function textOf({ upstream: name, state, since, url, version, echoAgeMs, lastFault, waiting, oldest, streams = [] }: Row): string {
  const now = systemClock.now()
  const facts = [
    `${name}  ${state} since ${shownAge(since, now)}`,
    ...(url === undefined ? [] : [url]),
    ...(version === undefined ? [] : [`MQTT ${version}`]),
    ...(echoAgeMs === undefined ? [] : [`echo ${(echoAgeMs / 1_000).toFixed(1)} s ago`]),
    `${shown(waiting?.rows ?? 0)} waiting${oldest === undefined ? '' : `, the oldest for ${shownAge(oldest, now)}`}`,
  ]
  const why = state === 'online' || lastFault === undefined ? '' : `  ${lastFault.message}  (${lastFault.code})\n    ${lastFault.remedy}\n`
  return `${facts.join('  ')}\n${why}${tableText(streams.map(streamCells))}`
}

function streamCells({ stream, accepted, missing, waiting, dropped, thinned, refused, replaced }: Stream): readonly string[] {
  const rest = Object.entries({ waiting, dropped, thinned, refused, replaced }).flatMap(([word, count]) =>
    count === 0 ? [] : [`${shown(count)} ${word}`],
  )
  return [`  ${stream}`, `${shown(missing)} missing of ${shown(accepted)}`, rest.join(', ')]
}

function shown(count: number): string {
  return count.toLocaleString('en')
}
