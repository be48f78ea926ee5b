import { systemClock } from '../base/clock.ts'
import { type Gateway, type GatewayChoice, reachGateway } from './gateway.ts'
import { deviceRowsIn, shownAge, shownValue, type TagRow, tagRowsIn, whyNotGood } from './tag-row.ts'
import type { Terminal } from './terminal.ts'

export interface ReadOptions extends GatewayChoice {
  readonly json?: boolean
}

/** `lineside read`: one value; 1 where it is bad or stale, so that a script does not go on with it. */
export async function read(tag: string, options: ReadOptions, terminal: Terminal): Promise<number> {
  const gateway = await reachGateway(options, terminal)
  const row = await tagRow(gateway, tag)
  const isUsable = row.quality === 'good' || row.quality === 'uncertain'
  if (options.json === true) {
    terminal.out(`${JSON.stringify(row, null, 2)}\n`)
    return isUsable ? 0 : 1
  }
  const unit = row.unit === undefined ? '' : ` ${row.unit}`
  terminal.out(`${shownValue(row.value, row.type)}${unit}  ${row.quality}  since ${shownAge(row.time, systemClock.now())}\n`)
  if (isUsable) return 0
  const devices = deviceRowsIn(await gateway.get('/api/v1/devices'))
  terminal.error(`${whyNotGood(row, new Map(devices.map((device) => [device.device, device])))}\n`)
  return 1
}

/** Everything the gateway knows of a tag. Rejects with `api.tag-unknown`. */
export async function tagRow(gateway: Gateway, tag: string): Promise<TagRow> {
  const path = tag.split('/').map(encodeURIComponent).join('/')
  const [row] = tagRowsIn([await gateway.get(`/api/v1/tags/${path}`)])
  if (row === undefined) throw new Error('the gateway described no tag')
  return row
}
