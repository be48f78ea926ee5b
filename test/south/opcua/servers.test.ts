import { describe, expect, it } from 'vitest'
import type { Reading } from '../../../src/model/tag.ts'
import type { Connection } from '../../../src/south/driver.ts'
import { limitedBy, recogniseMake } from '../../../src/south/opcua/makes.ts'
import { keptLog } from '../../support/quiet-log.ts'
import { connect, latestOf, peerIn, plant, sharedPeer, soon, until } from './opcua-site.ts'

const numbered = (count: number) => Array.from({ length: count }, (_, place) => plant(`N${place}`))

function stateOf(connection: Connection, state: string): number | undefined {
  return connection.metrics?.().find(({ labels }) => labels?.['state'] === state)?.value
}

async function polled(connection: Connection, scan = 'normal'): Promise<readonly Reading[]> {
  if (connection.source.kind !== 'polled') throw new Error('not polled')
  return (await connection.source.poll(scan, until())).readings
}

describe('a server that knows no subscriptions', () => {
  const mute = sharedPeer({ hasNoSubscriptions: true })

  it('is read by scan class instead, and only what changed is reported', async () => {
    await using parts = new AsyncDisposableStack()
    const log = keptLog()
    const connection = await connect(parts, mute.url, [plant('Double'), plant('Text'), plant('Doubles'), plant('Nope')], { log })
    expect(await polled(connection)).toMatchObject([{ value: 21.5 }, { value: 'hello' }, { value: [1, 2, 3] }, { quality: 'bad' }])
    expect(await polled(connection)).toEqual([])
    mute.peer.set('Double', 5)
    await soon(() => polled(connection)).toMatchObject([{ tag: 0, value: 5 }])
    expect(log.lines.filter(({ level }) => level === 'warn')).toHaveLength(1)
  })

  it('is no such server where the device file insists on subscribing', async () => {
    await using parts = new AsyncDisposableStack()
    await expect(connect(parts, mute.url, [], { opcua: { mode: 'subscribe' } })).rejects.toMatchObject({ code: 'opcua.request-failed' })
  })

  it('is known within seconds to hang, though its silence is its way', async () => {
    await using parts = new AsyncDisposableStack()
    const peer = await peerIn(parts)
    const connection = await connect(parts, peer.url, [plant('Double')], { opcua: { mode: 'poll' } })
    expect(await polled(connection)).toHaveLength(1)
    const stopped = performance.now()
    peer.signal('SIGSTOP')
    await expect(connection.failure).rejects.toMatchObject({ code: 'opcua.connection-lost' })
    expect(performance.now() - stopped).toBeLessThan(4_000)
  })

  it('is known within a moment to be killed, though nothing is asked of it just now', async () => {
    await using parts = new AsyncDisposableStack()
    const peer = await peerIn(parts)
    const connection = await connect(parts, peer.url, [plant('Double')], { opcua: { mode: 'poll', keepalive: '5s' } })
    expect(await polled(connection)).toHaveLength(1)
    const killed = performance.now()
    await peer.kill()
    await expect(connection.failure).rejects.toMatchObject({ code: 'opcua.connection-lost' })
    expect(performance.now() - killed).toBeLessThan(1_000)
  })
})

describe('a server with fewer items than there are tags', () => {
  it('reports as many as it takes, and is read for the others', async () => {
    await using parts = new AsyncDisposableStack()
    const peer = await peerIn(parts, { count: 30, itemsMax: 20 })
    const connection = await connect(parts, peer.url, [...numbered(30), plant('Double')])
    const latest = await latestOf(connection)
    await soon(() => latest.size).toBe(31)
    expect([...latest.values()].filter(({ quality }) => quality !== 'good')).toEqual([])
    expect([stateOf(connection, 'reported'), stateOf(connection, 'read')]).toEqual([20, 11])
    peer.set('Double', 77)
    await soon(() => latest.get(30)?.value).toBe(77)
  })
})

describe('a node that the server refuses', () => {
  it('comes alive when it appears later, without a reconnection', async () => {
    await using parts = new AsyncDisposableStack()
    const peer = await peerIn(parts)
    const addresses = [plant('Later'), { path: '/Objects/2:Line/2:Later' }, plant('Double')]
    const latest = await latestOf(await connect(parts, peer.url, addresses, { opcua: { retry: '1s' } }))
    await soon(() => [...latest.values()].map(({ quality }) => quality)).toEqual(expect.arrayContaining(['bad', 'bad', 'good']))
    peer.order('add Later')
    await soon(() => [latest.get(0)?.value, latest.get(1)?.value]).toEqual([1, 1])
  })

  it('comes alive when its whole namespace appears later', async () => {
    await using parts = new AsyncDisposableStack()
    const peer = await peerIn(parts)
    const addresses = [{ node: 'nsu=urn:late;s=Late' }, plant('Double')]
    const latest = await latestOf(await connect(parts, peer.url, addresses, { opcua: { retry: '1s' } }))
    await soon(() => [latest.get(0)?.quality, latest.get(1)?.quality]).toEqual(['bad', 'good'])
    peer.order('namespace urn:late')
    await soon(() => latest.get(0)?.value).toBe(1)
  })
})

