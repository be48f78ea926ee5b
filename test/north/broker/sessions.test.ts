import { once } from 'node:events'
import { describe, expect, it, vi } from 'vitest'
import { type Clock, epochMs, monotonicMs, systemClock } from '../../../src/base/clock.ts'
import { Fault } from '../../../src/base/fault.ts'
import type { SessionStore } from '../../../src/north/broker/session-keeper.ts'
import type { SessionChanges } from '../../../src/store/contract.ts'
import type { Store } from '../../../src/store/store.ts'
import { forgetfulStore, sessionStoreOf } from '../../support/session-store.ts'
import { makeStateFolder } from '../../support/state-folder.ts'
import { openTestStore } from '../../support/store-samples.ts'
import { connectClient, connectPacket, connectSocket, startGateway, type TestClient } from './gateway.ts'

const operator = { anonymous: { role: 'operator' } }
const lasting = { clientId: 'mes', clean: false }

/** A store that can be told to fail, or to leave its callers without an answer. */
function moodyStore(store: SessionStore = forgetfulStore()) {
  const mood: { is: 'well' | 'full' | 'silent'; readonly kept: SessionChanges[] } = { is: 'well', kept: [] }
  const answer = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    if (mood.is === 'silent') await vi.waitUntil(() => mood.is !== 'silent', { timeout: 60_000, interval: 10 })
    if (mood.is === 'full') throw new Fault('store.full', 'There is no space left.', { remedy: 'Free some.', isRetryable: true })
    return work()
  }
  const keep: SessionStore['keep'] = (changes) =>
    answer(() => {
      mood.kept.push(changes)
      return store.keep(changes)
    })
  return { mood, store: { keep, page: (ask) => answer(() => store.page(ask)) } satisfies SessionStore }
}

/** The system's clock, which can be put forward. */
function leapingClock(): Clock & { leapMs: number } {
  const clock = {
    ...systemClock,
    leapMs: 0,
    now: () => epochMs(systemClock.now() + clock.leapMs),
    elapsed: () => monotonicMs(systemClock.elapsed() + clock.leapMs),
  }
  return clock
}

async function texts(client: TestClient, count: number): Promise<readonly string[]> {
  await vi.waitFor(() => expect(client.got.length).toBeGreaterThanOrEqual(count), { timeout: 10_000 })
  return client.got.map(({ payload }) => payload)
}

function publishAll(client: TestClient, from: number, count: number, qos: 0 | 1 | 2 = 1): Promise<unknown> {
  return Promise.all(Array.from({ length: count }, (_, place) => client.mqtt.publishAsync('jobs/a', String(from + place), { qos })))
}

function numbers(from: number, count: number): readonly string[] {
  return Array.from({ length: count }, (_, place) => String(from + place))
}

