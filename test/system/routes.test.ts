import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { startProgram } from '../north/support/program.ts'
import { DaemonProcess, plcFile } from '../support/daemon-process.ts'
import { lineside } from '../support/lineside-program.ts'
import { startModbusDevice } from '../support/modbus-device.ts'
import { mbpoll, startLibmodbusServer } from '../support/modbus-peers.ts'
import { startOpcuaPeer } from '../support/opcua-peer-process.ts'

const slow = 120_000
const main = new URL('../../bin/lineside.js', import.meta.url).pathname

interface Heard {
  readonly path: string
  readonly id: string
  readonly type: string
  readonly token: string
  readonly body: string
}

/** An HTTP application that says what a test wants it to say. */
async function startApplication() {
  const heard: Heard[] = []
  const application = { heard, answer: (_: Heard): number | 'silence' => 200 }
  const server: Server = createServer(async (request, response) => {
    const said = await heardIn(request)
    heard.push(said)
    const answer = application.answer(said)
    if (answer === 'silence') return
    response.writeHead(answer)
    response.end(answer === 200 ? '' : 'not today')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return Object.assign(application, {
    url: `http://127.0.0.1:${port}/api`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  })
}

async function heardIn(request: IncomingMessage): Promise<Heard> {
  let body = ''
  for await (const chunk of request) body += String(chunk)
  const { 'idempotency-key': id = '', 'content-type': type = '', 'x-token': token = '' } = request.headers
  return { path: `${request.method} ${request.url}`, id: String(id), type, token: String(token), body }
}

const boiler = (url: string) => `device: boiler
driver: opcua
connection: { url: "${url}", security: None, trust: any }
opcua: { publishing: 50ms, sampling: 20ms }
tags:
  level: { node: "nsu=urn:test:plant;s=Double", type: f64, write: { min: 0, max: 500, tolerance: 0.01 } }
`

async function publish(daemon: DaemonProcess, topic: string, messages: readonly string[]): Promise<void> {
  for (const message of messages) {
    const program = startProgram('mosquitto_pub', ['-p', String(daemon.mqttPort), '-q', '1', '-t', topic, '-m', message])
    expect(await program.exit).toBe(0)
  }
}

describe('a route between protocols', () => {
  it('carries an OPC UA value to a Modbus register, and the next one too', { timeout: slow }, async () => {
    await using server = await startOpcuaPeer()
    await using oven = await startLibmodbusServer()
    const extra = `routes:
  - { route: follow, from: { tag: boiler/level }, where: value < 100, map: value + 0.5, to: { tag: oven/setpoint } }
`
    await using daemon = await DaemonProcess.start({ extra, devices: { boiler: boiler(server.url), oven: plcFile('oven', oven.port) } })
    await vi.waitFor(async () => expect(await daemon.tag('oven/setpoint')).toMatchObject({ value: 22 }), 20_000)
    server.set('Double', 43.25)
    await vi.waitFor(async () => expect(await daemon.tag('oven/setpoint')).toMatchObject({ value: 43.75 }), 20_000)
    expect(await mbpoll(oven.port, { type: '4', start: 10, count: 2 })).toEqual(['16943', '0']) // 43.75 as IEEE 754, high word first
    server.set('Double', 300)
    server.set('Double', 7)
    await vi.waitFor(async () => expect(await daemon.tag('oven/setpoint')).toMatchObject({ value: 7.5 }), 20_000)
    server.set('Double', 99.9) // with the half more than the setpoint takes
    await vi.waitFor(async () => expect(await daemon.metric('lineside_route_items_total', 'outcome="dropped"')).toBe(1), 20_000)
    expect(await daemon.metric('lineside_route_items_total', 'outcome="dead"')).toBe(0)
    const site = ['--site', join(daemon.folder, 'site')]
    expect((await lineside(['routes', ...site])).out).toMatch(/follow .* 1 dropped.*\(command\.range\)/)
    expect((await lineside(['events', '--type', 'route.*', ...site])).out).toContain('route.dropped  follow')
  })

  it('carries an MQTT message to an OPC UA node', { timeout: slow }, async () => {
    await using server = await startOpcuaPeer()
    const extra = `routes:
  - { route: set-level, from: { topic: acme/test/line-1/cell/+/wanted }, where: trigger.payload.unit == "mm", map: trigger.payload.level, to: { tag: boiler/level } }
`
    await using daemon = await DaemonProcess.start({ extra, devices: { boiler: boiler(server.url) } })
    await vi.waitFor(async () => expect(await daemon.tag('boiler/level')).toMatchObject({ value: 21.5 }), 20_000)
    await publish(daemon, 'acme/test/line-1/cell/7/wanted', ['{"level":99,"unit":"inch"}', '{"level":123.5,"unit":"mm"}'])
    await vi.waitFor(async () => expect(await daemon.tag('boiler/level')).toMatchObject({ value: 123.5 }), 20_000)
    await publish(daemon, 'acme/test/line-1/cell/7/wanted', ['{"level":501,"unit":"mm"}']) // more than the tag takes
    const dead = await vi.waitFor(async () => {
      const { code, out } = await lineside(['events', 'dead', '--json', '--site', join(daemon.folder, 'site')])
      expect(code).toBe(1)
      return JSON.parse(out) as object
    }, 20_000)
    expect(dead).toMatchObject({
      route: 'set-level',
      code: 'command.range',
      event: { type: 'mqtt.message', subject: 'acme/test/line-1/cell/7/wanted' },
    })
  })
})

describe('a route to a service', () => {
  it('sends its key with each try, holds up no other route, and leaves what it cannot deliver to be sent again', {
    timeout: slow,
  }, async () => {
    await using broken = await startApplication()
    await using mes = await startApplication()
    await using press = await startModbusDevice()
    broken.answer = () => 503
    process.env['LINESIDE_SECRET_MES_TOKEN'] = 'very secret'
    const extra = `services:
  broken: { url: "${broken.url}", timeout: 1s }
  mes: { url: ["${mes.url}"], headers: { X-Token: "\${secret:MES_TOKEN}" }, timeout: 2s }
routes:
  - { route: to-broken, from: { topic: orders/# }, to: { service: broken }, retry: { attempts: 2, wait: 10ms } }
  - { route: to-mes, from: { topic: orders/# }, map: { order: "\${trigger.payload}", at: "\${trigger.topic}" }, to: { service: mes, path: /orders, method: PUT } }
  - { route: news, from: { event: breaker.* }, to: { topic: shift/news } }
`
    await using daemon = await DaemonProcess.start({ extra, devices: { press: plcFile('press', press.port) } })
    await using news = startProgram('mosquitto_sub', ['-p', String(daemon.mqttPort), '-t', 'shift/news', '-q', '1'])
    await publish(daemon, 'orders/7', ['1', '2', '3'])
    await vi.waitFor(() => expect(mes.heard).toHaveLength(3), 20_000)
    expect(mes.heard.map(({ path, token, body }) => [path, token, body])).toEqual(
      [1, 2, 3].map((order) => ['PUT /api/orders', 'very secret', `{"order":${order},"at":"orders/7"}`]),
    )
    const site = ['--site', join(daemon.folder, 'site')]
    await vi.waitFor(async () => expect((await lineside(['events', 'dead', ...site])).out.split('\n')).toHaveLength(4), 30_000)
    const tries = Map.groupBy(broken.heard, ({ id }) => id)
    expect([...tries.values()].map(({ length }) => length)).toEqual([2, 2, 2])
    await vi.waitFor(() => expect(news.lines.join('\n')).toContain('"type":"breaker.opened","subject":"service broken"'), 20_000)
    expect((await lineside(['routes', ...site])).out).toMatch(/to-broken .*3 dead letters/)
    broken.answer = () => 200
    broken.heard.length = 0
    expect((await lineside(['events', 'dead', '--route', 'to-broken', '--retry', 'all', ...site])).out).toBe(
      '3 letters on the way again.\n',
    )
    await vi.waitFor(() => expect(broken.heard).toHaveLength(3), 30_000)
    expect(broken.heard.map(({ id, type }) => [tries.has(id), type])).toEqual(Array(3).fill([true, 'application/cloudevents+json']))
    await vi.waitFor(
      async () => expect(await lineside(['events', 'dead', ...site])).toMatchObject({ code: 0, out: 'No dead letters.\n' }),
      10_000,
    )
    expect((await lineside(['routes', ...site])).out).not.toContain('dead letter')
    await vi.waitFor(() => expect(news.lines.join('\n')).toContain('breaker.closed'), 20_000)
  })
})

describe('what a daemon had taken when it was killed', () => {
  it('is routed in its order, and only the one under way comes twice', { timeout: slow }, async () => {
    await using mes = await startApplication()
    await using press = await startModbusDevice()
    const extra = `services:
  mes: { url: "${mes.url}", timeout: 60s }
routes:
  - { route: to-mes, from: { topic: orders/# }, to: { service: mes } }
  - { route: lives, from: { event: device.online }, to: { service: mes, path: /lives } }
`
    await using daemon = await DaemonProcess.start({ extra, devices: { press: plcFile('press', press.port) } })
    const orders = () => mes.heard.filter(({ path }) => path === 'POST /api/')
    mes.answer = ({ path }) => (path === 'POST /api/' && orders().length > 3 ? 'silence' : 200)
    const all = Array.from({ length: 10 }, (_, order) => `order-${order}`)
    await publish(daemon, 'orders/7', all) // each acknowledged
    await vi.waitFor(() => expect(orders()).toHaveLength(4), 20_000)
    await daemon.end('SIGKILL')
    mes.answer = () => 200
    await daemon.start()
    await vi.waitFor(() => expect(orders()).toHaveLength(11), 20_000)
    const payloads = orders().map(({ body }) => (JSON.parse(body) as { data: { payload: string } }).data.payload)
    expect(payloads).toEqual([...all.slice(0, 4), ...all.slice(3)])
    expect(new Set(orders().map(({ id }) => id)).size).toBe(10)
    await vi.waitFor(
      () => expect(new Set(mes.heard.filter(({ path }) => path.endsWith('/lives')).map(({ id }) => id)).size).toBe(2),
      20_000,
    )
  })
})

describe('lineside events', () => {
  it('tells what happened while the daemon runs, goes on telling, and tells it from the file when it is down', {
    timeout: slow,
  }, async () => {
    await using press = await startModbusDevice()
    const noticed = 'flow: noticed\non: [{ event: command.done }]\nsteps: [{ id: note, log: { text: "${trigger.subject}" } }]\n'
    await using daemon = await DaemonProcess.start({ devices: { press: plcFile('press', press.port) }, flows: { noticed } })
    const site = ['--site', join(daemon.folder, 'site')]
    await using following = startProgram(process.execPath, [
      main,
      'events',
      '--follow',
      '--json',
      '--type',
      'device.*',
      'command.done',
      ...site,
    ])
    await vi.waitFor(async () => expect((await lineside(['events', ...site])).out).toContain('device.online  press'), 20_000)
    expect(await lineside(['write', 'press/setpoint', '20', ...site])).toMatchObject({ code: 0 })
    const filtered = ['events', '--type', 'command.*', '--subject', 'press/*', '--since', '1h', '--json', ...site]
    const live = await lineside(filtered)
    const shown = live.out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { readonly type: string; readonly id: string; readonly source: string })
    expect(shown).toMatchObject([
      { specversion: '1.0', type: 'command.asked', subject: 'press/setpoint', source: 'acme/test/line-1', data: { value: 20 } },
      { type: 'command.done', datacontenttype: 'application/json' },
    ])
    expect((await lineside(['events', '--type', 'nothing.*', ...site])).code).toBe(1)
    await using played = startProgram('mosquitto_sub', ['-p', String(daemon.mqttPort), '-t', 'again/#', '-q', '1', '-C', '1'])
    await vi.waitFor(async () => {
      const replay = ['events', 'replay', '--from', '1h', '--to', 'topic:again/commands', '--type', 'command.done', ...site]
      expect(await lineside(replay)).toMatchObject({ code: 0, error: '1 event replayed.\n' })
      expect(played.lines.join()).toContain(shown[1]?.id)
    }, 20_000)
    const nowhere = ['events', 'replay', '--from', '1h', '--to', 'topic:acme/test/line-1/press/setpoint', ...site]
    expect(await lineside(nowhere)).toMatchObject({
      code: 1,
      error: expect.stringMatching(/^The gateway passes on nothing at .*\n {4}Take /) as string,
    })
    for (const told of ['1 of them to noticed', '0 of them to noticed; 1 already had its run']) {
      const replay = ['events', 'replay', '--from', '1h', '--to', 'flow:noticed', '--type', 'command.*', ...site]
      expect(await lineside(replay)).toMatchObject({ code: 0, error: `2 events replayed, ${told}.\n` })
    }
    const triggers = (await lineside(['events', '--type', 'flow.started', ...site])).out.trim().split('\n')
    expect(triggers.map((line) => line.includes('"replayedBy":"local"'))).toEqual([false, true])
    await vi.waitFor(() => expect(following.lines.join('\n')).toMatch(/device\.online(.|\n)*command\.done/), 20_000)
    await daemon.end('SIGTERM')
    const later = await lineside(filtered)
    expect(later).toMatchObject({ code: 0, out: live.out, error: 'The gateway does not run; this is what its journal holds.\n' })
    const file = join(daemon.folder, 'all.jsonl')
    expect(await lineside(['events', 'replay', '--from', '2026-01-01T00:00:00Z', '--to', `file:${file}`, ...site])).toMatchObject({
      code: 0,
    })
    expect(await lineside(['events', 'dead', '--retry', 'all', ...site])).toMatchObject({ code: 3 })
  })
})
