import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import { describe, expect, it } from 'vitest'
import { temporaryFolder } from '../../bench/line/round.ts'
import { quantileBetween, scrape } from '../../bench/south/metrics.ts'
import { startModbusServer } from '../../bench/south/modbus-server.ts'
import { buildNative } from '../../bench/south/native.ts'
import { allowedCpus, placeOn } from '../../bench/south/placement.ts'
import { threadCpuSeconds } from '../../bench/south/thread-cpu.ts'

function request(unit: number, pdu: readonly number[]): readonly number[] {
  return [0, unit, 0, 0, 0, pdu.length + 1, unit, ...pdu]
}

async function answerTo(port: number, bytes: readonly number[], wantedBytes: number): Promise<Buffer> {
  const socket = connect(port, '127.0.0.1')
  socket.write(Buffer.from(bytes))
  let held = Buffer.alloc(0)
  while (held.length < wantedBytes) held = Buffer.concat([held, ...((await once(socket, 'data')) as [Buffer])])
  socket.destroy()
  return held
}

describe('the Modbus server of the south bench', () => {
  it('answers all that has come in one go, but for the dead unit, and keeps what is written', async () => {
    using folder = temporaryFolder()
    const asked: number[] = []
    const binary = buildNative('modbus-server', folder.path)
    await using server = await startModbusServer({
      binary,
      devices: 1,
      changeMs: 3_600_000,
      deadUnit: 9,
      watchedUnit: 2,
      onAsked: (atMs) => asked.push(atMs),
    })
    const write = request(1, [6, 0x03, 0xe8, 0x12, 0x34])
    const dead = request(9, [3, 0, 0, 0, 1])
    const read = request(2, [3, 0x03, 0xe8, 0, 2])
    const counting = request(3, [3, 0, 5, 0, 2])
    const answer = await answerTo(server.ports[0] ?? 0, [...write, ...dead, ...read, ...counting], 12 + 13 + 13)
    expect([...answer.subarray(0, 25)]).toEqual([...write, 0, 2, 0, 0, 0, 7, 2, 3, 4, 0x12, 0x34, 0, 0])
    expect(answer.readUInt16BE(25 + 11) - answer.readUInt16BE(25 + 9)).toBe(1)
    await expect.poll(() => asked.length).toBe(1)
  })
})

describe('the placement of client and server', () => {
  it('reads which processors may be used, and keeps a program on the one that is named', async () => {
    expect(allowedCpus('Name:\tx\nCpus_allowed:\td\nCpus_allowed_list:\t0,2-3\n')).toEqual([0, 2, 3])
    using folder = temporaryFolder()
    await using server = await startModbusServer({ binary: buildNative('modbus-server', folder.path), devices: 1, changeMs: 3_600_000 })
    const last = allowedCpus().at(-1) ?? 0
    placeOn(server.program.pid, [last])
    expect(allowedCpus(readFileSync(`/proc/${server.program.pid}/status`, 'utf8'))).toEqual([last])
  })
})

describe('the scrape of the bench', () => {
  it('adds up rows, and finds quantiles between two of them', async () => {
    const text = 'a_total{device="x"} 2\na_total{device="y"} 3\nh_bucket{device="x",le="1"} 50\nh_bucket{device="x",le="2"} 100\n'
    const server = createServer((_, response) => response.end(`${text}h_bucket{device="x",le="+Inf"} 100\n`)).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { sum, buckets } = await scrape((server.address() as AddressInfo).port)
    server.close()
    expect(sum('a_total')).toBe(5)
    expect(sum('a_total', ({ device }) => device === 'y')).toBe(3)
    expect(quantileBetween(new Map(), buckets('h'), 0.99)).toBeCloseTo(1.98)
    expect(quantileBetween(buckets('h'), buckets('h'), 0.99)).toBeUndefined()
  })
})

describe('the CPU time of a thread', () => {
  it('is found by its name', () => {
    expect(threadCpuSeconds(process.pid, 'V8Worker')).toBeGreaterThanOrEqual(0)
    expect(() => threadCpuSeconds(process.pid, 'nobody')).toThrow('no thread "nobody"')
  })
})
