import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { describe, expect, it, vi } from 'vitest'
import { runProgram } from '../../src/cli/program.ts'
import { startPrivateSocket } from '../../src/north/api/private-socket.ts'
import { connectClient, startGateway, site as topics } from '../north/broker/gateway.ts'
import { freePort, startProgram } from '../north/support/program.ts'
import { startAuthority } from '../support/certificates.ts'
import { DaemonProcess, plcFile } from '../support/daemon-process.ts'
import { makeStateFolder } from '../support/state-folder.ts'

interface Around {
  readonly input?: string
  readonly stop?: AbortSignal
  readonly environment?: NodeJS.ProcessEnv
}

async function lineside(args: readonly string[], { input, stop, environment = {} }: Around = {}) {
  const said = { out: '', error: '' }
  const code = await runProgram(args, {
    out: (text) => {
      said.out += text
    },
    error: (text) => {
      said.error += text
    },
    environment,
    input: input === undefined ? new PassThrough().end() : Readable.from([input]),
    ...(stop === undefined ? {} : { stop }),
  })
  return { code, ...said }
}

/** A broker with a private socket, as a gateway has it, and the folder of its site. */
async function startSite(mqtt: object = { anonymous: false }) {
  const parts = new AsyncDisposableStack()
  const folder = parts.use(makeStateFolder())
  await writeFile(join(folder.path, 'lineside.yaml'), 'site: acme/line-1\nstorage: { path: . }\n')
  const gateway = parts.use(await startGateway({ mqtt, stateFolder: folder.path }))
  const onMqtt = gateway.broker.receivePrivate
  parts.use(await startPrivateSocket(join(folder.path, 'lineside.sock'), (_request, response) => response.end(), { onMqtt }))
  return { gateway, folder: folder.path, [Symbol.asyncDispose]: () => parts.disposeAsync() }
}

describe('lineside user', () => {
  it('adds, lists, changes and removes users, and shows no hash', async () => {
    await using site = await startSite()
    const on = ['--site', site.folder]
    const added = await lineside(['user', 'add', 'anna', '--role', 'admin', '--stdin', ...on], { input: 'correct horse\n' })
    expect(added).toMatchObject({ code: 0, out: 'anna may come in as admin.\n' })
    expect(
      await lineside(['user', 'add', 'scale', '--certificate', 'scale.example', '--no-password', '--read', 'a/#', ...on]),
    ).toMatchObject({ code: 0 })
    const random = await lineside(['user', 'add', 'bob', '--random', ...on])
    const [, password = ''] = /The password is (\S+)/.exec(random.out) ?? []
    await using _bob = await connectClient(site.gateway, { username: 'bob', password })
    const list = await lineside(['user', 'list', '--json', ...on])
    expect(JSON.parse(list.out)).toEqual({
      users: [
        { name: 'anna', role: 'admin', hasPassword: true, certificates: [] },
        { name: 'scale', role: 'viewer', hasPassword: false, certificates: ['scale.example'], read: ['a/#'] },
        { name: 'bob', role: 'viewer', hasPassword: true, certificates: [] },
      ],
    })
    expect((await lineside(['user', 'list', ...on])).out).toContain('scale                 viewer    certificate scale.example  reads a/#')
    expect(await lineside(['user', 'passwd', 'bob', '--stdin', ...on], { input: 'battery staple' })).toMatchObject({ code: 0 })
    await using _again = await connectClient(site.gateway, { username: 'bob', password: 'battery staple' })
    expect(await lineside(['user', 'remove', 'bob', ...on])).toMatchObject({ code: 0 })
    expect(await lineside(['user', 'remove', 'bob', ...on])).toMatchObject({ code: 1, error: expect.stringContaining('user.unknown') })
  })

  it.each([
    [['add', 'anna', '--stdin'], 'short', 2, 'usage.password'],
    [['add', 'anna', '--stdin'], '', 2, 'usage.password'],
    [['add', 'anna'], '', 2, 'usage.password'],
    [['add', 'anna', '--no-password'], '', 2, 'usage.password'],
    [['add', 'anna', '--random', '--write', 'a/#/b'], '', 2, 'usage.user'],
    [['add', 'anna', '--role', 'king'], '', 2, 'Allowed choices'],
    [['passwd', 'nobody', '--random'], '', 1, 'user.unknown'],
  ])('answers %j with %j and exit code %i', async (args, input, code, text) => {
    await using site = await startSite()
    const ran = await lineside(['user', ...args, '--site', site.folder], { input })
    expect(ran).toMatchObject({ code, error: expect.stringContaining(text) })
  })
})

