import { describe, expect, it } from 'vitest'
import { epochMs, systemClock } from '../../src/base/clock.ts'
import { modbusTcp } from '../../src/south/modbus/config.ts'
import { modbusTcpDriver } from '../../src/south/modbus/driver.ts'
import { type ModbusDevice, startModbusDevice } from '../support/modbus-device.ts'
import { frameFor, type RawRequest } from '../support/modbus-fault-server.ts'
import { startRealRoad } from './real-road.ts'

const timeoutMs = 200
const writeRegisters = 16

async function startPlc(modbus: object = {}) {
  await using parts = new AsyncDisposableStack()
  const plc = parts.use(await startModbusDevice())
  const config = modbusTcp.config.parse({ connection: { host: '127.0.0.1', port: plc.port, timeout: `${timeoutMs}ms` }, modbus })
  const at = (text: string, type: string) => modbusTcp.address.parse({ at: text, type })
  const tags = [
    { path: 'count', address: at('hr:0', 'u16'), type: 'u16' as const },
    { path: 'dead', address: at('5/hr:40', 'u16'), type: 'u16' as const, rules: {} },
    ...[10, 20, 30].map((place) => ({ path: `set${place}`, address: at(`hr:${place}`, 'f32'), type: 'f32' as const, rules: {} })),
  ]
  const road = parts.use(startRealRoad(modbusTcpDriver, config, tags))
  await expect.poll(() => road.quality('set10')).toBe('good')
  const started = parts.move()
  return { plc, ...road, [Symbol.asyncDispose]: () => started.disposeAsync() }
}

/** What the device does with the next writes of `hr:10`; everything else it answers. */
function onWrite(plc: ModbusDevice, act: (request: RawRequest) => void): () => number {
  let writes = 0
  plc.intercept = (request) => {
    if (request.pdu[0] !== writeRegisters) return undefined
    writes += 1
    act(request)
    return 'silence'
  }
  return () => writes
}

function apply(plc: ModbusDevice, { pdu }: RawRequest): void {
  const start = pdu.readUInt16BE(1)
  for (let place = 0; place < pdu.readUInt16BE(3); place += 1) plc.registers[start + place] = pdu.readUInt16BE(6 + 2 * place)
}

describe('a write to a Modbus device whose reply is lost', () => {
  it('is done where the device took it, and was sent once', async () => {
    await using line = await startPlc()
    const writes = onWrite(line.plc, (request) => apply(line.plc, request))
    expect(await line.ask('set10', 42.5)).toMatchObject({ status: 'done', value: 42.5 })
    expect(writes()).toBe(1)
    expect(line.journal.at(-1)).toMatchObject({ type: 'command.done', data: { replyLost: 'modbus.no-answer', readBack: 42.5 } })
  })

  it('is unknown where the device did not take it, and was sent once', async () => {
    await using line = await startPlc()
    const writes = onWrite(line.plc, () => {})
    expect(await line.ask('set10', 42.5)).toMatchObject({ status: 'unknown', code: 'modbus.no-answer', value: 0 })
    expect(writes()).toBe(1)
    expect(line.journal.map(({ type }) => type)).toEqual(['command.asked', 'command.unknown'])
  })

  it('is done where the reply comes too late, and the late reply answers nothing else', async () => {
    await using line = await startPlc()
    const writes = onWrite(line.plc, (request) => {
      apply(line.plc, request)
      void systemClock.sleep(timeoutMs * 2).then(() => request.socket.write(frameFor(request, request.pdu.subarray(0, 5))))
    })
    expect(await line.ask('set10', 42.5)).toMatchObject({ status: 'done', value: 42.5 })
    expect(writes()).toBe(1)
    line.plc.intercept = () => undefined
    expect(await line.ask('set20', 7)).toMatchObject({ status: 'done', value: 7 })
  })

  it('is settled over the next connection where the device resets this one', async () => {
    await using line = await startPlc()
    const writes = onWrite(line.plc, (request) => {
      apply(line.plc, request)
      request.socket.resetAndDestroy()
    })
    expect(await line.ask('set10', 42.5)).toMatchObject({ status: 'done', value: 42.5 })
    expect(writes()).toBe(1)
    expect(line.plc.connections).toBeGreaterThan(1)
  })

  it('is unknown where the device resets the connection before it took it, and also where it never comes back', async () => {
    await using line = await startPlc()
    const writes = onWrite(line.plc, (request) => request.socket.resetAndDestroy())
    expect(await line.ask('set10', 42.5)).toMatchObject({ status: 'unknown', value: 0 })
    line.plc.intercept = (request) => {
      request.socket.resetAndDestroy()
      return 'silence'
    }
    const answer = await line.ask('set10', 43)
    expect(answer.status).toMatch(/unknown|failed/) // failed, where it was not even sent because the device was away
    expect(writes()).toBe(1)
  })
})

