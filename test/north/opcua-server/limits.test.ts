import { createConnection } from 'node:net'
import { describe, expect, it } from 'vitest'
import { limits } from '../../../src/north/opcua-server/limits.ts'
import { connected, node, startBench } from './bench.ts'

/** The library has defaults of its own for each of these. */
describe('the OPC UA server', () => {
  it('lets in as many sessions as it says, and no more', async () => {
    await using bench = await startBench()
    const enter = () => bench.client.ask('connect', { url: bench.url })
    for (let sessions = 0; sessions < limits.sessions; sessions += 1) await enter()
    await expect(enter()).rejects.toThrow(/BadTooManySessions/)
  })

  it('keeps no longer queue for a client, and looks no more often, than it allows, whatever is asked for', async () => {
    await using bench = await connected()
    expect(await bench.client.ask('revised', { nodes: [node('motor')] })).toMatchObject({
      queue: limits.queue,
      samplingMs: limits.samplingMsMin,
    })
  })

  it('listens at the address it was given, and at no other', async () => {
    await using bench = await startBench()
    const reach = (host: string) =>
      new Promise((resolve) => {
        const socket = createConnection(bench.server.port, host)
        socket.on('connect', () => resolve('open')).on('error', (error: NodeJS.ErrnoException) => resolve(error.code))
        socket.on('connect', () => socket.destroy())
      })
    expect([await reach('127.0.0.1'), await reach('127.0.0.2')]).toEqual(['open', 'ECONNREFUSED'])
  })

  it('names itself by the address it listens at, which a client can dial, and not by the name of the host', async () => {
    await using bench = await startBench()
    const offered = await bench.client.ask<{ url: string }[]>('endpoints', { url: bench.url })
    expect(new Set(offered.map(({ url }) => url))).toEqual(new Set([bench.url]))
  })
})
