import { systemClock } from '../base/clock.ts'
import { startLoop } from '../base/running.ts'
import { pathGlob } from '../model/path-glob.ts'
import { type Gateway, type GatewayChoice, reachGateway } from './gateway.ts'
import { stopSignal } from './stop-signal.ts'
import { type DeviceRow, deviceRowsIn, shownAge, shownValue, type TagRow, tableText, tagRowsIn, whyNotGood } from './tag-row.ts'
import type { Terminal } from './terminal.ts'

export interface TagsOptions extends GatewayChoice {
  readonly json?: boolean
  /** Until Ctrl-C. */
  readonly watch?: boolean
}

const pageRows = 10_000
/** A screen is drawn anew no more often; who looks at it cannot read faster. */
const drawMs = 250
const redrawMs = 1_000

/** `lineside tags`: the tags that match as they are now, or as they change. 1 where none matches. */
export async function tags(glob: string | undefined, options: TagsOptions, terminal: Terminal): Promise<number> {
  const gateway = await reachGateway(options, terminal)
  const isWanted = matcher(glob)
  const filter = filterFor(glob)
  const rows = (await allRows(gateway, filter)).filter(({ tag }) => isWanted(tag))
  if (rows.length === 0 && options.json !== true) {
    terminal.error(
      `No tag matches ${glob ?? '**'}.\n    \`*\` stands for one level or a part of it, \`**\` for any number of levels; quote both for the shell.\n`,
    )
    return 1
  }
  if (options.watch === true) return await watch({ gateway, filter, isWanted, isJson: options.json === true, terminal })
  if (options.json === true) terminal.out(`${JSON.stringify(rows, null, 2)}\n`)
  else terminal.out(screenOf(rows, await devicesOf(gateway), terminal))
  return rows.length === 0 ? 1 : 0
}

/** A name alone is the tag and everything below it; a pattern of one level may be any level. */
function matcher(glob: string | undefined): (tag: string) => boolean {
  if (glob === undefined) return () => true
  const isPlain = !/[*?]/.test(glob)
  const patterns = isPlain ? [pathGlob(`${glob}/**`)] : [pathGlob(glob.includes('/') ? glob : `**/${glob}/**`)]
  return (tag) => patterns.some((pattern) => pattern.matches(tag.split('/')))
}

/** What the gateway need not even send: other devices. */
function filterFor(glob: string | undefined): string {
  const [device = ''] = (glob ?? '').split('/')
  const isOneDevice = device !== '' && glob !== undefined && (glob.includes('/') || !/[*?]/.test(glob)) && !/[*?+#]/.test(device)
  return isOneDevice ? `filter=${encodeURIComponent(`${device}/#`)}` : ''
}

async function allRows(gateway: Gateway, filter: string): Promise<readonly TagRow[]> {
  const rows: TagRow[] = []
  let cursor: string | undefined
  do {
    const answer = await gateway.get(`/api/v1/tags?limit=${pageRows}&${filter}${cursor === undefined ? '' : `&cursor=${cursor}`}`)
    rows.push(...tagRowsIn(answer))
    const next = typeof answer === 'object' && answer !== null && 'next' in answer ? answer.next : undefined
    cursor = typeof next === 'string' && /^\d+$/.test(next) ? next : undefined
  } while (cursor !== undefined)
  return rows
}

async function devicesOf(gateway: Gateway): Promise<ReadonlyMap<string, DeviceRow>> {
  return new Map(deviceRowsIn(await gateway.get('/api/v1/devices')).map((row) => [row.device, row]))
}

function screenOf(rows: readonly TagRow[], devices: ReadonlyMap<string, DeviceRow>, terminal: Terminal): string {
  const now = systemClock.now()
  const cells = rows.map((row) => [
    row.tag,
    shownValue(row.value, row.type),
    row.unit ?? '',
    row.quality,
    shownAge(row.time, now),
    whyNotGood(row, devices),
  ])
  const shown = new Set(rows.map(({ tag }) => tag.split('/')[0]))
  const learnt = [...devices.values()]
    .filter(({ device }) => shown.has(device))
    .flatMap((device) => (device.learnt ?? []).map((note) => `${device.device}: ${note}\n`))
  const table = tableText([['TAG', 'VALUE', 'UNIT', 'QUALITY', 'SINCE', 'WHY'], ...cells], terminal.screen?.columns)
  return learnt.length === 0 ? table : `${table}\nLearnt of the devices:\n${learnt.join('')}`
}

interface Watching {
  readonly gateway: Gateway
  readonly filter: string
  readonly isWanted: (tag: string) => boolean
  readonly isJson: boolean
  readonly terminal: Terminal
}

/** On a terminal a table that changes, elsewhere a line for each change. Ends with Ctrl-C, or when the gateway does. */
async function watch(watching: Watching): Promise<number> {
  const { gateway, filter, isWanted, isJson, terminal } = watching
  await using screen = terminal.screen === undefined || isJson ? undefined : await openScreen(watching, terminal.screen)
  const take = (data: unknown): void => {
    for (const row of tagRowsIn(data).filter(({ tag }) => isWanted(tag))) {
      if (screen === undefined) terminal.out(isJson ? `${JSON.stringify(row)}\n` : changeLine(row))
      else screen.show(row)
    }
  }
  await gateway.listen(`/api/v1/tags/live?${filter}`, take, terminal.stop ?? stopSignal())
  return 0
}

interface LiveScreen extends AsyncDisposable {
  show(row: TagRow): void
}

/** Draws what is shown again and again, for ages grow even when nothing changes. */
async function openScreen({ gateway, terminal }: Watching, screen: { readonly rows: number }): Promise<LiveScreen> {
  const latest = new Map<string, TagRow>()
  let devices = await devicesOf(gateway)
  let isStale = false
  const drawing = startLoop(async (signal) => {
    for (let turn = 1; !signal.aborted; turn += 1) {
      await systemClock.sleep(drawMs, signal)
      const isTurn = turn % (redrawMs / drawMs) === 0
      if (isTurn) devices = await devicesOf(gateway).catch(() => devices)
      if (isStale || isTurn) terminal.out(`\x1b[H\x1b[2J${cut(screenOf([...latest.values()], devices, terminal), screen.rows)}`)
      isStale = false
    }
  })
  return {
    show: (row) => {
      latest.set(row.tag, row)
      isStale = true
    },
    [Symbol.asyncDispose]: async () => {
      await drawing[Symbol.asyncDispose]()
      terminal.out('\n')
    },
  }
}

function cut(text: string, rows: number): string {
  const lines = text.split('\n')
  if (lines.length <= rows) return text
  return [...lines.slice(0, rows - 1), `… ${lines.length - rows} more lines: make the window larger, or give a narrower pattern`].join('\n')
}

function changeLine({ time, tag, value, unit, quality, type }: TagRow): string {
  return `${time ?? '–'}  ${tag}  ${shownValue(value, type)}${unit === undefined ? '' : ` ${unit}`}  ${quality}\n`
}
