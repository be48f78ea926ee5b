import { describe, expect, it, onTestFinished } from 'vitest'
import type { LearntNote } from '../../../src/south/driver.ts'
import { exception, truth } from '../../support/modbus-fault-server.ts'
import { type RtuRequest, rtuFrame, startRtuFaultServer } from '../../support/rtu-fault-server.ts'
import { startSerialLine } from '../../support/serial-line.ts'
import { rtuTcpConfig, serialConfig, tcpConfig } from './line-plant.ts'
import { connectTo } from './modbus-site.ts'

/** A slave whose registers hold their own addresses, but for those that it does not have; it takes so many at once. */
async function slave({
  holes = [],
  countMax = 125,
  lacks = [],
}: {
  readonly holes?: readonly number[]
  readonly countMax?: number
  readonly lacks?: readonly number[]
}) {
  const answer = (request: RtuRequest): Buffer => {
    const [code = 0] = request.pdu
    const start = request.pdu.readUInt16BE(1)
    const count = code <= 4 ? request.pdu.readUInt16BE(3) : 1
    if (lacks.includes(code)) return exception(request, 1)
    if (count > countMax || holes.some((hole) => hole >= start && hole < start + count)) return exception(request, 2)
    return truth(request)
  }
  const server = await startRtuFaultServer((request) => request.socket.write(rtuFrame(request.unit, answer(request))))
  onTestFinished(() => server[Symbol.asyncDispose]())
  return server
}

const reads = (requests: readonly RtuRequest[]): readonly string[] =>
  requests.map(({ pdu }) => `${pdu.readUInt16BE(1)}+${pdu.readUInt16BE(3)}`)

describe('a serial line', () => {
  it('reads a gap along where that is faster than asking once more, and only there', async () => {
    const server = await slave({})
    await using line = await startSerialLine({ port: server.port })
    // 19,200 baud 8N1 and 20 ms to think: 10 + 20 / (2 × 0.52) = 29 registers.
    await using device = await connectTo(serialConfig(line.path, { timeout: '2s' }), ['hr:0 u16', 'hr:30 u16', 'hr:61 u16'])
    expect(await device.values()).toEqual({ 0: 0, 1: 30, 2: 61 })
    expect(reads(server.requests)).toEqual(['0+31', '61+1'])
  })

  it('finds a hole, and how much a slave gives at once, as TCP does', async () => {
    const server = await slave({ holes: [25], countMax: 16 })
    const told: LearntNote[] = []
    await using line = await startSerialLine({ port: server.port })
    const texts = Array.from({ length: 40 }, (_, place) => `hr:${place} u16`)
    await using device = await connectTo(serialConfig(line.path, { timeout: '2s' }), texts, { learnt: (note) => told.push(note) })
    const values = await device.values()
    for (let round = 0; round < 3; round += 1) await device.poll()
    expect([values[24], values[25], values[26]]).toEqual([24, 'bad', 26])
    expect(told.map(({ code }) => code).toSorted()).toEqual(['modbus.hole', 'modbus.limit'])
    const before = server.requests.length
    await device.poll()
    expect(reads(server.requests.slice(before))).toEqual(['0+16', '16+9', '26+14'])
  })

  it('writes a batch in one request, and finds what the slave lacks', async () => {
    const server = await slave({ lacks: [16] })
    await using line = await startSerialLine({ port: server.port })
    await using device = await connectTo(serialConfig(line.path, { timeout: '2s' }), ['hr:1! u16', 'hr:2! u16'])
    const write = () =>
      device.connection.write(
        [0, 1].map((tag) => ({ tag, value: 7 })),
        AbortSignal.timeout(5_000),
      )
    expect([...(await write()), ...(await write())]).toEqual(Array.from({ length: 4 }, () => ({ outcome: 'done' })))
    expect(server.requests.map(({ pdu }) => pdu[0])).toEqual([16, 6, 6, 6, 6])
  })
})

describe('the same tags', () => {
  it('are one request on TCP, and two behind a slow device server', () => {
    expect(tcpConfig(502).gapRegistersMax).toBe(125)
    expect(rtuTcpConfig(4_001, { baud: 9_600 }).gapRegistersMax).toBe(18)
    expect(serialConfig('/dev/ttyS0', {}, { quirks: { turnaround: '0ms' } }).gapRegistersMax).toBe(10)
  })
})
