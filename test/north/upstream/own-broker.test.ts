import { networkInterfaces } from 'node:os'
import { describe, expect, it, vi } from 'vitest'
import { refuseOwnBroker } from '../../../src/north/upstream/own-broker.ts'
import { startGateway } from '../broker/gateway.ts'
import { startLine } from './line.ts'
import { startEdge, stateFolder } from './sparkplug/edge.ts'

const doors = [{ host: '0.0.0.0', port: 1883 }]
const ownAddresses = Object.values(networkInterfaces()).flatMap((all) => all?.map(({ address }) => address) ?? [])
const codeOf = (remoteAddress: string, remotePort: number, listening = doors): unknown => {
  try {
    refuseOwnBroker('mqtt://there', { remoteAddress, remotePort }, listening)
  } catch (error) {
    return (error as { code?: unknown }).code
  }
  return 'fine'
}

describe('the own broker', () => {
  it.each([...ownAddresses, '127.0.0.1', '127.8.8.8', '::1', '::ffff:127.0.0.1'])('is known at %s', (address) => {
    expect(codeOf(address, 1883)).toBe('upstream.own-broker')
    expect(codeOf(address, 1884)).toBe('fine')
  })

  it('is no other broker: neither one elsewhere, nor one that has another address of this machine', () => {
    expect(codeOf('192.0.2.7', 1883)).toBe('fine')
    expect(codeOf('127.0.0.2', 1883, [{ host: '127.0.0.1', port: 1883 }])).toBe('fine')
    expect(codeOf('127.0.0.1', 1883, [{ host: '127.0.0.1', port: 1883 }])).toBe('upstream.own-broker')
    expect(codeOf('::1', 1883, [{ host: 'localhost', port: 1883 }])).toBe('upstream.own-broker')
  })

  it('is not taken for an upstream, under whatever name: nothing is sent, nothing is lost', { timeout: 20_000 }, async () => {
    await using gateway = await startGateway({ mqtt: { anonymous: { role: 'engineer' } } })
    const port = { host: '127.0.0.1', port: gateway.port }
    await using line = await startLine(`mqtt://localhost:${gateway.port}`, {}, {}, [port])
    await line.accept({ subject: 't/1' })
    await vi.waitFor(() => expect(line.upstream.status().lastFault?.code).toBe('upstream.own-broker'), { timeout: 10_000 })
    expect(line.upstream.status().state).toBe('connecting')
    expect(await line.waiting()).toBe(1)
  })

  it('is not taken for the server of a Sparkplug edge node either', { timeout: 20_000 }, async () => {
    await using gateway = await startGateway({ mqtt: { anonymous: { role: 'engineer' } } })
    await using folder = await stateFolder()
    const ownDoors = [{ host: '0.0.0.0', port: gateway.port }]
    await using line = startEdge({ url: `mqtt://127.0.0.1:${gateway.port}`, stateFolder: folder.path, ownDoors })
    await vi.waitFor(() => expect(line.edge.status().lastFault?.code).toBe('upstream.own-broker'), { timeout: 10_000 })
    expect(line.outbox.rows).not.toEqual([])
  })
})
