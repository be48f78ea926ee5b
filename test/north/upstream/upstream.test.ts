import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { describe, expect, it, vi } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { upstreamConfigSchema } from '../../../src/north/upstream/config.ts'
import { startUpstream } from '../../../src/north/upstream/upstream.ts'
import { startCable } from '../../support/cable.ts'
import { memoryLog } from '../broker/gateway.ts'
import { freePort, startProgram } from '../support/program.ts'
import { FarBroker } from './far-broker.ts'
import { MemoryOutbox } from './memory-outbox.ts'

const site = 'acme/munich/packaging/line-1'
const node = 'edge-07'

function start(options: { readonly url: string; readonly config?: object; readonly outbox?: MemoryOutbox }) {
  const outbox = options.outbox ?? new MemoryOutbox()
  const log = memoryLog()
  const config = upstreamConfigSchema.parse({ url: options.url, keepalive: '1s', inflight: 20, canary: false, ...options.config })
  const upstream = startUpstream({ name: 'plant', config, site, node, outbox, clock: systemClock, chance: () => 0, log })
  return {
    upstream,
    outbox,
    log,
    metric: (name: string) => upstream.metrics().find((metric) => metric.name === `lineside_upstream_${name}`)?.value,
    [Symbol.asyncDispose]: () => upstream[Symbol.asyncDispose](),
  }
}

const message = (topic: string, body = '{}') => ({ kind: 'message', subject: topic, body }) as const

/** Each topic where it first stands; what comes again after a lost connection is a duplicate. */
function firsts(topics: readonly string[]): readonly string[] {
  return [...new Set(topics)]
}