describe('lineside mqtt', () => {
  it('reads and publishes on the gateway itself without a password, whatever the site says', async () => {
    await using site = await startSite()
    const reading = lineside(['mqtt', 'sub', 'chat/#', '$SYS/broker/version', '--count', '2', '--site', site.folder])
    await vi.waitFor(() => expect(site.gateway.metric('lineside_mqtt_clients')).toBe(1))
    await vi.waitFor(async () => {
      expect(await lineside(['mqtt', 'pub', 'chat/1', 'hello', '--retain', '--site', site.folder])).toMatchObject({ code: 0 })
    })
    const { code, out, error } = await reading
    expect({ code, error }).toEqual({ code: 0, error: '' })
    expect(out).toMatch(/^\$SYS\/broker\/version lineside version \S+\nchat\/1 hello\n$/)
  })

  it('prints JSON, and nothing that steers a terminal', async () => {
    await using site = await startSite({ anonymous: { role: 'operator' } })
    await using writer = await connectClient(site.gateway)
    await writer.mqtt.publishAsync('a/1', '\u001b[2Jhello', { qos: 1, retain: true })
    await writer.mqtt.publishAsync('a/2', Buffer.from([0xff, 0x00]), { qos: 1, retain: true })
    const sub = (...more: readonly string[]) => lineside(['mqtt', 'sub', 'a/#', '--count', '2', '--site', site.folder, ...more])
    expect((await sub()).out).toBe('a/1 �[2Jhello\na/2 (2 bytes)\n')
    const lines = (await sub('--json')).out.trim().split('\n')
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
      { topic: 'a/1', payload: '\u001b[2Jhello', qos: 0, retained: true },
      { topic: 'a/2', base64: '/wA=', qos: 0, retained: true },
    ])
  })

  it('uses any broker by its address: refused is 1, not there is 3', async () => {
    await using site = await startSite()
    await lineside(['user', 'add', 'anna', '--role', 'operator', '--stdin', '--site', site.folder], { input: 'correct horse' })
    const url = `mqtt://127.0.0.1:${site.gateway.port}`
    const as = (password: string, user = 'anna') => ({
      args: ['mqtt', 'pub', `${topics}/press-07/recipe/setpoint/set`, '5', '--url', url, '--user', user],
      around: { environment: { LINESIDE_MQTT_PASSWORD: password } },
    })
    const good = as('correct horse')
    expect(await lineside(good.args, good.around)).toMatchObject({ code: 0 })
    await vi.waitFor(() => expect(site.gateway.asked).toHaveLength(1))
    const bad = as('wrong horse')
    expect(await lineside(bad.args, bad.around)).toMatchObject({ code: 1, error: expect.stringContaining('mqtt.refused') })
    const nowhere = `mqtt://127.0.0.1:${await freePort()}`
    expect(await lineside(['mqtt', 'sub', '#', '--url', nowhere])).toMatchObject({ code: 3 })
    expect(await lineside(['mqtt', 'sub', '#', '--url', 'http://x'])).toMatchObject({ code: 2 })
    expect(await lineside(['mqtt', 'pub', 'a/#', 'x', '--url', url])).toMatchObject({ code: 2 })
    const sys = await lineside(['mqtt', 'sub', '$SYS/#', '--url', url, '--user', 'anna'], good.around)
    expect(sys).toMatchObject({ code: 1, error: expect.stringContaining('mqtt.not-subscribed') })
  })

  it('says of a filter that it is none, and of a certificate whom to name', async () => {
    await using authority = await startAuthority()
    const { cert, key } = await authority.issue('server', { names: 'DNS:localhost' })
    await using site = await startSite({ anonymous: { role: 'operator' }, tls: { port: 0, cert, key } })
    const url = `mqtts://localhost:${site.gateway.broker.tlsPort}`
    const pub = (...more: readonly string[]) => lineside(['mqtt', 'pub', 'a', 'x', '--url', url, ...more])
    expect(await lineside(['mqtt', 'sub', 'a/#/b', '--url', url])).toMatchObject({ code: 2, error: expect.stringContaining('usage.topic') })
    expect(await pub()).toMatchObject({ code: 3, error: expect.stringContaining('--ca') })
    expect(await pub('--ca', `${cert}.none`)).toMatchObject({ code: 2, error: expect.stringContaining('usage.ca') })
    expect(await pub('--ca', authority.ca)).toMatchObject({ code: 0 })
  })

  it('reads from mosquitto, too', async () => {
    const port = await freePort()
    await using _mosquitto = startProgram('/usr/sbin/mosquitto', ['-p', String(port)])
    const url = `mqtt://127.0.0.1:${port}`
    await vi.waitFor(
      async () => expect(await lineside(['mqtt', 'pub', 'a', 'x', '--retain', '--url', url])).toMatchObject({ code: 0 }),
      10_000,
    )
    expect(await lineside(['mqtt', 'sub', 'a', '--count', '1', '--url', url])).toMatchObject({ code: 0, out: 'a x\n' })
  })

  it('says that the gateway does not run', async () => {
    using folder = makeStateFolder()
    await writeFile(join(folder.path, 'lineside.yaml'), 'site: acme/line-1\nstorage: { path: . }\n')
    expect(await lineside(['mqtt', 'sub', '#', '--site', folder.path])).toMatchObject({ code: 3 })
  })
})

