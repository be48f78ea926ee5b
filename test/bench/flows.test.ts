import { connect } from 'node:net'
import { describe, expect, it } from 'vitest'
import { calmRounds } from '../../bench/calm.ts'
import { startPlc } from '../../bench/flows/plc.ts'
import { roundsOf } from '../../bench/flows/rounds.ts'

/** The reply to one request of Modbus TCP. */
async function ask(port: number, body: readonly number[]): Promise<Buffer> {
  const socket = connect(port, '127.0.0.1')
  const reply = await new Promise<Buffer>((resolve, reject) => {
    socket.once('data', resolve)
    socket.once('error', reject)
    socket.write(Buffer.from([0, 1, 0, 0, 0, body.length + 1, 1, ...body]))
  })
  socket.destroy()
  return reply
}

describe('the PLC of the bench of flows', () => {
  it('says of a write when it arrived, and when the pulse of its number was told', { timeout: 20_000 }, async () => {
    await using plc = await startPlc({ devices: 2, periodMs: 200 })
    const port = plc.ports[1] ?? 0
    const arrivals = await plc.watch(async () => {
      let pulse = 0
      while (pulse === 0) pulse = (await ask(port, [3, 0, 0, 0, 1])).readUInt16BE(9)
      await ask(port, [6, 0, 100, pulse >> 8, pulse & 0xff])
      expect((await ask(port, [3, 0, 100, 0, 1])).readUInt16BE(9)).toBe(pulse)
    })
    expect(arrivals).toEqual([expect.objectContaining({ device: 1, register: 100, toldMs: expect.any(Number) })])
    for (const { atMs, toldMs = Number.NaN } of arrivals) expect(atMs).toBeGreaterThan(toldMs)
  })
})

describe('what is measured three times', () => {
  it('counts with its median', async () => {
    const values = [5, 1, 3]
    const round = async () => [{ name: 'a', value: values.pop(), unit: 'ms' }]
    expect(await roundsOf({ isSmoke: false, say: () => {}, what: 'a' }, round)).toEqual([{ name: 'a', value: 3, unit: 'ms' }])
  })
})

describe('rounds on a host that others use as well', () => {
  const rounds = async (shares: readonly number[], isSmoke = false): Promise<readonly number[]> => {
    const stolen = shares.flatMap((share) => [Number.NaN, share])
    return await calmRounds({
      rounds: 2,
      isSmoke,
      what: 'a',
      say: () => {},
      round: async (place) => place,
      stolenShare: () => stolen.shift() ?? Number.NaN,
    })
  }

  it('count where all are calm', async () => {
    expect(await rounds([0, 0.01, 0])).toEqual([0, 1])
  })

  it('are made again where the host took the processors away', async () => {
    expect(await rounds([0.3, 0.005, 0.02, 0.001])).toEqual([3, 1])
  })

  it('end with the calmest where none is calm', async () => {
    expect(await rounds([0.5, 0.4, 0.3, 0.2, 0.6, 0.7, 0])).toEqual([3, 2])
  })

  it('are one where only the bench itself is tried', async () => {
    expect(await rounds([0.5, 0], true)).toEqual([0])
  })
})
