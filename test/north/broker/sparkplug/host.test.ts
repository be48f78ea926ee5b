import { describe, expect, it, vi } from 'vitest'
import { connectClient } from '../gateway.ts'
import { plant, startForeignNode } from './foreign-node.ts'

const waits = { timeout: 5_000 }

describe('a Sparkplug host on the embedded broker', () => {
  it('says STATE online, retained, at QoS 1; offline when it is stopped; and online again when somebody calls it offline', async () => {
    await using line = await plant()
    await vi.waitFor(() => expect(line.states()).toHaveLength(1), waits)
    expect(line.states()[0]?.qos).toBe(1)
    expect(JSON.parse(line.states()[0]?.payload ?? '')).toEqual({ online: true, timestamp: expect.any(Number) })
    await using late = await connectClient(line.gateway, { clientId: 'late' })
    await late.mqtt.subscribeAsync('spBv1.0/STATE/+')
    await vi.waitFor(() => expect(late.got).toMatchObject([{ isRetained: true }]), waits)
    await late.mqtt.publishAsync('spBv1.0/STATE/line-1', '{"online":false,"timestamp":1}', { qos: 1, retain: true })
    await vi.waitFor(() => expect(JSON.parse(line.states().at(-1)?.payload ?? '')).toMatchObject({ online: true }), waits)
    const farAheadMs = 9_999_999_999_999 // by a clock that is wrong: edge nodes would take none of our words any more that are older
    await late.mqtt.publishAsync('spBv1.0/STATE/line-1', JSON.stringify({ online: false, timestamp: farAheadMs }), { qos: 1, retain: true })
    await vi.waitFor(
      () => expect(JSON.parse(line.states().at(-1)?.payload ?? '')).toEqual({ online: true, timestamp: farAheadMs + 1 }),
      waits,
    )
    await line.host[Symbol.asyncDispose]()
    await vi.waitFor(() => expect(JSON.parse(line.states().at(-1)?.payload ?? '')).toMatchObject({ online: false }), waits)
  })

  it('shows births and data as plain JSON, by name', async () => {
    await using line = await plant()
    await line.robot.birth()
    await line.robot.arm(1.5)
    await vi.waitFor(
      () => expect(line.last('/arm/speed')).toEqual({ value: 1.5, quality: 'good', time: '2025-11-24T16:00:00.000Z' }),
      waits,
    )
    expect(line.last('')).toEqual({ state: 'online' })
    await line.robot.speed(2.5)
    await vi.waitFor(() => expect(line.last('/arm/speed')).toMatchObject({ value: 2.5 }), waits)
    expect(line.rebirths()).toEqual([])
  })

  it('calls all of a node stale when it dies by its will, and one device when that dies', async () => {
    await using line = await plant()
    await line.robot.birth()
    await line.robot.arm(1.5)
    await line.robot.say('DDEATH', [], { device: 'arm' })
    await vi.waitFor(() => expect(line.last('/arm/speed')).toMatchObject({ value: 1.5, quality: 'stale' }), waits)
    expect(line.last('/arm')).toEqual({ state: 'offline' })
    expect(line.last('')).toEqual({ state: 'online' })
    await line.robot.arm(3)
    await vi.waitFor(() => expect(line.last('/arm/speed')).toMatchObject({ value: 3, quality: 'good' }), waits)
    line.robot.client.stream.destroy()
    await vi.waitFor(() => expect(line.last('')).toEqual({ state: 'offline' }), waits)
    expect(line.last('/arm/speed')).toMatchObject({ value: 3, quality: 'stale' })
  })

  it('does not heed a death that belongs to an older birth', async () => {
    await using line = await plant()
    await using newer = await startForeignNode(line.gateway.port, 8)
    await newer.birth()
    await newer.arm(1)
    line.robot.client.stream.destroy()
    await newer.speed(2)
    await vi.waitFor(() => expect(line.last('/arm/speed')).toMatchObject({ value: 2, quality: 'good' }), waits)
    expect(line.last('')).toEqual({ state: 'online' })
  })

  it('puts late messages into their order, and asks for a rebirth when one does not come', async () => {
    await using line = await plant()
    await line.robot.birth()
    await line.robot.arm(1)
    await line.robot.speed(4, 4)
    await line.robot.speed(3, 3)
    await line.robot.speed(2, 2)
    await vi.waitFor(() => expect(line.last('/arm/speed')).toMatchObject({ value: 4 }), waits)
    expect(line.rebirths()).toEqual([])
    await line.robot.speed(9, 9)
    await vi.waitFor(() => expect(line.rebirths()).toHaveLength(1), waits)
    expect(line.rebirths()[0]).toMatchObject({ topic: 'spBv1.0/plant/NCMD/robot', qos: 0 })
    const [rebirth] = line.rebirths()
    expect(rebirth?.payload.seq).toBeUndefined()
    expect(rebirth?.payload.timestamp).toBeGreaterThan(0n)
    expect(rebirth?.payload.metrics).toMatchObject([{ name: 'Node Control/Rebirth', datatype: 11n, valueField: 14, value: 1n }])
  })

  it('asks a node for its birth whose birth it has not seen, once, and is moved by no junk', async () => {
    await using line = await plant()
    await line.robot.speed(1, 77)
    await line.robot.speed(2, 78)
    await vi.waitFor(() => expect(line.rebirths()).toHaveLength(1), waits)
    await line.robot.client.publishAsync('spBv1.0/plant/NBIRTH/robot', Buffer.from([0xff, 0xff]))
    await line.robot.birth()
    await line.robot.arm(5)
    await vi.waitFor(() => expect(line.last('/arm/speed')).toMatchObject({ value: 5 }), waits)
    const count = (name: string) => line.host.metrics().find((metric) => metric.name === `lineside_sparkplug_host_${name}`)?.value
    expect(count('unreadable_total')).toBe(1)
    expect(count('nodes')).toBe(1)
  })

  it('writes a metric that the node has announced, by alias or by name, and says done when the node has told the value', async () => {
    await using line = await plant()
    await line.robot.birth()
    await line.robot.arm(1)
    await line.robot.obey()
    await vi.waitFor(() => expect(line.last('/arm/speed')).toMatchObject({ value: 1 }), waits)
    expect(await line.write('/arm/speed', '{"value":7.5,"id":"a-1"}')).toMatchObject({ id: 'a-1', status: 'done', value: 7.5 })
    expect(await line.write('/arm/mode', '-3')).toMatchObject({ status: 'done', value: -3 })
    await vi.waitFor(() => expect(line.last('/arm/mode')).toMatchObject({ value: -3 }), waits)
    expect(line.events).toMatchObject([
      { type: 'sparkplug.command', subject: 'plant/robot/arm/speed', data: { by: { name: 'reader', role: 'operator' }, value: 7.5 } },
      { subject: 'plant/robot/arm/mode' },
    ])
  })

  it('refuses what cannot be written, with the reason, and sends nothing', async () => {
    await using line = await plant()
    await line.robot.birth()
    await line.robot.arm(1)
    await vi.waitFor(() => expect(line.last('/arm/speed')).toMatchObject({ value: 1 }), waits)
    expect(await line.write('/arm/torque', '1')).toMatchObject({ status: 'refused', code: 'sparkplug.metric-unknown' })
    expect(await line.write('/arm/mode', '"fast"')).toMatchObject({ status: 'refused', code: 'sparkplug.value-unfit' })
    expect(await line.write('/arm/mode', '{"value":1,"expires":"2020-01-01T00:00:00Z"}')).toMatchObject({ code: 'command.expired' })
    expect(await line.write('/arm/mode', '')).toMatchObject({ status: 'refused', code: 'mqtt.set-malformed' })
    await line.robot.say('DDEATH', [], { device: 'arm' })
    await vi.waitFor(() => expect(line.last('/arm')).toEqual({ state: 'offline' }), waits)
    expect(await line.write('/arm/speed', '1')).toMatchObject({ status: 'refused', code: 'sparkplug.offline' })
    expect(line.monitor.seen.filter(({ type }) => type === 'DCMD')).toEqual([])
  })

  it('lets nobody write unless the site says from which role on', async () => {
    await using closed = await plant({ role: 'nobody' })
    expect(await closed.write('/arm/speed', '1')).toMatchObject({ status: 'refused', code: 'sparkplug.commands-off' })
    await using strict = await plant({ role: 'engineer' })
    expect(await strict.write('/arm/speed', '1')).toMatchObject({ status: 'refused', code: 'access.role' })
    const refused = strict.events.filter(({ type }) => type === 'sparkplug.command')
    expect(refused).toMatchObject([{ data: { by: { role: 'operator' }, status: 'refused', code: 'access.role' } }])
  })

  it('does not know what became of a command on which the node says nothing', { timeout: 20_000 }, async () => {
    await using line = await plant()
    await line.robot.birth()
    await line.robot.arm(1)
    await vi.waitFor(() => expect(line.last('/arm/speed')).toMatchObject({ value: 1 }), waits)
    expect(await line.write('/arm/speed', '2')).toMatchObject({ status: 'unknown', code: 'sparkplug.not-confirmed' })
  })
})
