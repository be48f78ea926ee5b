import { describe, expect, it, vi } from 'vitest'
import { epochMs } from '../../../src/base/clock.ts'
import { asTagIndex } from '../../../src/model/tag.ts'
import { startProgram } from '../support/program.ts'
import { connectClient, node, sample, site, startGateway, tagMeta } from './gateway.ts'

const pressure = `${site}/press-07/hydraulics/pressure`
const setpoint = `${site}/press-07/recipe/setpoint`

function subscribe(port: number, filter: string) {
  return startProgram('mosquitto_sub', ['-p', String(port), '-t', filter, '-F', '%r %q %t %p'])
}

function publish(port: number, topic: string, payload: string, ...more: string[]) {
  return startProgram('mosquitto_pub', ['-p', String(port), '-t', topic, '-m', payload, ...more])
}

describe('the value topics', () => {
  it('give mosquitto_sub each tag with quality, time and unit, retained at first and live afterwards', async () => {
    await using gateway = await startGateway()
    gateway.set('press-07/hydraulics/pressure', 21.5)
    await using reader = subscribe(gateway.port, `${site}/#`)
    const payload = (value: number) => `{"value":${value},"quality":"good","time":"2023-11-14T22:13:20.000Z","unit":"bar"}`
    await vi.waitFor(() => expect(reader.lines).toEqual([`1 0 ${pressure} ${payload(21.5)}`]))

    gateway.set('press-07/hydraulics/pressure', 22)
    await vi.waitFor(() => expect(reader.lines[1]).toBe(`0 0 ${pressure} ${payload(22)}`))
  })

  it('match wildcards of one level, and no others', async () => {
    await using gateway = await startGateway()
    gateway.set('press-07/motor/running', true)
    gateway.set('filler/count', 7n)
    await using reader = subscribe(gateway.port, `${site}/+/count`)
    await vi.waitFor(() => expect(reader.lines).toHaveLength(1))
    expect(reader.lines[0]).toContain(`${site}/filler/count {"value":7,`)
  })

  it('reach a client once, whatever number of its filters match', async () => {
    await using gateway = await startGateway()
    await using client = await connectClient(gateway)
    await client.mqtt.subscribeAsync(['#', pressure, `${site}/+/hydraulics/+`])
    gateway.set('press-07/hydraulics/pressure', 1)
    gateway.set('press-07/hydraulics/pressure', 2)
    await vi.waitFor(() => expect(client.got.some(({ payload }) => payload.includes('"value":2'))).toBe(true))
    expect(client.got.filter(({ topic }) => topic === pressure)).toHaveLength(2)
  })

  it('stop for a client that unsubscribes', async () => {
    await using gateway = await startGateway()
    await using client = await connectClient(gateway)
    await client.mqtt.subscribeAsync([pressure, setpoint])
    await client.mqtt.unsubscribeAsync(pressure)
    gateway.set('press-07/hydraulics/pressure', 1)
    gateway.set('press-07/recipe/setpoint', 2)
    await vi.waitFor(() => expect(client.got.map(({ topic }) => topic)).toEqual([setpoint]))
  })

  it('are all there, in a batch larger than any buffer, for a client that wants only some of them', { timeout: 30_000 }, async () => {
    const count = 5_000
    await using gateway = await startGateway({
      metas: Array.from({ length: count }, (_, n) => tagMeta(`device-${n % 2}/tag-${n}`, { unit: '°C' })),
    })
    await using all = await connectClient(gateway)
    await using odd = await connectClient(gateway)
    await all.mqtt.subscribeAsync('#')
    await odd.mqtt.subscribeAsync(`${site}/device-1/+`)
    const batch = (offset: number) =>
      Array.from({ length: count }, (_, n) => ({ tag: asTagIndex(n), sample: { ...sample(n + offset), sourceMs: epochMs(n) } }))
    gateway.tags.take(batch(0))
    gateway.tags.take(batch(0.5))
    const of = (client: typeof all) => client.got.filter(({ topic }) => topic.startsWith(site))
    await vi.waitFor(() => expect(of(all)).toHaveLength(2 * count), 10_000)
    await vi.waitFor(() => expect(of(odd)).toHaveLength(count), 10_000)
    expect(JSON.parse(of(odd)[count - 1]?.payload ?? '')).toMatchObject({ value: count - 0.5, unit: '°C' })
    await all.mqtt.subscribeAsync('acme/#')
    await vi.waitFor(() => expect(of(all).filter(({ isRetained }) => isRetained)).toHaveLength(count), 10_000)
  })

  it('belong to the gateway: what a client publishes there is acknowledged, and goes nowhere', async () => {
    await using gateway = await startGateway()
    gateway.set('press-07/hydraulics/pressure', 21.5)
    await using reader = subscribe(gateway.port, '#')
    await vi.waitFor(() => expect(reader.lines).toHaveLength(2))
    await using forger = await connectClient(gateway)
    await forger.mqtt.publishAsync(pressure, '{"value":9000}', { qos: 1, retain: true })
    await forger.mqtt.publishAsync(`lineside/${node}/status`, 'offline', { qos: 1, retain: true })
    await forger.mqtt.publishAsync('elsewhere', 'hello', { qos: 1 })
    await vi.waitFor(() => expect(reader.lines.join('\n')).toContain('elsewhere hello'))
    expect(reader.lines.join('\n')).not.toMatch(/9000|offline/)
    expect(gateway.metric('lineside_mqtt_incidents_total', { kind: 'notPublished' })).toBe(2)
  })
})

