import { mkdtemp, readdir, rmdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { parseFaultLine, parseFaultText } from '../../simulators/faults.ts'
import { connectRaw } from './modbus-client.ts'
import { type Simulator, startSimulator } from './process.ts'

interface Device {
  readonly port: number
  readonly unit?: number
}

async function ready(plant: Simulator): Promise<Readonly<Record<string, Device>>> {
  await vi.waitFor(() => expect(plant.said[0]).toMatchObject({ ready: true }), { timeout: 15_000 })
  return plant.said[0]?.['devices'] as Readonly<Record<string, Device>>
}

function portOf(devices: Readonly<Record<string, Device>>, name: string): number {
  return devices[name]?.port ?? 0
}

/** An OPC UA hello (Part 6, 7.1.2.3) without an endpoint URL; whoever answers it is up. */
const hello = Buffer.from('48454c46200000000000000000000100000001000000000000000000ffffffff', 'hex')

async function opcuaIsUp(port: number): Promise<void> {
  using client = await connectRaw(port)
  client.socket.write(hello)
  await vi.waitFor(() => expect(client.received[0]?.toString('latin1', 0, 3)).toMatch(/ACK|ERR/), { timeout: 15_000 })
}

describe('the plant as a process', () => {
  it('says in one line where its devices listen, and all of them do', async () => {
    await using plant = startSimulator(['--ports', 'auto'])
    const devices = await ready(plant)
    expect(Object.keys(devices)).toEqual(['infeed-1', 'filler-1', 'capper-1', 'palletiser-1', 'meter-1', 'labeller-1'])
    for (const { port } of Object.values(devices)) {
      using client = await connectRaw(port)
      expect(client.socket.readyState).toBe('open')
    }
    using meter = await connectRaw(portOf(devices, 'meter-1'))
    expect(await meter.ask([4, 0, 0, 0, 2], 5)).toMatchObject({ code: 4, unit: 5 })
  })

  it('moves by itself', async () => {
    await using plant = startSimulator(['--ports', 'auto'])
    using filler = await connectRaw(portOf(await ready(plant), 'filler-1'))
    const filled = async (): Promise<number> => (await filler.ask([3, 0, 20, 0, 2])).data.readUInt32BE(1)
    const before = await filled()
    await expect.poll(filled, { timeout: 5_000 }).toBeGreaterThan(before)
  })

  it('fails as it was told on the command line, and is mended by a line on its standard input', async () => {
    await using plant = startSimulator(['--ports', 'auto', '--fail', 'filler-1:exception=6', '--fail', 'capper-1:late=5:0.2'])
    using filler = await connectRaw(portOf(await ready(plant), 'filler-1'))
    expect((await filler.ask([3, 0, 0, 0, 1])).code).toBe(0x83)
    plant.say('{"clear":"filler-1"}')
    await vi.waitFor(() => expect(plant.said).toHaveLength(2))
    expect((await filler.ask([3, 0, 0, 0, 1])).code).toBe(3)
  })

  it('fails as it is told while it runs, and only for as long', async () => {
    await using plant = startSimulator(['--ports', 'auto'])
    const port = portOf(await ready(plant), 'capper-1')
    plant.say('{"fail":"capper-1","fault":"refuse","seconds":0.4}')
    await vi.waitFor(() => expect(plant.said[1]).toMatchObject({ done: expect.any(String) }))
    await expect(connectRaw(port)).rejects.toThrow('ECONNREFUSED')
    await vi.waitFor(async () => (await connectRaw(port))[Symbol.dispose](), { timeout: 5_000 })
    plant.say('no json')
    await vi.waitFor(() => expect(plant.said[2]).toMatchObject({ failed: 'no json' }))
  })

  it.each(['its standard input ends', 'SIGTERM comes', 'SIGINT comes'])(
    'ends within a second when %s, and leaves nothing behind',
    async (how) => {
      const folder = await mkdtemp(join(tmpdir(), 'lineside-test-'))
      await using plant = startSimulator(['--ports', 'auto'], { TMPDIR: folder })
      const devices = await ready(plant)
      const port = portOf(devices, 'filler-1')
      await opcuaIsUp(portOf(devices, 'labeller-1'))
      using client = await connectRaw(port)
      await client.ask([3, 0, 0, 0, 1])
      const askedMs = performance.now()
      if (how.startsWith('SIG')) plant.child.kill(how.split(' ')[0] as NodeJS.Signals)
      else plant.child.stdin?.end()
      expect(await plant.ended).toBe(0)
      expect(performance.now() - askedMs).toBeLessThan(1_500)
      await expect(connectRaw(port)).rejects.toThrow('ECONNREFUSED')
      expect(await readdir(folder)).toEqual([])
      await rmdir(folder)
    },
  )

  it('says on standard error what is wrong with its arguments, and ends', async () => {
    await using plant = startSimulator(['--fail', 'filler-1:nonsense'])
    expect(await plant.ended).toBe(2)
  })
})

describe('a fault in words', () => {
  it.each([
    ['filler-1:silence', { device: 'filler-1', fault: { kind: 'silence' } }],
    ['filler-1:late=800:5', { device: 'filler-1', fault: { kind: 'late', ms: 800 }, seconds: 5 }],
    ['filler-1:exception=2', { device: 'filler-1', fault: { kind: 'exception', code: 2 } }],
    ['filler-1:freeze=bowl/level:1.5', { device: 'filler-1', fault: { kind: 'freeze', point: 'bowl/level' }, seconds: 1.5 }],
    ['labeller-1:namespace', { device: 'labeller-1', fault: { kind: 'namespace' } }],
  ])('reads %s', (text, expected) => {
    expect(parseFaultText(text)).toEqual(expected)
  })

  it.each(['filler-1', ':silence', 'filler-1:nap', 'filler-1:late=soon', 'filler-1:silence:0', 'filler-1:silence:1:2'])(
    'refuses %s',
    (text) => {
      expect(() => parseFaultText(text)).toThrow()
    },
  )

  it('reads a line of JSON', () => {
    expect(parseFaultLine('{"fail":"filler-1","fault":"late","ms":20,"seconds":1}')).toEqual(parseFaultText('filler-1:late=20:1'))
    expect(parseFaultLine('{"fail":"filler-1","fault":"freeze","point":"state"}')).toEqual(parseFaultText('filler-1:freeze=state'))
    expect(parseFaultLine('{"clear":"filler-1"}')).toEqual({ clear: 'filler-1' })
    expect(() => parseFaultLine('{}')).toThrow()
  })
})

describe('a plant that is killed', () => {
  it('has its files removed by the next one, and a living one keeps its own', { timeout: 60_000 }, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'lineside-plants-'))
    const start = async (): Promise<Simulator> => {
      const plant = startSimulator(['--ports', 'auto'], { TMPDIR: folder })
      await ready(plant)
      return plant
    }
    const owners = async () =>
      (await readdir(folder)).map((name) => Number(/^bottling-plant-pki-(\d+)-/.exec(name)?.[1])).toSorted((a, b) => a - b)
    await using killed = await start()
    await using living = await start()
    killed.child.kill('SIGKILL')
    await killed.ended
    expect(await owners()).toEqual([killed.child.pid, living.child.pid].toSorted((a, b) => (a ?? 0) - (b ?? 0)))
    await using next = await start()
    expect(await owners()).toEqual([living.child.pid, next.child.pid].toSorted((a, b) => (a ?? 0) - (b ?? 0)))
    for (const plant of [living, next]) await plant[Symbol.asyncDispose]()
    expect(await readdir(folder)).toEqual([])
    await rmdir(folder)
  })
})
