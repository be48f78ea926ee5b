import { describe, expect, it, vi } from 'vitest'
import { opcuaSchema } from '../../src/south/opcua/config.ts'
import { opcuaDriver } from '../../src/south/opcua/driver.ts'
import { type OpcuaPeer, type OpcuaPeerOptions, startOpcuaPeer } from '../support/opcua-peer-process.ts'
import { startRealRoad } from './real-road.ts'

// Each starts a server of its own: seconds on a quiet machine.
vi.setConfig({ testTimeout: 60_000 })

const pathOf = (name: string) => `/Objects/nsu=urn:test:plant;Line/nsu=urn:test:plant;${name}`

async function startPlc(confirmMs: number, { opcua = {}, ...peering }: OpcuaPeerOptions & { readonly opcua?: object } = {}) {
  await using parts = new AsyncDisposableStack()
  const peer: OpcuaPeer = parts.use(await startOpcuaPeer(peering))
  const config = opcuaSchema.config.parse({
    connection: { url: peer.url, security: 'None', timeout: '1s' },
    opcua: { publishing: '50ms', sampling: '20ms', ...opcua },
  })
  const at = (name: string) => opcuaSchema.address.parse({ node: `nsu=urn:test:plant;s=${name}` })
  const tags = [
    { path: 'double', address: at('Double'), type: 'f64' as const, rules: { confirmMs } },
    { path: 'doubles', address: at('Doubles'), rules: { confirmMs } },
    { path: 'int16', address: at('Int16'), rules: { confirmMs } },
    {
      path: 'scaled',
      address: at('Int16'),
      scale: { raw: [0, 27_648], to: [0, 100] } as const,
      rules: { confirmMs, max: 99.999, tolerance: 0 },
    },
    { path: 'any', address: at('Any'), rules: { confirmMs } },
    { path: 'text', address: at('Text'), rules: { confirmMs, interlock: "tags['int16'] < 10.0" } },
    { path: 'by-path', address: opcuaSchema.address.parse({ path: pathOf('Int16') }), rules: { confirmMs } },
  ]
  const road = parts.use(startRealRoad(opcuaDriver, config, tags))
  await expect.poll(() => road.quality('double'), { timeout: 10_000 }).toBe('good')
  const started = parts.move()
  return { peer, ...road, [Symbol.asyncDispose]: () => started.disposeAsync() }
}

describe('a write to an OPC UA server', () => {
  it('is read back and done', async () => {
    await using line = await startPlc(1_000)
    expect(await line.ask('double', 12.5)).toMatchObject({ status: 'done', value: 12.5 })
    expect(await line.ask('doubles', [1.5, 2.5])).toMatchObject({ status: 'done', value: [1.5, 2.5] })
  })

  it('is refused, and nothing of its batch is sent, where a node cannot hold its value', async () => {
    await using line = await startPlc(1_000)
    const values = [32_768, 1.5, 'fast', Number.NaN, [1], 2n ** 62n]
    for (const value of values) {
      const commands = [line.command('double', 77), line.command('int16', value), line.command('doubles', [7, 7, 7])]
      expect(await line.road.writeAll({ commands, isTogether: true })).toMatchObject([
        { code: 'command.together' },
        { status: 'refused', code: expect.stringMatching(/^command\.type/), message: expect.stringContaining('plc/int16') },
        { code: 'command.together' },
      ])
    }
    expect(
      await line.road.writeAll({ commands: [line.command('double', 77), line.command('doubles', [1, Number.NaN])], isTogether: true }),
    ).toMatchObject([{ code: 'command.together' }, { code: 'command.type-range' }])
    expect(line.journal.filter(({ type }) => type === 'command.asked')).toEqual([])
    expect(await line.ask('double', 12.5)).toMatchObject({ status: 'done' })
    expect(await line.ask('int16', -32_768)).toMatchObject({ status: 'done', value: -32_768 })
  })

  it('is the nearest whole number where it is scaled and the server alone knows that it holds no others', async () => {
    await using line = await startPlc(1_000)
    await expect.poll(() => line.quality('scaled'), { timeout: 10_000 }).toBe('good')
    const near = (raw: number) => ({ status: 'done', value: (raw * 100) / 27_648 })
    expect(await line.ask('scaled', 33.3)).toMatchObject(near(9_207)) // 9206.78
    expect(await line.ask('scaled', 99.999)).toMatchObject(near(27_647)) // 27647.72, and 27648 lies above the largest that may be written
    expect(await line.ask('scaled', -118.53)).toMatchObject({ status: 'refused', code: 'command.type-range' })
    expect(await line.ask('int16', 1.5)).toMatchObject({ status: 'refused', code: 'command.type-range' })
  })

  it('is seen by an interlock that names the node by its id, though it was written by its path', async () => {
    await using line = await startPlc(1_000)
    await expect.poll(() => line.quality('by-path'), { timeout: 10_000 }).toBe('good')
    const answers = await Promise.all([line.ask('by-path', 50), line.ask('text', 'go')])
    expect(answers).toMatchObject([{ status: 'done' }, { status: 'refused', code: 'command.interlock' }])
  })

  it('has the type that the node holds now, where it is of none of its own', async () => {
    await using line = await startPlc(1_000)
    await expect.poll(() => line.value('any'), { timeout: 10_000 }).toBe(7)
    expect(await line.ask('any', 1.5)).toMatchObject({ status: 'refused' })
    line.peer.order('any 2.5')
    await expect.poll(() => line.value('any'), { timeout: 10_000 }).toBe(2.5)
    expect(await line.ask('any', 1.5)).toMatchObject({ status: 'done', value: 1.5 })
  })

  it.each([
    ['reported', { sampling: '3s' }],
    ['polled', { mode: 'poll' }],
  ])('is seen to spring back, where the value is %s and was never seen to change', async (_how, opcua) => {
    await using line = await startPlc(1_000, { opcua, springs: ['Double'] })
    expect(await line.ask('double', 12.5)).toMatchObject({ status: 'done', value: 12.5 })
    await expect.poll(() => line.value('double'), { timeout: 10_000 }).toBe(21.5)
  })

  it('is unknown when the server is killed in it and does not come back in time', async () => {
    await using line = await startPlc(500)
    expect(await line.ask('double', 12.5)).toMatchObject({ status: 'done' })
    line.peer.signal('SIGSTOP') // it has the request, and never answers
    const answer = line.ask('double', 13)
    await expect.poll(() => line.journal.at(-1)).toMatchObject({ type: 'command.asked', data: { value: 13 } })
    await line.peer.kill()
    expect(await answer).toMatchObject({ status: 'unknown' })
    expect(line.journal.at(-1)).toMatchObject({ type: 'command.unknown' })
  })

  it('is settled by reading back when the server hangs in it and goes on', async () => {
    await using line = await startPlc(20_000)
    expect(await line.ask('double', 12.5)).toMatchObject({ status: 'done' })
    line.peer.signal('SIGSTOP')
    const answer = line.ask('double', 13)
    await expect.poll(() => line.journal.some(({ data }) => data['value'] === 13)).toBe(true)
    await expect.poll(() => line.quality('double'), { timeout: 30_000 }).toBe('stale') // given up, and the reply with it
    line.peer.signal('SIGCONT')
    expect(await answer).toMatchObject({ status: 'done', value: 13 })
    expect(line.journal.at(-1)).toMatchObject({ type: 'command.done', data: { replyLost: expect.any(String) } })
  })
})
