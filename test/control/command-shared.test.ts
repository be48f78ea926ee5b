import { describe, expect, it } from 'vitest'
import { modbusTcp } from '../../src/south/modbus/config.ts'
import { modbusTcpDriver } from '../../src/south/modbus/driver.ts'
import { startModbusDevice } from '../support/modbus-device.ts'
import { startRealRoad } from './real-road.ts'

/** `guarded` may be written while bit 3 of a register is off; the register may be written as a whole, too. */
async function startPlc() {
  await using parts = new AsyncDisposableStack()
  const plc = parts.use(await startModbusDevice())
  const config = modbusTcp.config.parse({ connection: { host: '127.0.0.1', port: plc.port, timeout: '200ms' } })
  const at = (text: string, type: string) => modbusTcp.address.parse({ at: text, type })
  const tags = [
    { path: 'word', address: at('hr:50', 'u16'), type: 'u16' as const, rules: {}, sharedWith: ['bit'] },
    { path: 'bit', address: at('hr:50.3', 'bool'), type: 'bool' as const, sharedWith: ['word'] },
    { path: 'guarded', address: at('hr:60', 'u16'), type: 'u16' as const, rules: { interlock: "!tags['bit']" } },
  ]
  const road = parts.use(startRealRoad(modbusTcpDriver, config, tags))
  await expect.poll(() => road.quality('bit'), { timeout: 10_000 }).toBe('good')
  const started = parts.move()
  return { plc, ...road, [Symbol.asyncDispose]: () => started.disposeAsync() }
}

const refused = (why: string) => ({ status: 'refused', code: 'command.interlock', message: expect.stringContaining(why) })

describe('an interlock whose operand is written as another tag of its register', () => {
  it('waits for that write, and sees what came of it', async () => {
    await using line = await startPlc()
    const answers = await Promise.all([line.ask('word', 8), line.ask('guarded', 1)])
    expect(answers).toMatchObject([{ status: 'done', value: 8 }, refused('is not true')])
    expect(line.plc.registers[60]).toBe(0)
    expect(await Promise.all([line.ask('word', 4), line.ask('guarded', 1)])).toMatchObject([
      { status: 'done' },
      { status: 'done', value: 1 },
    ])
  })

  it('is unknown while the same batch writes it', async () => {
    await using line = await startPlc()
    const commands = [line.command('word', 8), line.command('guarded', 1)]
    expect(await line.road.writeAll({ commands, isTogether: false })).toMatchObject([{ status: 'done' }, refused('plc/word')])
    expect(line.plc.registers[60]).toBe(0)
  })

  it('is unknown while that write may still arrive', async () => {
    await using line = await startPlc()
    line.plc.intercept = ({ pdu }) => ([6, 16].includes(pdu[0] ?? 0) && pdu.readUInt16BE(1) === 50 ? 'silence' : undefined)
    expect(await line.ask('word', 8)).toMatchObject({ status: 'unknown' })
    expect(await line.ask('guarded', 1)).toMatchObject(refused('a write of plc/bit may still arrive'))
    expect(line.plc.registers[60]).toBe(0)
  })
})