describe('a dead band', () => {
  it('keeps small changes at the server, and is left away where the server knows none for the node', async () => {
    await using parts = new AsyncDisposableStack()
    const peer = await peerIn(parts)
    const log = keptLog()
    const addresses = [
      plant('Double', { serverDeadband: { kind: 'absolute', value: 5 } }),
      plant('Text', { serverDeadband: { kind: 'percent', value: 5 } }),
    ]
    const latest = await latestOf(await connect(parts, peer.url, addresses, { log }))
    await soon(() => [latest.get(0)?.value, latest.get(1)?.value]).toEqual([21.5, 'hello'])
    peer.set('Double', 22)
    peer.set('Text', 'changed')
    await soon(() => latest.get(1)?.value).toBe('changed')
    expect(latest.get(0)?.value).toBe(21.5)
    peer.set('Double', 40)
    await soon(() => latest.get(0)?.value).toBe(40)
    expect(log.lines.filter(({ message }) => message.includes('dead band'))).toHaveLength(1)
  })
})

describe('a batch of writes', () => {
  it('goes out in as many requests as the server makes necessary, with an outcome for each', async () => {
    await using parts = new AsyncDisposableStack()
    const peer = await peerIn(parts, { nodesPerCallMax: 10, count: 35 })
    const connection = await connect(parts, peer.url, [...numbered(35), plant('Nope'), plant('Bool')])
    const writes = Array.from({ length: 37 }, (_, tag) => ({ tag, value: tag + 100 }))
    const outcomes = await connection.write(writes, until())
    expect(outcomes.map(({ outcome }) => outcome)).toEqual([...Array.from({ length: 35 }, () => 'done'), 'failed', 'failed'])
    const read = await connection.read(
      Array.from({ length: 35 }, (_, tag) => tag),
      until(),
    )
    expect(read.map(({ value }) => value)).toEqual(writes.slice(0, 35).map(({ value }) => value))
  })

  it('is unknown for what was sent and failed for what was not, when the server hangs', async () => {
    await using parts = new AsyncDisposableStack()
    const peer = await peerIn(parts, { nodesPerCallMax: 10, count: 25 })
    const connection = await connect(parts, peer.url, numbered(25), { connection: { timeout: '300ms' }, opcua: { keepalive: '5s' } })
    await connection.write(
      Array.from({ length: 25 }, (_, tag) => ({ tag, value: 1 })),
      until(),
    )
    peer.signal('SIGSTOP')
    const outcomes = await connection.write(
      Array.from({ length: 25 }, (_, tag) => ({ tag, value: 2 })),
      until(),
    )
    const told = outcomes.map((one) => [one.outcome, 'fault' in one && one.fault.code])
    expect(told).toEqual([
      ...Array.from({ length: 10 }, () => ['unknown', 'opcua.no-answer']),
      ...Array.from({ length: 15 }, () => ['failed', 'opcua.not-sent']),
    ])
  })

  it('is unknown when the server is killed before it answers', async () => {
    await using parts = new AsyncDisposableStack()
    const peer = await peerIn(parts)
    const connection = await connect(parts, peer.url, [plant('Double')], { opcua: { keepalive: '5s' } })
    await connection.write([{ tag: 0, value: 1 }], until())
    peer.signal('SIGSTOP')
    const writing = connection.write([{ tag: 0, value: 2 }], until())
    await peer.kill()
    expect(await writing).toMatchObject([{ outcome: 'unknown' }])
  })
})

describe('a make', () => {
  it.each([
    ['S7-1200', ['Siemens AG', 'CPU 1215C', '']],
    ['S7-1500', ['SIMATIC S7-1500', '', 'https://www.siemens.com/s7-1500']],
    ['WAGO', ['WAGO 750-8212 PFC200', 'CODESYS', '']],
    ['CODESYS', ['CODESYS Control Win', '3S - Smart Software Solutions GmbH', '']],
    ['Kepware', ['KEPServerEX', 'Kepware', '']],
    ['Ignition', ['Ignition OPC UA Server', 'Inductive Automation', '']],
    [undefined, ['open62541 OPC UA Server', 'open62541', '']],
  ])('%s is recognised by what it says of itself', (name, buildInfo) => {
    expect(recogniseMake(buildInfo)?.name).toBe(name)
  })

  it('limits what the server does not limit itself', () => {
    const wago = recogniseMake(['WAGO'])
    expect(limitedBy({ read: 0, write: 50, monitor: 1_000, translate: 0 }, wago)).toMatchObject({ read: 100, write: 50, monitor: 100 })
    expect(limitedBy({ read: 0, write: 50, monitor: 0, translate: 0 }, undefined)).toMatchObject({ read: 0, write: 50 })
  })

  it('is asked no faster, and for no more items, than it can', async () => {
    await using parts = new AsyncDisposableStack()
    const peer = await peerIn(parts, { product: 'CPU 1214C DC/DC/DC', count: 1_005 })
    const connection = await connect(parts, peer.url, numbered(1_005))
    const latest = await latestOf(connection)
    await soon(() => latest.size).toBe(1_005)
    expect([stateOf(connection, 'reported'), stateOf(connection, 'read')]).toEqual([1_000, 5])
  })

  it('is asked one thing at a time where it counts the nodes of all requests', async () => {
    await using parts = new AsyncDisposableStack()
    const peer = await peerIn(parts, { product: 'SIMATIC S7-1500', count: 600, nodesUnderWayMax: 1_000 })
    const connection = await connect(parts, peer.url, [...numbered(600), plant('Slow')])
    const all = Array.from({ length: 601 }, (_, tag) => tag)
    const reads = await Promise.all([connection.read(all, until()), connection.read(all, until())])
    expect(reads.map((read) => read.at(-1)?.value)).toEqual([1, 1])
  })
})