describe('a session', () => {
  it('survives the broker: its subscriptions, and in order what came while it was away', async () => {
    using folder = makeStateFolder()
    await using store = await openTestStore(folder.path)
    {
      await using gateway = await startGateway({ mqtt: operator, store: sessionStoreOf(store) })
      await using mes = await connectClient(gateway, lasting)
      await mes.mqtt.subscribeAsync('jobs/#', { qos: 1 })
      await mes.mqtt.endAsync()
      await using plc = await connectClient(gateway)
      await publishAll(plc, 0, 100)
    }
    await using gateway = await startGateway({ mqtt: operator, store: sessionStoreOf(store) })
    expect(gateway.metric('lineside_mqtt_offline_messages')).toBe(100)
    await using plc = await connectClient(gateway)
    await using mes = await connectClient(gateway, lasting)
    await publishAll(plc, 100, 20)
    expect(await texts(mes, 120)).toEqual(numbers(0, 120))
    await vi.waitFor(() => expect(gateway.metric('lineside_mqtt_offline_messages')).toBe(0))
    await vi.waitFor(async () => expect((await store.sessionsPage({ part: 'queued', afterId: 0 })).changes.queued?.rows).toEqual([]))
  })

  it('gets what waits for it before what is new, however much comes while it returns', async () => {
    await using gateway = await startGateway({ mqtt: { ...operator, limits: { offlineMessages: 5_000 } } })
    await using mes = await connectClient(gateway, lasting)
    await mes.mqtt.subscribeAsync('jobs/#', { qos: 1 })
    await mes.mqtt.endAsync()
    await using plc = await connectClient(gateway)
    await publishAll(plc, 0, 1_000)
    const more = publishAll(plc, 1_000, 1_000)
    await using back = await connectClient(gateway, lasting)
    await more
    expect(await texts(back, 2_000)).toEqual(numbers(0, 2_000))
  })

  it('gets QoS 2 messages once, also where broker and client part in the middle', async () => {
    using folder = makeStateFolder()
    await using store = await openTestStore(folder.path)
    const qos2 = { ...lasting, clientId: 'ledger' }
    {
      await using gateway = await startGateway({ mqtt: operator, store: sessionStoreOf(store) })
      await using ledger = await connectClient(gateway, qos2)
      await ledger.mqtt.subscribeAsync('jobs/#', { qos: 2 })
      await using plc = await connectClient(gateway)
      await publishAll(plc, 0, 10, 2)
      await texts(ledger, 10)
      await ledger.mqtt.endAsync()
      await publishAll(plc, 10, 10, 2)
    }
    await using gateway = await startGateway({ mqtt: operator, store: sessionStoreOf(store) })
    await using ledger = await connectClient(gateway, qos2)
    expect(await texts(ledger, 10)).toEqual(numbers(10, 10))
    await vi.waitFor(() => expect(gateway.metric('lineside_mqtt_offline_messages')).toBe(0))
  })

  it('says DUP of what it sends for the second time', async () => {
    await using gateway = await startGateway({ mqtt: operator })
    const session = connectPacket('bare', 0x00)
    const first = await connectSocket(gateway)
    first.write(Buffer.concat([session, Buffer.from([0x82, 6, 0, 1, 0, 1, 0x61, 1])]))
    await using plc = await connectClient(gateway)
    await vi.waitFor(() => expect(gateway.metric('lineside_mqtt_sessions')).toBe(1))
    await vi.waitFor(async () => {
      await plc.mqtt.publishAsync('a', 'x', { qos: 1 })
      expect(gateway.metric('lineside_mqtt_offline_messages')).toBe(1)
    })
    first.destroy()
    const second = await connectSocket(gateway)
    second.write(session)
    const got: Buffer[] = []
    second.on('data', (chunk: Buffer) => got.push(chunk))
    await vi.waitFor(() => expect(Buffer.concat(got).length).toBeGreaterThan(4))
    expect(Buffer.concat(got)[4]).toBe(0x3a) // PUBLISH, DUP, QoS 1
    second.destroy()
  })

  it('ends when its client asks for a clean one, in the store too', async () => {
    using folder = makeStateFolder()
    await using store = await openTestStore(folder.path)
    await using gateway = await startGateway({ mqtt: operator, store: sessionStoreOf(store) })
    await using mes = await connectClient(gateway, lasting)
    await mes.mqtt.subscribeAsync('jobs/#', { qos: 1 })
    await mes.mqtt.endAsync()
    await using plc = await connectClient(gateway)
    await publishAll(plc, 0, 5)
    await using clean = await connectClient(gateway, { ...lasting, clean: true })
    expect(clean.got).toEqual([])
    await vi.waitFor(async () => {
      for (const part of ['sessions', 'subscriptions', 'queued'] as const) expect(await rowsOf(store, part)).toBe(0)
    })
  })

  it('ends when its client has been away for too long', async () => {
    const clock = leapingClock()
    await using gateway = await startGateway({ mqtt: { ...operator, limits: { sessionAge: '1h' } }, clock })
    await using mes = await connectClient(gateway, lasting)
    await mes.mqtt.subscribeAsync('jobs/#', { qos: 1 })
    await mes.mqtt.endAsync()
    await vi.waitFor(() => expect(gateway.metric('lineside_mqtt_clients')).toBe(0))
    clock.leapMs = 3_700_000
    await vi.waitFor(() => expect(gateway.metric('lineside_mqtt_sessions_expired_total')).toBe(1), { timeout: 5_000 })
    expect(gateway.metric('lineside_mqtt_sessions')).toBe(0)
  })
})

async function rowsOf(store: Store, part: 'sessions' | 'subscriptions' | 'queued' | 'retained' | 'wills'): Promise<number | undefined> {
  const { changes } = await store.sessionsPage({ part, afterId: 0 })
  const rows = changes[part]
  return rows === undefined ? undefined : 'rows' in rows ? rows.rows.length : rows.length
}

