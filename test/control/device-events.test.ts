import { expect, it } from 'vitest'
import { systemChance } from '../../src/base/chance.ts'
import { systemClock } from '../../src/base/clock.ts'
import { openDevice } from '../../src/control/open-device.ts'
import { SharedPlaces } from '../../src/control/shared-places.ts'
import { TagTable } from '../../src/control/tag-table.ts'
import type { SiteEvent } from '../../src/model/event.ts'
import { loadFiles } from '../site/site-folder.ts'
import { plcFile } from '../support/daemon-process.ts'
import { startModbusDevice } from '../support/modbus-device.ts'
import { keptLog } from '../support/quiet-log.ts'
import { makeStateFolder } from '../support/state-folder.ts'

it('the event of a device that is back has none of the faults for which it was lost', { timeout: 30_000 }, async () => {
  await using plc = await startModbusDevice()
  using folder = makeStateFolder()
  const { site } = await loadFiles({ 'lineside.yaml': 'site: a\n', 'devices/plc.yaml': plcFile('plc', plc.port) })
  const [config] = site?.devices ?? []
  if (config === undefined) throw new Error('the site has a device')
  const told: SiteEvent[] = []
  const table = new TagTable(config.tags, systemClock)
  const ports = { clock: systemClock, chance: systemChance, log: keptLog() }
  const data = { stateFolder: folder.path }
  const shared = new SharedPlaces(table)
  const record = (event: SiteEvent): unknown => told.push(event)
  await using device = await openDevice({ config, first: 0, data, ports, table, shared, onStatus: () => {}, record })
  const types = (): readonly string[] => told.map(({ type }) => type)
  await expect.poll(types, { timeout: 10_000 }).toEqual(['device.online'])
  plc.intercept = () => 'silence'
  await expect.poll(types, { timeout: 10_000 }).toContain('device.lost')
  plc.intercept = () => undefined
  await expect.poll(() => types().at(-1), { timeout: 10_000 }).toBe('device.online')
  expect(told.find(({ type }) => type === 'device.lost')?.data).toMatchObject({ fault: { code: expect.any(String) } })
  expect(told.at(-1)?.data).toEqual({})
  expect(device.status().lastFault).toBeDefined()
})
