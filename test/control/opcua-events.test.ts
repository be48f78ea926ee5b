import { describe, expect, it } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import type { Door } from '../../src/base/door.ts'
import type { NorthCalls } from '../../src/control/contract.ts'
import { startControl } from '../../src/control/control.ts'
import type { SiteEvent, WrittenEvent } from '../../src/model/event.ts'
import { opcuaSchema } from '../../src/south/opcua/config.ts'
import type { StoreCalls } from '../../src/store/contract.ts'
import { startOpcuaPeer } from '../support/opcua-peer-process.ts'
import { keptLog } from '../support/quiet-log.ts'
import { makeStateFolder } from '../support/state-folder.ts'

/** Answers everything with nothing, and keeps what is appended to the journal; its data comes as the text that is kept. */
function doors(journal: SiteEvent[]) {
  const call = async (name: string, ask: unknown): Promise<unknown> => {
    if (name === 'append') journal.push(...(ask as readonly WrittenEvent[]).map((event) => ({ ...event, data: JSON.parse(event.data) })))
    return name === 'openRuns' ? { runs: [], definitions: {}, nextAfterId: 0, isEnd: true } : []
  }
  const door = { call, tell: () => true, onAttach: () => {}, onDetach: () => {} }
  return { store: door as unknown as Door<StoreCalls>, north: door as unknown as Door<NorthCalls> }
}

describe('the control room', () => {
  it('journals what an OPC UA server tells, as an event of its device', async () => {
    await using parts = new AsyncDisposableStack()
    const peer = parts.use(await startOpcuaPeer({ isRich: true }))
    const folder = makeStateFolder()
    parts.defer(() => folder[Symbol.dispose]())
    const connection = { url: peer.url, security: 'None' }
    const config = opcuaSchema.config.parse({ connection, opcua: { publishing: '50ms', events: {} } })
    const device = { device: 'boiler', driver: 'opcua', config, capabilities: [], scanMs: {}, tags: [] }
    const data = {
      site: 'a/b',
      node: 'n',
      stateFolder: folder.path,
      devices: [device],
      tags: [],
      flows: [],
      upstreams: {},
      routes: [],
      services: {},
    }
    const journal: SiteEvent[] = []
    parts.use(await startControl(data, { ...doors(journal), clock: systemClock, chance: Math.random, log: keptLog() }))
    await expect.poll(() => journal.map(({ type }) => type), { timeout: 10_000 }).toContain('device.online')
    peer.order('trip too hot')
    const told = () => journal.find(({ type, data: { message } }) => type === 'opcua.event' && message === 'too hot')
    await expect.poll(told, { timeout: 10_000 }).toMatchObject({ subject: 'boiler', data: { condition: 'BoilerTrip', active: true } })
  })
})