describe('the broker over a restart', () => {
  it('has its retained messages again, but none of those that it publishes itself at each start', async () => {
    using folder = makeStateFolder()
    await using store = await openTestStore(folder.path)
    {
      await using gateway = await startGateway({ mqtt: operator, store: sessionStoreOf(store) })
      await using plc = await connectClient(gateway)
      await plc.mqtt.publishAsync('recipe/a', 'one', { qos: 1, retain: true })
      await plc.mqtt.publishAsync('recipe/a', 'two', { qos: 1, retain: true })
      await plc.mqtt.publishAsync('recipe/b', 'gone', { qos: 1, retain: true })
      await plc.mqtt.publishAsync('recipe/b', '', { qos: 1, retain: true })
      await gateway.broker.publish([{ topic: 'flows/state', payload: 'runs', qos: 1, isRetained: true }])
      expect(await rowsOf(store, 'retained')).toBe(2)
    }
    await using gateway = await startGateway({ mqtt: operator, store: sessionStoreOf(store) })
    await using reader = await connectClient(gateway)
    await reader.mqtt.subscribeAsync(['recipe/#', 'flows/#'], { qos: 1 })
    expect([...(await texts(reader, 2))].sort()).toEqual(['runs', 'two'])
  })

  it('publishes the will of a client that did not come back', { timeout: 20_000 }, async () => {
    using folder = makeStateFolder()
    await using store = await openTestStore(folder.path)
    const will = { topic: 'alive/plc', payload: 'lost', qos: 1 as const, retain: true }
    const { mood, store: moody } = moodyStore(sessionStoreOf(store))
    {
      await using gateway = await startGateway({ mqtt: operator, store: moody })
      await using _ = await connectClient(gateway, { clientId: 'plc', will })
      await vi.waitFor(async () => expect(await rowsOf(store, 'wills')).toBe(1))
      mood.is = 'silent' // the broker is killed: nothing of its end gets to the disk
    }
    const clock = leapingClock()
    await using gateway = await startGateway({ mqtt: operator, store: sessionStoreOf(store), clock })
    await using reader = await connectClient(gateway)
    await reader.mqtt.subscribeAsync('alive/#', { qos: 1 })
    clock.leapMs = 61_000
    expect(await texts(reader, 1)).toEqual(['lost'])
    mood.is = 'well'
  })
})

describe('a message that somebody depends on', () => {
  it('is acknowledged when it is on the disk, and goes to nobody before', async () => {
    const { mood, store } = moodyStore()
    await using gateway = await startGateway({ mqtt: operator, store })
    await using mes = await connectClient(gateway, lasting)
    await mes.mqtt.subscribeAsync('jobs/#', { qos: 1 })
    await using plc = await connectClient(gateway)
    mood.is = 'silent'
    const acknowledged = vi.fn()
    const publishing = plc.mqtt.publishAsync('jobs/a', 'kept', { qos: 1 }).then(acknowledged)
    await vi.waitFor(() => expect(gateway.metric('lineside_mqtt_unkept')).toBe(1))
    expect(acknowledged).not.toHaveBeenCalled()
    expect(mes.got).toEqual([])
    mood.is = 'well'
    await publishing
    expect(await texts(mes, 1)).toEqual(['kept'])
  })

  it('holds up neither its client nor anything that needs no disk', async () => {
    const { mood, store } = moodyStore()
    await using gateway = await startGateway({ mqtt: operator, store })
    await using mes = await connectClient(gateway, lasting)
    await mes.mqtt.subscribeAsync('jobs/#', { qos: 1 })
    await using reader = await connectClient(gateway)
    await reader.mqtt.subscribeAsync('live/#', { qos: 1 })
    await using plc = await connectClient(gateway)
    mood.is = 'full'
    plc.mqtt.publishAsync('jobs/a', 'waits', { qos: 1 }).catch(() => {})
    await vi.waitFor(() => expect(gateway.metric('lineside_mqtt_is_failing')).toBe(1))
    for (const text of numbers(0, 10)) await plc.mqtt.publishAsync('live/a', text, { qos: 0 })
    expect(await texts(reader, 10)).toEqual(numbers(0, 10))
    await using other = await connectClient(gateway)
    await other.mqtt.publishAsync('live/a', 'acknowledged at once', { qos: 1 })
    expect(gateway.log.lines.filter(({ message }) => message.startsWith('The broker cannot keep')).length).toBe(1)
    mood.is = 'well'
    expect(await texts(mes, 1)).toEqual(['waits'])
  })

  it('is refused where too many wait for a full disk, and sent again by its client when there is room', { timeout: 30_000 }, async () => {
    const { mood, store } = moodyStore()
    await using gateway = await startGateway({ mqtt: { ...operator, limits: { offlineMessages: 5_000 } }, store })
    await using mes = await connectClient(gateway, lasting)
    await mes.mqtt.subscribeAsync('jobs/#', { qos: 1 })
    await using plc = await connectClient(gateway, { reconnectPeriod: 50, clientId: 'plc', clean: false })
    mood.is = 'full'
    const publishing = publishAll(plc, 0, 2_000)
    await vi.waitFor(() => expect(gateway.metric('lineside_mqtt_unkept_refused_total')).toBeGreaterThan(0), { timeout: 10_000 })
    expect(gateway.metric('lineside_mqtt_unkept')).toBe(1_000)
    mood.is = 'well'
    await publishing
    await vi.waitFor(() => expect(mes.got.at(-1)?.payload).toBe('1999'), { timeout: 10_000 })
    expect([...new Set(await texts(mes, 2_000))]).toEqual(numbers(0, 2_000)) // each for the first time in its order
  })

  it('touches no disk where nobody depends on it', async () => {
    const { mood, store } = moodyStore()
    await using gateway = await startGateway({ mqtt: operator, store })
    await using reader = await connectClient(gateway)
    await reader.mqtt.subscribeAsync('jobs/#', { qos: 2 })
    await using plc = await connectClient(gateway, { clientId: 'plc', clean: false })
    await publishAll(plc, 0, 50, 1)
    await publishAll(plc, 50, 50, 2)
    await texts(reader, 100)
    expect(mood.kept).toEqual([])
  })

  it('costs one commit with all that come in the same turn', async () => {
    using folder = makeStateFolder()
    await using store = await openTestStore(folder.path)
    const { mood, store: moody } = moodyStore(sessionStoreOf(store))
    await using gateway = await startGateway({ mqtt: { ...operator, limits: { offlineMessages: 5_000 } }, store: moody })
    await using mes = await connectClient(gateway, lasting)
    await mes.mqtt.subscribeAsync('jobs/#', { qos: 1 })
    await using plc = await connectClient(gateway)
    const before = mood.kept.length
    await publishAll(plc, 0, 2_000)
    await texts(mes, 2_000)
    expect(mood.kept.length - before).toBeLessThan(400)
  })
})

