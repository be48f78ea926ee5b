import { describe, expect, it } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import type { Door } from '../../src/base/door.ts'
import type { NorthCalls } from '../../src/control/contract.ts'
import { type Control, startControl } from '../../src/control/control.ts'
import { asTagId } from '../../src/model/tag.ts'
import type { StoreCalls } from '../../src/store/contract.ts'
import { loadFiles, siteYaml } from '../site/site-folder.ts'
import { startModbusDevice } from '../support/modbus-device.ts'
import { keptLog } from '../support/quiet-log.ts'
import { makeStateFolder } from '../support/state-folder.ts'
import { ann } from './road.ts'

/** Answers everything with nothing. */
function silentDoor(): unknown {
  const nothing: Readonly<Record<string, unknown>> = { openRuns: { runs: [], definitions: {}, nextAfterId: 0, isEnd: true } }
  return { call: async (name: string) => nothing[name] ?? [], tell: () => true, onAttach: () => {}, onDetach: () => {} }
}

/** `one` writes a register as a whole, `two` looks at a bit of it before it writes another. */
async function startRoom(parts: AsyncDisposableStack, port: number): Promise<Control> {
  const folder = makeStateFolder()
  parts.defer(() => folder[Symbol.dispose]())
  const head = `driver: modbus-tcp\nconnection: { host: 127.0.0.1, port: ${port} }\nscan: { normal: 10s }\n`
  const { site } = await loadFiles({
    'lineside.yaml': siteYaml,
    'devices/one.yaml': `device: one\n${head}tags: { word: { at: "hr:50", type: u16, write: {} } }\n`,
    'devices/two.yaml': `device: two\n${head}tags:\n  bit: { at: hr:50.3 }\n  guarded: { at: hr:60, type: u16, write: { interlock: "!tags['bit']" } }\n`,
  })
  if (site === undefined) throw new Error('the site is wrong')
  const data = { ...site, stateFolder: folder.path }
  const doors = { store: silentDoor() as Door<StoreCalls>, north: silentDoor() as Door<NorthCalls> }
  return parts.use(await startControl(data, { ...doors, clock: systemClock, chance: Math.random, log: keptLog() }))
}

describe('the control room', () => {
  it('lets no write pass by an interlock because another device file names its register', async () => {
    await using parts = new AsyncDisposableStack()
    const plc = parts.use(await startModbusDevice())
    const room = await startRoom(parts, plc.port)
    let last = 0
    const ask = (tag: string, value: number) => {
      last += 1
      return room.calls.write({ id: `c${last}`, tag: asTagId(tag), value, by: ann })
    }
    await expect.poll(() => ask('two/guarded', 5), { timeout: 10_000 }).toMatchObject({ status: 'done' })
    const answers = await Promise.all([ask('one/word', 8), ask('two/guarded', 6)])
    expect(answers).toMatchObject([{ status: 'done' }, { status: 'refused', code: 'command.interlock' }])
    expect(plc.registers[60]).toBe(5)
  })
})
