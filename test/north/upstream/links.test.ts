import { copyFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { epochMs } from '../../../src/base/clock.ts'
import { startCable } from '../../support/cable.ts'
import { startAuthority } from '../../support/certificates.ts'
import { startLedgerChecker } from '../../support/ledger-checker.ts'
import { freePort, startProgram } from '../support/program.ts'
import { FarBroker } from './far-broker.ts'
import { site, startLine } from './line.ts'
import { startEjabberd, startNats } from './other-makes.ts'

describe('the link to an upstream', () => {
  afterEach(() => void vi.unstubAllEnvs())

  it('carries a ledger over MQTT 5 by which a receiver above sees that nothing is missing', { timeout: 30_000 }, async () => {
    await using far = new FarBroker(await freePort())
    await far.start()
    await using checker = await startLedgerChecker(far.port, '#')
    await using line = await startLine(far.url)
    for (let call = 0; call < 10; call += 1) await line.accept(...Array.from({ length: 50 }, (_, place) => ({ subject: `t/${place % 5}` })))
    await vi.waitFor(async () => expect(await line.waiting()).toBe(0), { timeout: 10_000 })
    expect(await line.books()).toMatchObject([{ stream: 'events', accepted: 500, sent: 500, missing: 0 }])
    expect(line.upstream.status()).toMatchObject({ state: 'online', version: 5 })
    const verdicts = await checker.finish(500)
    expect(Object.keys(verdicts)).toEqual([expect.stringMatching(/^edge-07\/plant\/\d+\/events$/)])
    expect(Object.values(verdicts)).toEqual([{ highest: 500, received: 500, twice: 0, declared: 0, missing: 0, disordered: 0 }])
  })

  it('falls back to MQTT 3.1.1 where the far broker knows no 5, tells it, and numbers the payloads if asked to', {
    timeout: 40_000,
  }, async () => {
    await using nats = await startNats()
    await using checker = await startLedgerChecker(nats.port, 't/#', { version: '3.1.1' })
    await using line = await startLine(nats.url, { ledger: 'payload' })
    await line.accept(...Array.from({ length: 300 }, (_, place) => ({ subject: `t/${place % 5}` })))
    await vi.waitFor(async () => expect(await line.waiting()).toBe(0), { timeout: 20_000 })
    expect(line.upstream.status()).toMatchObject({ state: 'online', version: '3.1.1' })
    const [verdict] = Object.values(await checker.finish(300))
    expect(verdict).toEqual({ highest: 300, received: 300, twice: 0, declared: 0, missing: 0, disordered: 0 })
    expect(line.log.lines.filter(({ message }) => message.includes('3.1.1 is tried'))).toHaveLength(1)
  })

  it('is the same with a second make of broker that speaks 5, user, canary and all', { timeout: 60_000 }, async () => {
    vi.stubEnv('LINESIDE_SECRET_ANY', 'swordfish')
    await using ejabberd = await startEjabberd()
    await using checker = await startLedgerChecker(ejabberd.port, 't/#', { user: 'checker' })
    await using line = await startLine(ejabberd.url, { user: 'edge-07', password: '${secret:any}', canary: '2s' })
    await line.accept(...Array.from({ length: 300 }, (_, place) => ({ subject: `t/${place % 5}` })))
    await vi.waitFor(async () => expect(await line.waiting()).toBe(0), { timeout: 20_000 })
    await vi.waitFor(() => expect(line.upstream.status()).toMatchObject({ state: 'online', version: 5, echoAgeMs: expect.any(Number) }), {
      timeout: 10_000,
    })
    const [verdict] = Object.values(await checker.finish(300))
    expect(verdict).toEqual({ highest: 300, received: 300, twice: 0, declared: 0, missing: 0, disordered: 0 })
  })

  it('is found half-open by its canary, long before TCP would, and nothing is lost', { timeout: 40_000 }, async () => {
    await using far = new FarBroker(await freePort())
    await far.start()
    await using cable = await startCable(far.port)
    await using line = await startLine(`mqtt://127.0.0.1:${cable.port}`, { keepalive: '60s', canary: '1s' })
    await vi.waitFor(() => expect(line.upstream.status().echoAgeMs).toBeLessThan(1_000), { timeout: 5_000 })
    cable.freeze()
    const frozenAt = performance.now()
    await vi.waitFor(() => expect(line.upstream.status().lastFault?.code).toBe('upstream.half-open'), { timeout: 10_000 })
    expect(performance.now() - frozenAt).toBeLessThan(5_000)
    await line.accept({ subject: 't/1' }, { subject: 't/2' })
    cable.mend()
    await vi.waitFor(async () => expect(await line.waiting()).toBe(0), { timeout: 15_000 })
    expect(far.received()).toEqual(['t/1', 't/2'])
  })

  it('stays where the far broker gives no canary back, and where it is slow', { timeout: 30_000 }, async () => {
    const rules = join(tmpdir(), `lineside-acl-${process.pid}`)
    await writeFile(rules, 'topic write t/#\ntopic read t/#\n')
    await using far = new FarBroker(await freePort(), `acl_file ${rules}\n`)
    await far.start()
    await using line = await startLine(far.url, { canary: '1s' })
    await vi.waitFor(() => expect(line.metric('connected')).toBe(1), { timeout: 5_000 })
    const until = performance.now() + 3_500
    while (performance.now() < until) {
      await line.accept({ subject: 't/1' })
      await vi.waitFor(async () => expect(await line.waiting()).toBe(0), { timeout: 5_000 })
    }
    expect(line.metric('connects_total')).toBe(1)
    expect(line.upstream.status().echoAgeMs).toBeUndefined()
    await rm(rules)
  })

  it('comes about, without a canary, where the far broker hangs up on one', { timeout: 30_000 }, async () => {
    await using far = new FarBroker(await freePort())
    await far.start()
    await using cable = await startCable(far.port, { cutsAt: 'canary' })
    await using line = await startLine(`mqtt://127.0.0.1:${cable.port}`, { canary: '1s' })
    await vi.waitFor(() => expect(line.metric('connects_total')).toBe(2), { timeout: 10_000 })
    await line.accept({ subject: 't/1' })
    await vi.waitFor(async () => expect(await line.waiting()).toBe(0), { timeout: 10_000 })
    expect(line.metric('connected')).toBe(1)
  })

  it('takes out what the far broker will never take, counts it, and goes on', { timeout: 20_000 }, async () => {
    const rules = join(tmpdir(), `lineside-acl-2-${process.pid}`)
    await writeFile(rules, 'topic readwrite t/#\ntopic readwrite lineside/#\n')
    await using far = new FarBroker(await freePort(), `acl_file ${rules}\nmax_packet_size 20000\n`)
    await far.start()
    await using line = await startLine(far.url)
    await line.accept({ subject: 't/1' }, { subject: 'forbidden/1' }, { subject: 't/2', body: 'x'.repeat(50_000) }, { subject: 't/3' })
    await vi.waitFor(async () => expect(await line.waiting()).toBe(0), { timeout: 10_000 })
    expect(await line.books()).toMatchObject([{ accepted: 4, sent: 2, refused: 2, missing: 0 }])
    expect(line.metric('connects_total')).toBe(1)
    await rm(rules)
  })

  it('keeps what is forbidden as long as nothing at all is taken, says so, and brings it up when that is mended', {
    timeout: 30_000,
  }, async () => {
    const rules = join(tmpdir(), `lineside-acl-3-${process.pid}`)
    await writeFile(rules, 'topic readwrite lineside/#\n')
    await using far = new FarBroker(await freePort(), `acl_file ${rules}\n`)
    await far.start()
    await using line = await startLine(far.url)
    await line.accept({ subject: 'forbidden/1' }, { subject: 't/1' }, { subject: 't/2' })
    await vi.waitFor(() => expect(line.upstream.status().lastFault).toMatchObject({ code: 'upstream.forbidden' }), { timeout: 15_000 })
    expect(await line.books()).toMatchObject([{ sent: 0, refused: 0, waiting: 3 }])
    await writeFile(rules, 'topic readwrite lineside/#\ntopic readwrite t/#\n')
    await far.stop('SIGKILL')
    await far.start()
    await vi.waitFor(async () => expect(await line.waiting()).toBe(0), { timeout: 15_000 })
    expect(await line.books()).toMatchObject([{ accepted: 3, sent: 2, refused: 1, missing: 0 }])
    await rm(rules)
  })

  it('keeps to the number of messages that the far broker lets be under way', { timeout: 20_000 }, async () => {
    await using far = new FarBroker(await freePort(), 'max_inflight_messages 3\n')
    await far.start()
    await using line = await startLine(far.url, { inflight: 500 })
    await line.accept(...Array.from({ length: 1_000 }, (_, place) => ({ subject: `t/${place}` })))
    await vi.waitFor(async () => expect(await line.waiting()).toBe(0), { timeout: 15_000 })
    expect(line.metric('connects_total')).toBe(1)
    expect(new Set(far.received()).size).toBe(1_000)
  })

  it('shows a certificate of its own, trusts the authority that it was told, and nobody else', { timeout: 30_000 }, async () => {
    await using authority = await startAuthority()
    await using stranger = await startAuthority()
    const server = await authority.issue('server', { names: 'DNS:broker.plant.example' })
    const client = await authority.issue('edge', { names: 'DNS:edge-07' })
    const port = await freePort()
    const tls = `listener ${port} 127.0.0.1\ncafile ${authority.ca}\ncertfile ${server.cert}\nkeyfile ${server.key}\nrequire_certificate true\nallow_anonymous true\nuser root\n`
    await using far = new FarBroker(await freePort(), tls)
    await far.start()
    const url = `mqtts://127.0.0.1:${port}`
    const own = { cert: client.cert, key: client.key, serverName: 'broker.plant.example' }
    await using line = await startLine(url, { tls: { ca: authority.ca, ...own } })
    await line.accept({ subject: 't/1' })
    await vi.waitFor(async () => expect(await line.waiting()).toBe(0), { timeout: 10_000 })
    await using wrong = await startLine(url, { tls: { ca: stranger.ca, ...own } })
    await vi.waitFor(() => expect(wrong.upstream.status().lastFault?.message).toMatch(/certificate|issuer/i), { timeout: 10_000 })
    await using bare = await startLine(url, { tls: { ca: authority.ca, serverName: 'broker.plant.example' } })
    await vi.waitFor(() => expect(bare.upstream.status().lastFault).toBeDefined(), { timeout: 10_000 })
    expect(bare.upstream.status().lastFault?.message).toMatch(/: no TLS connection comes about, [a-z0-9 ]*certificate required\.$/)
    expect(bare.metric('connected')).toBe(0)
    expect(far.received()).toEqual(['t/1'])
  })

  it('says what is wrong with certificates that do not fit each other, calls again, and takes them when they do', {
    timeout: 30_000,
  }, async () => {
    await using authority = await startAuthority()
    const server = await authority.issue('server', { names: 'DNS:broker.plant.example' })
    const client = await authority.issue('edge', { names: 'DNS:edge-07' })
    const port = await freePort()
    const tls = `listener ${port} 127.0.0.1\ncafile ${authority.ca}\ncertfile ${server.cert}\nkeyfile ${server.key}\nrequire_certificate true\nallow_anonymous true\nuser root\n`
    await using far = new FarBroker(await freePort(), tls)
    await far.start()
    const renewed = `${client.key}.renewed`
    await copyFile(server.key, renewed)
    const own = { ca: authority.ca, cert: client.cert, key: renewed, serverName: 'broker.plant.example' }
    await using line = await startLine(`mqtts://127.0.0.1:${port}`, { tls: own })
    const fault = (): unknown => line.upstream.status().lastFault
    await vi.waitFor(() =>
      expect(fault()).toMatchObject({ code: 'upstream.certificate', message: expect.stringContaining('key values mismatch') }),
    )
    await writeFile(renewed, '')
    await vi.waitFor(() => expect(fault()).toMatchObject({ message: expect.stringContaining('`key` holds nothing') }), { timeout: 10_000 })
    await copyFile(client.key, renewed)
    await line.accept({ subject: 't/1' })
    await vi.waitFor(async () => expect(await line.waiting()).toBe(0), { timeout: 15_000 })
  })

  it('maps topics both ways, and takes none of its own messages back', { timeout: 20_000 }, async () => {
    await using far = new FarBroker(await freePort())
    await far.start()
    const published: string[] = []
    const map = [{ from: site, to: 'de/munich' }]
    const receive = [{ from: '#', do: 'publish', rate: 1_000 }]
    await using line = await startLine(
      far.url,
      { map, receive },
      { publish: async (messages) => void published.push(...messages.map(({ topic }) => topic)) },
    )
    await vi.waitFor(() => expect(line.metric('connected')).toBe(1))
    await line.accept({ subject: 'press/level', kind: 'sample' }, { subject: 'free/topic' })
    await vi.waitFor(async () => expect(await line.waiting()).toBe(0))
    expect(far.received()).toEqual(['de/munich/press/level', 'free/topic'])
    await using others = startProgram('/usr/bin/mosquitto_pub', ['-p', String(far.port), '-t', 'recipes/7', '-m', 'x', '-q', '1'])
    await others.exit
    await vi.waitFor(() => expect(published).toEqual(['recipes/7']), { timeout: 5_000 })
  })

  it.each(['5', '3.1.1'])(
    'keeps what it received in step with what the far broker keeps, over MQTT %s',
    { timeout: 20_000 },
    async (version) => {
      await using far = new FarBroker(await freePort())
      await far.start()
      const tell = async (payload: readonly string[], ...more: readonly string[]): Promise<void> => {
        await using program = startProgram('/usr/bin/mosquitto_pub', [
          '-p',
          String(far.port),
          '-t',
          'orders/7',
          '-q',
          '1',
          ...payload,
          ...more,
        ])
        await program.exit
      }
      await tell(['-m', 'old'], '-r')
      const published: (readonly [string, boolean | undefined])[] = []
      await using _line = await startLine(
        far.url,
        { version: version === '5' ? 5 : version, receive: [{ from: 'orders/#', do: 'publish', rate: 1_000 }] },
        {
          publish: async (messages) =>
            void published.push(...messages.map(({ payload, isRetained }) => [String(payload), isRetained] as const)),
        },
      )
      await vi.waitFor(() => expect(published).toEqual([['old', true]]), { timeout: 5_000 })
      await tell(['-m', 'new'], '-r')
      await tell(['-n'], '-r')
      await vi.waitFor(
        () =>
          expect(published.slice(1)).toEqual([
            ['new', true],
            ['', true],
          ]),
        { timeout: 5_000 },
      )
    },
  )

  it('says what may be wrong where another gateway of its name throws it out, again and again', { timeout: 60_000 }, async () => {
    await using far = new FarBroker(await freePort())
    await far.start()
    await using one = await startLine(far.url, { client: 'line-1' })
    await using other = await startLine(far.url, { client: 'line-1' })
    await vi.waitFor(
      () => {
        const faults = [one, other].map(({ upstream }) => upstream.status().lastFault)
        const thrownOut = { code: 'upstream.thrown-out', remedy: expect.stringContaining('"line-1"') }
        expect(faults).toMatchObject([thrownOut, thrownOut])
      },
      { timeout: 40_000 },
    )
    await one.accept({ subject: 't/1' })
    await other.accept({ subject: 't/2' })
    await vi.waitFor(async () => expect([await one.waiting(), await other.waiting()]).toEqual([0, 0]), { timeout: 40_000 })
  })

  it('brings a live value up at once while a backlog drains beside it', { timeout: 120_000 }, async () => {
    await using far = new FarBroker(await freePort())
    const rows = Array.from({ length: 20_000 }, (_, place) => ({ subject: `old/${place % 100}`, timeMs: epochMs(1_000) }))
    await using line = await startLine(far.url, { backlog: 2_000 })
    for (let from = 0; from < rows.length; from += 5_000) await line.accept(...rows.slice(from, from + 5_000))
    await far.start()
    await vi.waitFor(() => expect(far.received().length).toBeGreaterThan(1_500), { timeout: 10_000 })
    const latencies: number[] = []
    for (let sample = 0; sample < 20; sample += 1) {
      const begun = performance.now()
      await line.accept({ subject: `live/${sample}` })
      await vi.waitFor(() => expect(far.received()).toContain(`live/${sample}`), { timeout: 5_000, interval: 5 })
      latencies.push(performance.now() - begun)
    }
    expect(await line.waiting()).toBeGreaterThan(1_000)
    expect(latencies.toSorted((one, other) => one - other)[10]).toBeLessThan(500)
    await vi.waitFor(async () => expect(await line.waiting()).toBe(0), { timeout: 60_000 })
    expect(new Set(far.received()).size).toBe(120)
    expect(far.received()).toHaveLength(20_020)
  })
})
