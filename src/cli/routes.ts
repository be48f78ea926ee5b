import { systemClock } from '../base/clock.ts'
import { type GatewayChoice, reachGateway } from './gateway.ts'
import { shownAge, tableText } from './tag-row.ts'
import type { Terminal } from './terminal.ts'

export interface RoutesOptions extends GatewayChoice {
  readonly json?: boolean
}

interface Row {
  readonly route: string
  readonly from: string
  readonly to: string
  readonly breaker: string
  readonly waiting: number
  /** That are there now: `counts` begins anew with the gateway. Absent while its store is away. */
  readonly deadLetters?: number
  readonly counts: Readonly<Record<string, number>>
  readonly delivered?: string
  readonly lastFault?: { readonly code: string; readonly message: string }
}

/** `lineside routes`: what each has carried and what holds it up. 1 where one does not reach its target. */
export async function routes(options: RoutesOptions, terminal: Terminal): Promise<number> {
  const gateway = await reachGateway(options, terminal)
  const answer = await gateway.get('/api/v1/routes')
  const rows = (answer as { readonly items?: readonly Row[] }).items ?? []
  if (options.json === true) terminal.out(`${JSON.stringify(rows, null, 2)}\n`)
  else terminal.out(rows.length === 0 ? 'This site has no routes.\n' : tableText(rows.map(cellsOf)))
  return rows.some(({ breaker }) => breaker !== 'closed') ? 1 : 0
}

function cellsOf({ route, from, to, breaker, waiting, counts, delivered, lastFault, deadLetters: dead }: Row): readonly string[] {
  const { delivered: carried = 0, dropped = 0 } = counts
  const age = delivered === undefined ? 'none yet' : `the last ${shownAge(delivered, systemClock.now())} ago`
  const lost = [...(dead === 0 ? [] : [lettersText(dead)]), ...(dropped === 0 ? [] : [`${dropped} dropped`])]
  const facts = [`${carried.toLocaleString('en')} delivered, ${age}`, `${waiting} waiting`, ...lost]
  const isWell = breaker === 'closed' && lost.length === 0
  const why = isWell || lastFault === undefined ? '' : `${lastFault.message} (${lastFault.code})`
  return [route, `${from} → ${to}`, facts.join(', '), breaker === 'closed' ? '' : 'not asked now', why]
}

function lettersText(dead: number | undefined): string {
  if (dead === undefined) return 'its dead letters are not known just now'
  return dead === 1 ? '1 dead letter' : `${dead} dead letters`
}
