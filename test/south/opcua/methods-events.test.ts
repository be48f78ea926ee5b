import { describe, expect, it } from 'vitest'
import type { Connection, DeviceEvent } from '../../../src/south/driver.ts'
import { configFor, connect, latestOf, plant, sharedPeer, soon, until } from './opcua-site.ts'

const node = (name: string): string => `nsu=urn:test:plant;s=${name}`
const add = { object: node('Line'), method: node('Line.Add') }

const rich = sharedPeer({ isRich: true })

describe('a method', () => {
  it('is called with arguments in the types that the server declares, and gives its output', async () => {
    await using parts = new AsyncDisposableStack()
    const connection = await connect(parts, rich.url, [])
    expect(await connection.call?.({ ...add, args: [2, 40] }, until())).toEqual({ outcome: 'done', values: [42n] })
    const byPath = { object: '/Objects/2:Line', method: '/Objects/2:Line/2:Add', args: [1, 2n] }
    expect(await connection.call?.(byPath, until())).toEqual({ outcome: 'done', values: [3n] })
  })

  it('is not called with what it cannot take, and says so when it is refused', async () => {
    await using parts = new AsyncDisposableStack()
    const connection = await connect(parts, rich.url, [])
    const failed = (code: string) => ({ outcome: 'failed', fault: { code } })
    expect(await connection.call?.({ ...add, args: [2] }, until())).toMatchObject(failed('opcua.method-arguments'))
    expect(await connection.call?.({ ...add, args: [70_000, 1] }, until())).toMatchObject(failed('opcua.method-arguments'))
    expect(await connection.call?.({ ...add, method: node('Nope'), args: [] }, until())).toMatchObject(failed('opcua.call-refused'))
    expect(await connection.call?.({ ...add, method: node('Line.Jam'), args: [] }, until())).toMatchObject(failed('opcua.call-refused'))
    expect(await connection.call?.({ object: 'nsu=urn:no;s=x', method: 'i=1', args: [] }, until())).toMatchObject(failed('opcua.no-method'))
  })

  it('has an unknown outcome when the reply is lost', async () => {
    await using parts = new AsyncDisposableStack()
    const connection = await connect(parts, rich.url, [], { connection: { timeout: '500ms' } })
    const outcome = await connection.call?.({ ...add, method: node('Line.Hang'), args: [] }, until())
    expect(outcome).toMatchObject({ outcome: 'unknown', fault: { code: 'opcua.no-answer' } })
  })
})

async function eventsOf(connection: Connection): Promise<DeviceEvent[]> {
  const events: DeviceEvent[] = []
  await latestOf(connection)
  await connection.events?.listen((told) => events.push(...told), new AbortController().signal)
  return events
}

describe('the events of a server', () => {
  it('come with type, source, severity, message and time', async () => {
    await using parts = new AsyncDisposableStack()
    const events = await eventsOf(await connect(parts, rich.url, [plant('Double')], { opcua: { events: {} } }))
    rich.peer.order('tell all is well')
    const told = () => events.find(({ data }) => data['message'] === 'all is well')
    await soon(told).toMatchObject({
      type: 'opcua.event',
      data: { eventType: 'SystemEventType', source: 'Peer', severity: 100, message: 'all is well' },
    })
    expect(Math.abs((told()?.timeMs ?? 0) - Date.now())).toBeLessThan(60_000)
  })

  it('tell of alarms whether they are active and acknowledged', async () => {
    await using parts = new AsyncDisposableStack()
    const events = await eventsOf(await connect(parts, rich.url, [], { opcua: { events: { severity: 500 } } }))
    rich.peer.order('tell too small to matter')
    rich.peer.order('trip too hot')
    await soon(() => events.map(({ data }) => data['message'])).toContain('too hot')
    const trip = events.find(({ data }) => data['message'] === 'too hot')
    expect(trip?.data).toMatchObject({ condition: 'BoilerTrip', active: true, severity: 700, eventType: 'AlarmConditionType' })
    rich.peer.order('reset')
    await soon(() => events.at(-1)?.data).toMatchObject({ condition: 'BoilerTrip', active: false })
    expect(events.filter(({ data }) => Number(data['severity']) < 500)).toEqual([])
  })

  it('bring after a reconnection what is active since before, and tell nothing twice', async () => {
    await using parts = new AsyncDisposableStack()
    const config = configFor(rich.url, { opcua: { events: {} } })
    rich.peer.order('trip since before')
    const first = await connect(parts, rich.url, [], { config })
    const before = await eventsOf(first)
    await soon(() => before.map(({ data }) => data['message'])).toContain('since before')
    await first[Symbol.asyncDispose]()
    const after = await eventsOf(await connect(parts, rich.url, [], { config }))
    rich.peer.order('tell marker')
    await soon(() => after.map(({ data }) => data['message'])).toContain('marker')
    expect(after.map(({ data }) => data['message'])).not.toContain('since before')
  })

  it('are dropped and counted beyond the rate that the device file allows', async () => {
    await using parts = new AsyncDisposableStack()
    const connection = await connect(parts, rich.url, [], { opcua: { events: { perSecond: 5 } } })
    const events = await eventsOf(connection)
    const count = (name: string): number => connection.metrics?.().find((metric) => metric.name === name)?.value ?? 0
    for (let place = 0; place < 50; place += 1) rich.peer.order(`tell flood ${place}`)
    await soon(() => count('lineside_opcua_events_total') + count('lineside_opcua_events_dropped_total')).toBeGreaterThanOrEqual(50)
    expect(count('lineside_opcua_events_dropped_total')).toBeGreaterThan(0)
    expect(events.length).toBe(count('lineside_opcua_events_total'))
  })
})
