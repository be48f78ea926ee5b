import { describe, expect, it, vi } from 'vitest'
import { systemChance } from '../../../src/base/chance.ts'
import { systemClock } from '../../../src/base/clock.ts'
import type { Reading } from '../../../src/model/tag.ts'
import { startDevice } from '../../../src/south/device.ts'
import type { Driver } from '../../../src/south/driver.ts'
import { modbusTcpDriver } from '../../../src/south/modbus/driver.ts'
import { honestly, type RawRequest, startFaultServer } from '../../support/modbus-fault-server.ts'
import { keptLog } from '../../support/quiet-log.ts'
import { config, tagsOf } from './modbus-site.ts'

/** The device loop over the real driver, and a peer that answers as long as `answer` does. */
async function line(answer: (request: RawRequest) => void) {
  const server = await startFaultServer(answer)
  const seen = { good: 0, stale: 0 }
  const listener = {
    readings: (readings: readonly Reading[]) => {
      seen.good += readings.filter(({ quality }) => quality === 'good').length
    },
    heard: () => {},
    stale: (tags: readonly number[]) => {
      seen.stale += tags.length
    },
    status: () => {},
  }
  const device = startDevice({
    config: {
      device: 'press',
      driver: 'modbus-tcp',
      config: config(server.port),
      capabilities: [],
      scanMs: { normal: 50 },
      tags: tagsOf('hr:1 u16', 'hr:2 u16'),
    },
    driver: modbusTcpDriver as Driver<unknown, unknown>,
    listener,
    stateFolder: '',
    clock: systemClock,
    chance: systemChance,
    log: keptLog(),
  })
  return {
    server,
    seen,
    device,
    [Symbol.asyncDispose]: async () => {
      await device[Symbol.asyncDispose]()
      await server[Symbol.asyncDispose]()
    },
  }
}

describe('a Modbus device in the care of the device loop', () => {
  it('has its values back within a second after its connection was reset, by one new connection', async () => {
    await using plant = await line(honestly)
    await vi.waitFor(() => expect(plant.seen.good).toBe(2))
    for (const socket of plant.server.sockets) socket.resetAndDestroy()
    await vi.waitFor(() => expect(plant.seen.good).toBe(4), { timeout: 1_000 })
    expect(plant.seen.stale).toBe(2)
    expect(plant.server.connections).toBe(2)
  })

  it('is stale while its peer hangs, and connected to anew, for a connection can be dead without a word', async () => {
    let isHung = false
    await using plant = await line((request) => (isHung ? undefined : honestly(request)))
    await vi.waitFor(() => expect(plant.seen.good).toBe(2))
    isHung = true
    await vi.waitFor(() => expect(plant.seen.stale).toBeGreaterThanOrEqual(2))
    await vi.waitFor(() => expect(plant.server.connections).toBeGreaterThan(1), { timeout: 15_000 })
    isHung = false
    await vi.waitFor(() => expect(plant.seen.good).toBeGreaterThanOrEqual(4), { timeout: 15_000 })
  })
})
