import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { describe, expect, it, vi } from 'vitest'
import { type Clock, epochMs, monotonicMs, systemClock } from '../../../src/base/clock.ts'
import { startDevice } from '../../../src/south/device.ts'
import type { Driver } from '../../../src/south/driver.ts'
import { modbusTcpDriver } from '../../../src/south/modbus/driver.ts'
import { type KeptLog, keptLog } from '../../support/quiet-log.ts'
import { tcpConfig } from './line-plant.ts'
import { tagsOf } from './modbus-site.ts'

const hurry = 25

/** Sockets take real time; the pauses between them pass many times as fast. */
const hurriedClock: Clock = {
  now: () => epochMs(systemClock.now() * hurry),
  elapsed: () => monotonicMs(systemClock.elapsed() * hurry),
  sleep: (ms, signal) => systemClock.sleep(ms / hurry, signal),
  after: (ms, callback) => systemClock.after(ms / hurry, callback),
}

interface Broken extends AsyncDisposable {
  readonly log: KeptLog
  readonly counts: { connects: number; requests: number }
}

async function broken(answer: (request: Buffer, socket: Socket, turn: number) => void): Promise<Broken> {
  const counts = { connects: 0, requests: 0 }
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    counts.connects += 1
    sockets.add(socket)
    let turn = 0
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    socket.on('data', (request: Buffer) => {
      counts.requests += 1
      turn += 1
      answer(request, socket, turn)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const log = keptLog()
  const { port } = server.address() as AddressInfo
  const device = startDevice({
    config: {
      device: 'press',
      driver: 'modbus-tcp',
      config: tcpConfig(port, { timeout: '5s' }),
      capabilities: [],
      scanMs: { normal: 500 },
      tags: tagsOf('hr:1 u16', 'hr:2 u16', 'ir:1 u16'),
    },
    driver: modbusTcpDriver as Driver<unknown, unknown>,
    listener: { readings: () => {}, heard: () => {}, stale: () => {}, status: () => {} },
    stateFolder: '',
    clock: hurriedClock,
    chance: () => 0.5,
    log,
  })
  return {
    log,
    counts,
    [Symbol.asyncDispose]: async () => {
      await device[Symbol.asyncDispose]()
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}

/** Of one register each, as these devices are asked at most two at once. */
function rightAnswer(request: Buffer): Buffer {
  const count = request.readUInt16BE(10)
  const body = Buffer.alloc(2 * count, 1)
  return Buffer.concat([request.subarray(0, 4), Buffer.of(0, 3 + body.length, request[6] ?? 1, request[7] ?? 3, body.length), body])
}

const virtualMinutes = async (count: number): Promise<void> => await systemClock.sleep((count * 60_000) / hurry)

describe('a device that takes connections and breaks them', () => {
  it.each<[string, Parameters<typeof broken>[0]]>([
    ['by garbage', (_, socket) => socket.write(Buffer.alloc(40, 7))],
    ['by a reset', (_, socket) => socket.resetAndDestroy()],
    ['after an answer', (request, socket, turn) => (turn > 2 ? socket.resetAndDestroy() : socket.write(rightAnswer(request)))],
    ['in ever other ways', (_, socket) => (Math.random() < 0.5 ? socket.resetAndDestroy() : socket.write(Buffer.alloc(40, 7)))],
  ])('%s is connected to ever more rarely, and told of a few times', async (_, answer) => {
    await using plant = await broken(answer)
    await virtualMinutes(1)
    expect(plant.counts.connects).toBeGreaterThan(3)
    expect(plant.counts.connects).toBeLessThan(25)
    expect(plant.log.lines.length).toBeLessThanOrEqual(6)
  })
})

describe('a device that refuses what it is asked for', () => {
  it('with an illegal function is asked ever more rarely for that area, and has the values of the others', async () => {
    await using plant = await broken((request, socket) => {
      const isInput = request[7] === 4
      socket.write(isInput ? Buffer.concat([request.subarray(0, 4), Buffer.of(0, 3, request[6] ?? 1, 0x84, 1)]) : rightAnswer(request))
    })
    await vi.waitFor(() => expect(plant.counts.requests).toBeGreaterThan(60), { timeout: 30_000 })
    expect(plant.counts.connects).toBe(1)
    expect(plant.log.lines.filter(({ message }) => message.includes('refuses'))).toHaveLength(1)
  })

  it('and breaks off each time tells of the refusal once', async () => {
    await using plant = await broken((request, socket, turn) => {
      if (turn > 4) socket.resetAndDestroy()
      else socket.write(Buffer.concat([request.subarray(0, 4), Buffer.of(0, 3, request[6] ?? 1, 0x80 | (request[7] ?? 3), 4)]))
    })
    await vi.waitFor(() => expect(plant.counts.connects).toBeGreaterThan(5), { timeout: 30_000 })
    expect(plant.log.lines.filter(({ message }) => message.includes('refuses')).length).toBeLessThanOrEqual(4)
  })
})
