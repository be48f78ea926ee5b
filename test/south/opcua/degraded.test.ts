import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { systemChance } from '../../../src/base/chance.ts'
import { systemClock } from '../../../src/base/clock.ts'
import { type Device, startDevice } from '../../../src/south/device.ts'
import type { Driver } from '../../../src/south/driver.ts'
import { opcuaDriver } from '../../../src/south/opcua/driver.ts'
import { keptLog } from '../../support/quiet-log.ts'
import { configFor, connect, latestOf, plant, sharedPeer, soon, stateFolder, tagsAt } from './opcua-site.ts'

const peers = { subscribe: sharedPeer(), poll: sharedPeer() }

describe('an OPC UA device whose addresses name a namespace by its index', () => {
  it('says so when that namespace is gone, and what to delete', async () => {
    await using parts = new AsyncDisposableStack()
    const folder = await stateFolder(parts)
    await writeFile(join(folder, 'namespaces.json'), '{"2":"urn:test:older"}')
    const connection = await connect(parts, peers.subscribe.url, [{ node: 'ns=2;s=Double' }], { folder })
    const told: unknown[] = []
    connection.onMissing?.((fault) => told.push(fault))
    await latestOf(connection)
    await soon(() => told).toMatchObject([
      { code: 'opcua.nodes-missing', remedy: expect.stringMatching(/Namespace 2 meant urn:test:older .*delete .*namespaces\.json/) },
    ])
  })
})

describe.each(['subscribe', 'poll'] as const)('an OPC UA device whose way is to %s', (mode) => {
  async function started(parts: AsyncDisposableStack, names: readonly string[]): Promise<Device> {
    const config = {
      device: 'plc',
      driver: 'opcua',
      config: configFor(peers[mode].url, { opcua: { mode, retry: '1s' } }),
      capabilities: [],
      scanMs: { normal: 50 },
      tags: tagsAt(names.map((name) => plant(name))),
    }
    const listener = { readings: () => {}, heard: () => {}, stale: () => {}, status: () => {} }
    const common = { listener, stateFolder: await stateFolder(parts), clock: systemClock, chance: systemChance, log: keptLog() }
    return parts.use(startDevice({ ...common, config, driver: opcuaDriver as Driver<unknown, unknown> }))
  }

  it('is degraded while a node is not there, says which, and is online when it is', async () => {
    await using parts = new AsyncDisposableStack()
    const device = await started(parts, ['Double', 'Later'])
    await soon(() => device.status()).toMatchObject({
      state: 'degraded',
      lastFault: { code: 'opcua.nodes-missing', message: expect.stringMatching(/1 of 2 tags: of plc\/t1 .*BadNodeIdUnknown/) },
    })
    expect(device.metrics().find(({ name }) => name === 'lineside_device_degraded')?.value).toBe(1)
    peers[mode].peer.order('add Later')
    await soon(() => device.status().state).toBe('online')
    expect(device.metrics().find(({ name }) => name === 'lineside_device_degraded')?.value).toBe(0)
  })

  it('is degraded while its server does not reach a part of the plant, and not for a sensor that is broken', async () => {
    await using parts = new AsyncDisposableStack()
    const device = await started(parts, ['Double', 'Int16'])
    const { peer } = peers[mode]
    await soon(() => device.status().state).toBe('online')
    peer.set('Double', 1, 'BadNoCommunication')
    await soon(() => device.status()).toMatchObject({ state: 'degraded', lastFault: { code: 'opcua.nodes-missing' } })
    peer.set('Double', 1, 'BadSensorFailure')
    await soon(() => device.status().state).toBe('online')
  })
})