describe('a write to a Modbus device', () => {
  it('that says no has failed with what it said', async () => {
    await using line = await startPlc()
    line.plc.intercept = (request) => (request.pdu[0] === writeRegisters ? 4 : undefined)
    expect(await line.ask('set10', 1)).toMatchObject({ status: 'failed', code: 'modbus.exception-4' })
  })

  it('does not wait for the confirmation of another tag', async () => {
    await using line = await startPlc()
    line.plc.intercept = (request) => {
      if (request.pdu[0] !== writeRegisters || request.pdu.readUInt16BE(1) !== 10) return undefined
      request.socket.write(frameFor(request, request.pdu.subarray(0, 5))) // says yes and does nothing
      return 'silence'
    }
    const ends: string[] = []
    const ask = async (path: string, value: number) => {
      const result = await line.ask(path, value)
      ends.push(path)
      return result
    }
    const [slow, fast] = await Promise.all([ask('set10', 1), ask('set20', 2)])
    expect(fast).toMatchObject({ status: 'done' })
    expect(slow).toMatchObject({ status: 'failed', code: 'command.not-confirmed' })
    expect(ends).toEqual(['set20', 'set10'])
  })

  it('that expires behind one which the device does not answer is never sent', async () => {
    await using line = await startPlc({ inflight: 1 })
    const writes = onWrite(line.plc, () => {})
    const first = line.ask('set10', 1)
    const second = await line.ask('set20', 2, { expiresMs: epochMs(systemClock.now() + timeoutMs / 2) })
    expect(second).toMatchObject({ status: 'refused', code: 'command.expired' })
    await first
    expect(writes()).toBe(1)
  })

  it('of several tags answers each for itself', async () => {
    await using line = await startPlc()
    const commands = [line.command('set10', 1), line.command('set20', 2), line.command('set30', 3)]
    const results = await line.road.writeAll({ commands, isTogether: true })
    expect(results).toMatchObject([1, 2, 3].map((value) => ({ status: 'done', value })))
  })
})

describe('a write to a unit that keeps silent', () => {
  it('is failed, not unknown, while the unit is left alone, says so, and sends nothing', { timeout: 60_000 }, async () => {
    await using line = await startPlc()
    const ofUnit = () => line.plc.requests.filter(({ unit, pdu }) => unit === 5 && (pdu[0] ?? 0) > 4).length
    await expect.poll(() => line.quality('dead')).toBe('good')
    line.plc.intercept = ({ unit }) => (unit === 5 ? 'silence' : undefined)
    // Until it is known to be silent, it is asked, and the answer is unknown.
    await expect.poll(async () => (await line.ask('dead', 7)).code, { timeout: 20_000 }).toBe('modbus.unit-resting')
    const before = ofUnit()
    const asked = line.journal.length
    expect(await line.ask('dead', 7)).toMatchObject({
      status: 'failed',
      code: 'modbus.unit-resting',
      message: expect.stringMatching(/^Unit 5 was silent 2 times running, and is left alone for another [\d.]+ s, so nothing was sent: /),
      remedy: expect.stringMatching(/^Ask again in [\d.]+ s/),
    })
    const commands = [line.command('set10', 42.5), line.command('dead', 7)]
    expect(await line.road.writeAll({ commands, isTogether: true })).toMatchObject([
      { status: 'refused', code: 'command.together' },
      { status: 'failed', code: 'modbus.unit-resting' },
    ])
    expect(ofUnit()).toBe(before)
    expect(line.journal.slice(asked).map(({ type }) => type)).not.toContain('command.asked')
    line.plc.intercept = () => undefined
    await expect.poll(async () => (await line.ask('dead', 7)).status, { timeout: 20_000, interval: 200 }).toBe('done')
  })
})

describe('a write whose elements go one by one', () => {
  it('is unknown, not failed, where one of them was written before the line was lost', async () => {
    await using parts = new AsyncDisposableStack()
    const plc = parts.use(await startModbusDevice({ lacks: [16] }))
    const config = modbusTcp.config.parse({ connection: { host: '127.0.0.1', port: plc.port, timeout: `${timeoutMs}ms` } })
    const address = modbusTcp.address.parse({ at: 'hr:0[3]', type: 'u16' })
    const road = parts.use(
      startRealRoad(modbusTcpDriver, config, [{ path: 'list', address, type: 'u16', length: 3, rules: { confirmMs: 0 } }]),
    )
    await expect.poll(() => road.quality('list')).toBe('good')
    plc.intercept = ({ pdu, socket }) => {
      if (pdu[0] !== 6 || pdu.readUInt16BE(1) !== 0) return undefined
      setImmediate(() => socket.resetAndDestroy()) // behind its answer
      return undefined
    }
    const result = await road.ask('list', [1, 2, 3])
    expect(result).toMatchObject({ status: 'unknown', message: expect.stringContaining('of 3 elements had been written') })
  })
})

describe('a value that was read back', () => {
  it('is read on from then on, though the device had refused it and was to be left alone for minutes', async () => {
    await using line = await startPlc()
    line.plc.intercept = ({ pdu }) => {
      const [start, count] = [pdu.readUInt16BE(1), pdu.readUInt16BE(3)]
      return pdu[0] === 3 && start <= 21 && start + count > 20 ? 2 : undefined
    }
    await expect.poll(() => line.quality('set20'), { timeout: 10_000 }).toBe('bad')
    line.plc.intercept = () => undefined
    expect(await line.ask('set20', 4)).toMatchObject({ status: 'done', value: 4 })
    line.plc.registers.set([0x40a0, 0], 20)
    await expect.poll(() => line.value('set20'), { timeout: 10_000 }).toBe(5)
  })

  it('is seen to spring back, though the next poll finds it as the last one did', async () => {
    await using line = await startPlc()
    await expect.poll(() => line.quality('set10')).toBe('good')
    // The device takes it, shows it to the read-back, and lets go of it then.
    let isSeen = false
    line.plc.intercept = ({ pdu }) => {
      if (pdu[0] !== 3) return undefined
      if (isSeen) line.plc.registers.fill(0, 10, 12)
      isSeen ||= pdu.readUInt16BE(1) === 10
      return undefined
    }
    expect(await line.ask('set10', 42.5)).toMatchObject({ status: 'done', value: 42.5 })
    await expect.poll(() => line.value('set10'), { timeout: 5_000 }).toBe(0)
  })
})
