import { describe, expect, it, vi } from 'vitest'
import { connectRaw, quietMs, type RawClient } from './modbus-client.ts'
import { type Simulator, startSimulator } from './process.ts'

interface LoadDevice {
  readonly port: number
  readonly unit: number
}

async function devicesOf(load: Simulator): Promise<readonly LoadDevice[]> {
  await vi.waitFor(() => expect(load.said[0]).toMatchObject({ ready: true }), { timeout: 15_000 })
  return load.said[0]?.['devices'] as readonly LoadDevice[]
}

async function readWords(client: RawClient, unit = 1): Promise<number[]> {
  const { data } = await client.ask([3, 0, 0, 0, 100], unit)
  return Array.from({ length: 100 }, (_, word) => data.readUInt16BE(1 + 2 * word))
}

describe('the load server', () => {
  it('has as many devices as asked for, each register of which changed within the last second', async () => {
    await using load = startSimulator('load', ['--devices', '3'])
    const devices = await devicesOf(load)
    expect(devices).toHaveLength(3)
    for (const { port } of devices) {
      using client = await connectRaw(port)
      const ages = (await readWords(client)).map((stamp) => (Date.now() - stamp) & 0xffff)
      expect(Math.max(...ages)).toBeLessThan(1_300)
      expect(new Set(ages).size).toBeGreaterThan(90)
    }
  })

  it('changes every register once a second', async () => {
    await using load = startSimulator('load', [])
    using client = await connectRaw((await devicesOf(load))[0]?.port ?? 0)
    const changes = new Array<number>(100).fill(0)
    const steps = new Set<number>()
    let before = await readWords(client)
    const startedMs = Date.now()
    while (Date.now() - startedMs < 3_000) {
      await quietMs(20)
      const now = await readWords(client)
      for (const [word, stamp] of now.entries()) {
        if (stamp === before[word]) continue
        changes[word] = (changes[word] ?? 0) + 1
        steps.add((stamp - (before[word] ?? 0)) & 0xffff)
      }
      before = now
    }
    expect(Math.min(...changes)).toBeGreaterThanOrEqual(2)
    expect(Math.max(...changes)).toBeLessThanOrEqual(4)
    expect([...steps]).toEqual([1_000])
  })

  it('stamps pairs with 32 bits, units on one port, and changes nothing with a period of 0', async () => {
    await using load = startSimulator('load', ['--stamp', 'pair', '--units', '--devices', '2', '--period', '0'])
    const [first, second] = await devicesOf(load)
    expect(second).toMatchObject({ unit: 2, port: first?.port })
    using client = await connectRaw(first?.port ?? 0)
    const [high = 0, low = 0] = await readWords(client, 2)
    expect((Date.now() - (high * 0x1_0000 + low)) >>> 0).toBeLessThan(20_000)
    expect((await readWords(client, 2)).slice(0, 2)).toEqual([high, low])
    expect(await client.ask([3, 0, 0, 0, 1], 3)).toMatchObject({ code: 0x83 })
  })

  it('refuses what does not exist, and ends with its standard input', async () => {
    await using load = startSimulator('load', [])
    using client = await connectRaw((await devicesOf(load))[0]?.port ?? 0)
    expect((await client.ask([3, 0, 90, 0, 20])).data[0]).toBe(2)
    expect((await client.ask([6, 0, 0, 0, 1])).data[0]).toBe(1)
    load.child.stdin?.end()
    expect(await load.ended).toBe(0)
  })
})