describe('the broker without its store', () => {
  it('opens all the same; who wants a session is told to come later, and has it then', { timeout: 30_000 }, async () => {
    using folder = makeStateFolder()
    await using store = await openTestStore(folder.path)
    {
      await using gateway = await startGateway({ mqtt: operator, store: sessionStoreOf(store) })
      await using mes = await connectClient(gateway, lasting)
      await mes.mqtt.subscribeAsync('jobs/#', { qos: 1 })
      await mes.mqtt.endAsync()
      await using plc = await connectClient(gateway)
      await publishAll(plc, 0, 3)
    }
    const { mood, store: moody } = moodyStore(sessionStoreOf(store))
    mood.is = 'full'
    await using gateway = await startGateway({ mqtt: operator, store: moody })
    await using plc = await connectClient(gateway, { reconnectPeriod: 50, clientId: 'plc' })
    await expect(connectClient(gateway, lasting)).rejects.toThrow()
    const refused = plc.mqtt.publishAsync('jobs/a', '3', { qos: 1 })
    await plc.mqtt.publishAsync('live/a', 'passes', { qos: 0 })
    mood.is = 'well'
    await refused
    await using mes = await connectClient(gateway, lasting)
    expect(await texts(mes, 4)).toEqual(numbers(0, 4))
  })

  it('tells a fresh file everything when the old one was set aside', async () => {
    let file = 1
    const kept: SessionChanges[] = []
    const store: SessionStore = {
      keep: async (changes) => {
        kept.push(changes)
        return { file }
      },
      page: async () => ({ file, changes: {} }),
    }
    await using gateway = await startGateway({ mqtt: operator, store })
    await using mes = await connectClient(gateway, lasting)
    await mes.mqtt.subscribeAsync('jobs/#', { qos: 1 })
    await mes.mqtt.endAsync()
    await using plc = await connectClient(gateway)
    await publishAll(plc, 0, 3)
    file = 2
    kept.length = 0
    await plc.mqtt.publishAsync('recipe/a', 'retained', { qos: 1, retain: true })
    await vi.waitFor(() => expect(kept.length).toBeGreaterThanOrEqual(2))
    const [, all] = kept
    expect(all).toMatchObject({
      subscriptions: [{ client: 'mes', filter: 'jobs/#', qos: 1 }],
      queued: { rows: [{ topic: 'jobs/a' }, { topic: 'jobs/a' }, { topic: 'jobs/a' }] },
      retained: { rows: [{ topic: 'recipe/a' }] },
    })
  })
})

describe('a subscriber', () => {
  it('gets a plain message that comes in one piece with a retained one, and the retained one too', async () => {
    await using gateway = await startGateway({ mqtt: operator })
    await using reader = await connectClient(gateway)
    await reader.mqtt.subscribeAsync('#', { qos: 0 })
    const socket = await connectSocket(gateway)
    socket.write(connectPacket('bare'))
    await once(socket, 'data')
    socket.write(Buffer.from([0x31, 4, 0, 1, 0x61, 0x31, 0x30, 4, 0, 1, 0x62, 0x32]))
    await vi.waitFor(() => expect(reader.got.filter(({ topic }) => topic.length === 1).map(({ payload }) => payload)).toEqual(['1', '2']))
    socket.destroy()
  })
})