describe('a set topic', () => {
  it('takes a bare value of mosquitto_pub through the command road, and publishes the result', async () => {
    await using gateway = await startGateway()
    gateway.set('press-07/recipe/setpoint', 0)
    await using reader = subscribe(gateway.port, `${setpoint}/#`)
    await vi.waitFor(() => expect(reader.lines).toHaveLength(1))
    await using _writer = publish(gateway.port, `${setpoint}/set`, '42.5', '-i', 'hmi-1')
    await vi.waitFor(() => expect(reader.lines).toHaveLength(3)) // the value, the wish, the result
    expect(gateway.asked).toMatchObject([
      { tag: 'press-07/recipe/setpoint', value: 42.5, by: { road: 'mqtt', name: 'hmi-1', role: 'operator' } },
    ])
    const [, , , text = ''] = /^(0) (\d) (\S+\/set\/result) (.*)$/.exec(reader.lines[2] ?? '')?.slice(1) ?? []
    expect(JSON.parse(text)).toEqual({ id: gateway.asked[0]?.id, status: 'done', value: 42.5, tookMs: 3 })
  })

  it.each([
    ['press-07/motor/running', '1', true],
    ['press-07/motor/running', '{"value":false,"id":"a"}', false],
    ['filler/count', '18446744073709551615', 18446744073709551615n],
    ['filler/count', '{"value":"18446744073709551615"}', 18446744073709551615n],
    ['filler/recipe', 'Cola 0.5 l', 'Cola 0.5 l'],
    ['filler/recipe', '0042', '0042'],
    ['filler/recipe', '"quoted"', 'quoted'],
  ])('gives %s the value that %s means', async (tag, payload, value) => {
    await using gateway = await startGateway()
    await using client = await connectClient(gateway)
    await client.mqtt.publishAsync(`${site}/${tag}/set`, payload, { qos: 1 })
    await vi.waitFor(() => expect(gateway.asked).toMatchObject([{ tag, value }]))
  })

  it('passes id and expiry on', async () => {
    await using gateway = await startGateway()
    await using client = await connectClient(gateway)
    await client.mqtt.publishAsync(`${setpoint}/set`, '{"value":1,"id":"job-9","expires":"2026-11-21T02:30:00Z"}', { qos: 1 })
    await vi.waitFor(() => expect(gateway.asked).toMatchObject([{ id: 'job-9', expiresMs: Date.UTC(2026, 10, 21, 2, 30) }]))
  })

  it.each(['', '{"valve":1}', '{"value":1,"expires":"soon"}', '{"value":{}}', 'null', '[[1]]'])(
    'refuses %j without asking control',
    async (payload) => {
      await using gateway = await startGateway()
      await using client = await connectClient(gateway)
      await client.mqtt.subscribeAsync(`${setpoint}/set/result`)
      await client.mqtt.publishAsync(`${setpoint}/set`, payload, { qos: 1 })
      await vi.waitFor(() => expect(client.got).toHaveLength(1))
      expect(JSON.parse(client.got[0]?.payload ?? '')).toMatchObject({ status: 'refused', code: 'mqtt.set-malformed' })
      expect(gateway.asked).toEqual([])
    },
  )

  it.each([
    ['a key that there is not', `${setpoint}/set`, '{"id":"job-9","value":1,"valve":1}', 'there is no `valve`'],
    ['no value', `${setpoint}/set`, '{"id":"job-9"}', 'value: is missing'],
    ['a value that is none', `${setpoint}/set`, '{"id":"job-9","value":null}', 'value: is no number, text'],
    ['a moment that is none', `${setpoint}/set`, '{"id":"job-9","value":1,"expires":"soon"}', 'expires: is no moment like'],
    ['a tag that there is not', `${site}/press-07/nothing/set`, '{"id":"job-9","value":1}', 'There is no tag'],
  ])('answers under the id it was asked with, also where it is refused for %s', async (_what, topic, payload, message) => {
    await using gateway = await startGateway()
    await using client = await connectClient(gateway)
    await client.mqtt.subscribeAsync(`${topic}/result`)
    await client.mqtt.publishAsync(topic, payload, { qos: 1 })
    await vi.waitFor(() => expect(client.got).toHaveLength(1))
    expect(JSON.parse(client.got[0]?.payload ?? '')).toMatchObject({
      id: 'job-9',
      status: 'refused',
      message: expect.stringContaining(message),
    })
    expect(gateway.refused).toMatchObject([{ id: 'job-9' }])
  })

  it.each([
    ['nested without end', `{"value":${'['.repeat(30_000)}`],
    ['longer than 64 KiB', JSON.stringify('x'.repeat(70_000))],
  ])('stands a payload that is %s', async (_what, payload) => {
    await using gateway = await startGateway()
    await using client = await connectClient(gateway)
    await client.mqtt.subscribeAsync(`${setpoint}/set/result`)
    await client.mqtt.publishAsync(`${setpoint}/set`, payload, { qos: 1 })
    await client.mqtt.publishAsync(`${setpoint}/set`, '5', { qos: 1 })
    await vi.waitFor(() => expect(gateway.asked.at(-1)?.value).toBe(5))
    expect(client.mqtt.connected).toBe(true)
  })

  it('is asked for by its user, its client id, or where there is neither by its address', async () => {
    await using gateway = await startGateway()
    for (const clientId of ['scale-3', '']) {
      await using client = await connectClient(gateway, { clientId })
      await client.mqtt.publishAsync(`${setpoint}/set`, '1', { qos: 1 })
    }
    await vi.waitFor(() => expect(gateway.asked.map(({ by }) => by.name)).toEqual(['scale-3', 'anonymous@127.0.0.1']))
  })

  it('refuses a viewer, with the reason, and lets the connection stand', async () => {
    await using gateway = await startGateway({ mqtt: { anonymous: true } })
    await using client = await connectClient(gateway)
    await client.mqtt.subscribeAsync('#')
    await client.mqtt.publishAsync(`${setpoint}/set`, '1', { qos: 1 })
    await vi.waitFor(() => expect(client.got.map(({ topic }) => topic)).toContain(`${setpoint}/set/result`))
    expect(JSON.parse(client.got.at(-1)?.payload ?? '')).toMatchObject({ status: 'refused', code: 'access.role' })
    expect(gateway.asked).toEqual([])
    expect(gateway.refused).toMatchObject([
      { tag: 'press-07/recipe/setpoint', value: 1, code: 'access.role', by: { road: 'mqtt', role: 'viewer' } },
    ])
    expect(client.mqtt.connected).toBe(true)
  })

  it('has each of its refusals noted for the journal, with what was asked for as far as it could be read', async () => {
    await using gateway = await startGateway()
    await using client = await connectClient(gateway, { clientId: 'hmi-1' })
    await client.mqtt.publishAsync(`${setpoint}/set`, '{"valve":1}', { qos: 1 })
    await client.mqtt.publishAsync(`${site}/press-07/nothing/set`, '1', { qos: 1 })
    await vi.waitFor(() => expect(gateway.refused).toHaveLength(2))
    const by = { road: 'mqtt', name: 'hmi-1', role: 'operator' }
    expect(gateway.refused.toSorted((one, other) => one.code.localeCompare(other.code))).toMatchObject([
      { tag: 'press-07/nothing', code: 'command.tag-unknown', by, remedy: expect.any(String) },
      { tag: 'press-07/recipe/setpoint', code: 'mqtt.set-malformed', by, remedy: expect.any(String) },
    ])
    expect(gateway.metric('lineside_mqtt_incidents_total', { kind: 'notPublished' })).toBe(1)
  })

  it('does not act on a will, nor on a message that somebody retained', async () => {
    await using gateway = await startGateway()
    const doomed = await connectClient(gateway, { will: { topic: `${setpoint}/set`, payload: Buffer.from('1'), qos: 1, retain: false } })
    doomed.mqtt.stream.destroy()
    await vi.waitFor(() => expect(gateway.metric('lineside_mqtt_incidents_total', { kind: 'notPublished' })).toBe(1))
    await using client = await connectClient(gateway)
    await client.mqtt.publishAsync(`${setpoint}/set`, '2', { qos: 1, retain: true })
    await vi.waitFor(() => expect(gateway.asked).toMatchObject([{ value: 2 }]))
    await client.mqtt.subscribeAsync(`${setpoint}/set`)
    await client.mqtt.publishAsync(`${setpoint}/set`, '3', { qos: 1 })
    await vi.waitFor(() => expect(client.got.map(({ payload }) => payload)).toEqual(['3']))
  })
})

describe('the gateway', () => {
  it('says that it is online, and offline when it stops', async () => {
    const gateway = await startGateway()
    await using reader = subscribe(gateway.port, `lineside/${node}/status`)
    await vi.waitFor(() => expect(reader.lines).toEqual([`1 0 lineside/${node}/status online`]))
    await gateway[Symbol.asyncDispose]()
    await vi.waitFor(() => expect(reader.lines.join('\n')).toContain(`0 0 lineside/${node}/status offline`))
  })

  it('tells the state of its devices, retained', async () => {
    await using gateway = await startGateway()
    gateway.topics.devices([{ device: 'press-07', state: 'online', sinceMs: epochMs(0) }])
    await using reader = subscribe(gateway.port, `lineside/${node}/devices/+`)
    await vi.waitFor(() =>
      expect(reader.lines).toEqual([`1 0 lineside/${node}/devices/press-07 {"state":"online","since":"1970-01-01T00:00:00.000Z"}`]),
    )
  })
})
