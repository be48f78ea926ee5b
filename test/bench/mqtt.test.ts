import { describe, expect, it } from 'vitest'
import { temporaryFolder } from '../../bench/line/round.ts'
import { Load } from '../../bench/mqtt/load.ts'
import { startMosquitto } from '../../bench/mqtt/mosquitto.ts'

describe('the load of the MQTT bench', () => {
  it('counts at mosquitto what it sends, what is acknowledged, and what a session has kept', { timeout: 30_000 }, async () => {
    using folder = temporaryFolder()
    await using mosquitto = await startMosquitto({ folder: folder.path })
    const load = new Load(folder.path)
    const { port } = mosquitto
    const all = await load.run({ port, publishers: 3, subscribers: 2, qos: 1, count: 300, warm: 0 })
    expect(all).toMatchObject({ sent: 300, received: 600, acknowledged: 300, disordered: 0, twice: 0 })
    expect(all.p99Us).toBeGreaterThan(0)
    const kept = await load.run({ port, publishers: 2, subscribers: 1, qos: 1, away: 1, count: 200, warm: 0 })
    expect(kept).toMatchObject({ sent: 200, received: 0, acknowledged: 200 })
    expect(await load.run({ port, publishers: 0, subscribers: 1, qos: 1, keep: 1, count: 200, warm: 0 })).toMatchObject({ received: 200 })
    await using _clients = await load.stayConnected(port, 5)
    await expect(load.run({ port, what: 1 } as never)).rejects.toThrow('what is what?')
  })
})