describe('an upstream', () => {
  it('brings values and messages to mosquitto as they are, values retained, and says that the gateway is online', async () => {
    await using far = new FarBroker(await freePort())
    await far.start()
    const outbox = new MemoryOutbox()
    const body = '{"value":21.5,"quality":"good","time":"2026-11-21T02:30:00.123Z","unit":"°C"}'
    outbox.accept({ kind: 'sample', subject: 'press-07/oil-temp', body }, message('lineside/edge-07/events/flow.completed', '{"id":"1"}'))
    await using reader = startProgram('mosquitto_sub', ['-p', String(far.port), '-t', '#', '-q', '1', '-F', '%t %p'])
    await vi.waitFor(() => expect(far.lines().join('\n')).toContain('Sending SUBACK'), { timeout: 5_000 })
    await using line = start({ url: far.url, outbox })
    const expected = [
      `lineside/${node}/status online`,
      `${site}/press-07/oil-temp ${body}`,
      'lineside/edge-07/events/flow.completed {"id":"1"}',
    ]
    await vi.waitFor(() => expect(reader.lines.toSorted()).toEqual(expected.toSorted()), { timeout: 5_000 })
    await vi.waitFor(() => expect(outbox.rows).toEqual([]))
    await using later = startProgram('mosquitto_sub', ['-p', String(far.port), '-t', '#', '-F', '%r %t'])
    await vi.waitFor(() => expect(later.lines.toSorted()).toEqual([`1 ${site}/press-07/oil-temp`, `1 lineside/${node}/status`]))
    expect(line.upstream.status()).toMatchObject({ upstream: 'plant', state: 'online' })
    expect(line.metric('acknowledged_total')).toBe(2)
  })

  it('says offline when it is stopped, and its will says so when it is lost', async () => {
    await using far = new FarBroker(await freePort())
    await far.start()
    await using reader = startProgram('mosquitto_sub', ['-p', String(far.port), '-t', 'lineside/#', '-F', '%p'])
    await vi.waitFor(() => expect(far.lines().join('\n')).toContain('Sending SUBACK'), { timeout: 5_000 })
    const first = start({ url: far.url })
    await vi.waitFor(() => expect(reader.lines).toEqual(['online']))
    await first[Symbol.asyncDispose]()
    await vi.waitFor(() => expect(reader.lines).toEqual(['online', 'offline']))

    await using cable = await startCable(far.port)
    await using _second = start({ url: `mqtt://127.0.0.1:${cable.port}` })
    await vi.waitFor(() => expect(reader.lines).toEqual(['online', 'offline', 'online']))
    cable.cut()
    await vi.waitFor(() => expect(reader.lines).toEqual(['online', 'offline', 'online', 'offline']))
  })

  it('loses nothing and keeps the order of each tag while the broker is stopped, killed, frozen and restarted', {
    timeout: 60_000,
  }, async () => {
    await using far = new FarBroker(await freePort())
    await using line = start({ url: far.url })
    const sent: string[] = []
    const produce = setInterval(() => {
      for (const tag of ['pressure', 'level', 'speed']) {
        const topic = `t/${tag}/${Math.floor(sent.length / 3)}`
        sent.push(topic)
        line.outbox.accept(message(topic))
      }
    }, 5)
    const flows = async (more: number): Promise<void> => {
      const before = far.received().length
      await vi.waitFor(() => expect(far.received().length).toBeGreaterThan(before + more), { timeout: 20_000 })
    }
    try {
      await vi.waitFor(() => expect(line.upstream.status().lastFault?.code).toBe('upstream.cannot-connect'))
      await far.start() // it was not there at the start
      await flows(200)
      await far.stop('SIGTERM')
      await vi.waitFor(() => expect(line.outbox.rows.length).toBeGreaterThan(300))
      await far.start()
      await flows(600)
      await far.stop('SIGKILL')
      await far.start()
      await flows(200)
      far.signal('SIGSTOP')
      await vi.waitFor(() => expect(line.metric('connected')).toBe(0), { timeout: 10_000 })
      await vi.waitFor(() => expect(line.outbox.rows.length).toBeGreaterThan(300))
      far.signal('SIGCONT')
      await flows(600)
      await far.stop('SIGKILL')
      await far.start()
    } finally {
      clearInterval(produce)
    }
    await vi.waitFor(() => expect(line.outbox.rows).toEqual([]), { timeout: 20_000 })
    const received = firsts(far.received())
    for (const tag of ['pressure', 'level', 'speed']) {
      const of = (topics: readonly string[]) => topics.filter((topic) => topic.startsWith(`t/${tag}/`))
      expect(of(received)).toEqual(of(sent))
    }
    expect(line.metric('acknowledged_total')).toBeGreaterThanOrEqual(sent.length)
    const repeated = far.received().length - received.length
    expect(repeated).toBeLessThanOrEqual(line.metric('resent_total') ?? 0)
    const words = line.log.lines.filter(({ level }) => level === 'warn').length
    expect(words).toBeLessThanOrEqual(6) // one a loss, not one a try
  })

  it('has no more rows under way than it may, and removes none that was not acknowledged', async () => {
    const taken: Buffer[] = []
    let peer: Socket | undefined
    const server = createServer((socket) => {
      peer = socket
      socket.on('error', () => {})
      socket.on('data', (chunk) => {
        taken.push(chunk)
        if ((chunk[0] ?? 0) >> 4 === 1) socket.write(Buffer.from([0x20, 2, 0, 0])) // CONNACK, and never a PUBACK
      })
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    const port = typeof address === 'object' ? address?.port : 0
    const outbox = new MemoryOutbox()
    outbox.accept(...Array.from({ length: 100 }, (_, n) => message(`row-${n}-`)))
    await using line = start({ url: `mqtt://127.0.0.1:${port}`, config: { inflight: 10, keepalive: '2s', version: '3.1.1' }, outbox })
    const topics = () =>
      Buffer.concat(taken)
        .toString('latin1')
        .match(/row-\d+-/g) ?? []
    await vi.waitFor(() => expect(topics()).toHaveLength(9)) // the tenth is `online`
    expect(line.metric('inflight')).toBe(10)
    await vi.waitFor(() => expect(line.upstream.status().lastFault?.code).toMatch(/^upstream\.(silent|lost)$/), { timeout: 10_000 })
    await vi.waitFor(() => expect(topics().slice(9, 18)).toEqual(topics().slice(0, 9)), { timeout: 10_000 })
    expect(outbox.rows).toHaveLength(100)
    expect(line.metric('resent_total')).toBeGreaterThanOrEqual(9)
    peer?.destroy()
    server.close()
  })

  it('goes on when the outbox could not be read or emptied for a while', async () => {
    await using far = new FarBroker(await freePort())
    await far.start()
    await using line = start({ url: far.url })
    await vi.waitFor(() => expect(line.metric('connected')).toBe(1))
    line.outbox.isBroken = true
    line.outbox.accept(message('a/1'), message('a/2'))
    await vi.waitFor(() => expect(line.log.lines.map(({ message }) => message)).toContain('The outbox cannot be read now.'))
    line.outbox.isBroken = false
    await vi.waitFor(() => expect(line.outbox.rows).toEqual([]))
    expect(far.received()).toEqual(['a/1', 'a/2'])
  })

  it('takes a row out that no broker would take, and says so', async () => {
    await using far = new FarBroker(await freePort())
    await far.start()
    await using line = start({ url: far.url })
    const poison = ['a/#', '', 'a/\u0007', 'a/\u009f', 'a/\ufffe', 'a/\u{1ffff}', 'a/'.repeat(201)]
    line.outbox.accept(...poison.map((topic) => message(topic)), message('fine'))
    await vi.waitFor(() => expect(line.outbox.rows).toEqual([]), { timeout: 5_000 })
    expect(far.received()).toEqual(['fine'])
    expect(line.metric('unsendable_total')).toBe(poison.length)
    expect(line.upstream.status().lastFault).toBeUndefined()
  })

  it('does not hinder start or stop while there is no broker, or one that accepts and says nothing', async () => {
    const server = createServer((socket) => socket.on('error', () => {})).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    const mute = start({ url: `mqtt://127.0.0.1:${typeof address === 'object' ? address?.port : 0}` })
    const nobody = start({ url: `mqtt://127.0.0.1:${await freePort()}` })
    await vi.waitFor(() => expect(mute.upstream.status().lastFault?.code).toBe('upstream.cannot-connect'), { timeout: 5_000 })
    await vi.waitFor(() => expect(nobody.upstream.status().lastFault?.message).toContain('ECONNREFUSED'))
    await mute[Symbol.asyncDispose]()
    await nobody[Symbol.asyncDispose]()
    server.close()
  })

  it('shows user and password where they are set, and says which secret is missing', async () => {
    await using far = new FarBroker(await freePort(), 'allow_anonymous false\n')
    await far.start()
    await using line = start({ url: far.url, config: { user: 'edge', password: '${secret:plant-broker}' } })
    await vi.waitFor(() => expect(line.upstream.status().lastFault).toMatchObject({ code: 'secret.unknown' }))
    vi.stubEnv('LINESIDE_SECRET_PLANT_BROKER', 'swordfish')
    await vi.waitFor(() => expect(line.upstream.status().lastFault?.message).toMatch(/not authori[sz]ed/i), { timeout: 10_000 })
    expect(JSON.stringify(line.log.lines)).not.toContain('swordfish')
    vi.unstubAllEnvs()
  })
})