/** The event has gone through the journal and control to the broker. */
async function tellsOfRefusals(port: number, admin: { readonly username: string; readonly password: string }): Promise<void> {
  await using reader = await connectClient({ port }, admin)
  await reader.mqtt.subscribeAsync('lineside/+/events/access.refused')
  for (const wrong of ['one', 'two']) await expect(connectClient({ port }, { username: 'admin', password: wrong })).rejects.toThrow()
  await vi.waitFor(() => expect(reader.got).toHaveLength(1), 10_000)
  expect(JSON.parse(reader.got[0]?.payload ?? '')).toMatchObject({ subject: 'mqtt', data: { user: 'admin', times: 1 } })
}

async function usesItOverHttp(url: string, password: string): Promise<void> {
  const remote = ['--url', url, '--user', 'admin']
  expect(await lineside(['tags', ...remote], { environment: { LINESIDE_PASSWORD: password } })).toMatchObject({ code: 0 })
  const refused = await lineside(['tags', ...remote], { environment: { LINESIDE_PASSWORD: 'wrong' } })
  expect(refused).toMatchObject({ code: 1, error: expect.stringContaining('access.user-unknown') })
}

describe('the first start of a gateway', () => {
  it('makes an admin, shows his password once, and asks for it from then on', { timeout: 90_000 }, async () => {
    await using daemon = await DaemonProcess.start({ devices: { press: plcFile('press', await freePort()) } })
    await vi.waitFor(() => expect(daemon.lines.join('\n')).toContain('The first user of this gateway is admin'), 10_000)
    const [, password = ''] = /with the password (\S+)/.exec(daemon.lines.join('\n')) ?? []
    const state = join(daemon.folder, 'state')
    expect(await readFile(join(state, 'first-password'), 'utf8')).toBe(`${password}\n`)
    await using _admin = await connectClient({ port: daemon.mqttPort }, { username: 'admin', password })
    await vi.waitFor(() => expect(rm(join(state, 'first-password'))).rejects.toThrow('ENOENT'))
    await tellsOfRefusals(daemon.mqttPort, { username: 'admin', password })
    await usesItOverHttp(daemon.url, password)
    await daemon.end('SIGTERM')
    await daemon.start()
    expect(daemon.lines.join('\n')).not.toContain('The first user')
    await using _again = await connectClient({ port: daemon.mqttPort }, { username: 'admin', password })
  })
})
