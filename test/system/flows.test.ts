import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { DaemonProcess, plcFile } from '../support/daemon-process.ts'
import { lineside } from '../support/lineside-program.ts'
import { startModbusDevice } from '../support/modbus-device.ts'
import { startOpcuaClient } from '../support/opcua-client-process.ts'

const slow = 120_000

const flows = {
  bake: `flow: bake
version: 3
title: Bake a batch
on: [{ start: operator }]
input: { heat: { type: number, default: 50, range: [0, 90] } }
locks: [oven]
steps:
  - id: heat
    write: { oven/setpoint: "\${input.heat}" }
    undo: { write: { oven/setpoint: 0 } }
  - id: ask
    approve: { role: operator, text: "Is it brown?", within: 1h, default: fail }
  - id: burnt
    when: "!steps['ask'].result.approved"
    fail: burnt
`,
  told: `flow: told
on: [{ topic: orders/+, where: "trigger.payload.heat > 10" }]
steps:
  - id: heat
    write: { oven/setpoint: "\${trigger.payload.heat}" }
    undo: []
`,
}

const scada = `flow: scada
on: [{ start: operator }]
input: { heat: { type: number, range: [0, 90] } }
steps:
  - id: heat
    write: { oven/setpoint: "\${input.heat}" }
    undo: []
`

interface RunRow {
  readonly run: string
  readonly flow: string
  readonly state: string
}

describe('the flows of a gateway', () => {
  it('are begun, seen, held up, answered and cancelled by people, and survive kill -9 meanwhile', { timeout: slow }, async () => {
    await using oven = await startModbusDevice()
    await using daemon = await DaemonProcess.start({ devices: { oven: plcFile('oven', oven.port) }, flows })
    const site = ['--site', join(daemon.folder, 'site')]
    const say = (...words: readonly string[]) => lineside([...words, ...site])
    const runs = async (...words: readonly string[]): Promise<readonly RunRow[]> =>
      JSON.parse((await say('runs', '--json', ...words)).out) as RunRow[]
    const setpoint = () => vi.waitFor(async () => (await daemon.tag('oven/setpoint')).value, 10_000)
    await vi.waitFor(async () => expect(await daemon.tag('oven/setpoint')).toMatchObject({ quality: 'good' }), 10_000)

    expect((await say('start', 'bake', '--input', 'heat=95')).error).toContain('flow.bad-input')
    const started = await say('start', 'bake', '--input', 'heat=70')
    expect(started.out).toMatch(/bake was started: /)
    await vi.waitFor(async () => expect(await runs()).toMatchObject([{ flow: 'bake', state: 'asking' }]), 10_000)
    expect(await setpoint()).toBe(70)
    expect((await say('flows')).out).toMatch(/bake +v3 +1 running/)

    const [{ run } = { run: '' }] = await runs()
    expect((await say('pause', run, '--why', 'lunch')).out).toContain('is paused now')
    await daemon.end('SIGKILL')
    await daemon.start()
    expect(await runs()).toMatchObject([{ run, state: 'paused' }])
    expect((await say('resume', run)).code).toBe(0)
    await vi.waitFor(async () => expect(await runs()).toMatchObject([{ run, state: 'asking' }]), 10_000)
    expect((await say('runs', 'answer', run, 'ask', 'rejected', '--why', 'black')).code).toBe(0)
    await vi.waitFor(async () => expect(await runs('--state', 'failed')).toMatchObject([{ run, state: 'failed' }]), 10_000)
    await vi.waitFor(async () => expect(await setpoint()).toBe(0), 10_000)
    expect((await say('runs', run)).out).toMatch(/ask +decision .*answer.*rejected.*local \(api\)/)

    await say('start', 'bake')
    await vi.waitFor(async () => expect(await runs('--state', 'open')).toMatchObject([{ state: 'asking' }]), 10_000)
    const [{ run: other } = { run: '' }] = await runs('--state', 'open')
    expect((await say('cancel', other)).code).toBe(0)
    await vi.waitFor(async () => expect(await runs('--state', 'cancelled')).toMatchObject([{ run: other }]), 10_000)
    await vi.waitFor(async () => expect(await setpoint()).toBe(0), 10_000)

    expect((await say('runs', 'retry', run, 'ask')).code).toBe(0)
    await vi.waitFor(async () => expect(await runs('--state', 'open')).toMatchObject([{ run, state: 'asking' }]), 10_000)
    expect((await say('cancel', 'no-such-run')).code).toBe(1)
  })

  it('are begun by messages, and by whoever publishes to their topic', { timeout: slow }, async () => {
    await using oven = await startModbusDevice()
    await using daemon = await DaemonProcess.start({ devices: { oven: plcFile('oven', oven.port) }, flows })
    await vi.waitFor(async () => expect(await daemon.tag('oven/setpoint')).toMatchObject({ quality: 'good' }), 10_000)
    const { connectAsync } = await import('mqtt')
    const client = await connectAsync(`mqtt://127.0.0.1:${daemon.mqttPort}`)
    const results: string[] = []
    const states: string[] = []
    client.on('message', (topic, payload) => (topic.includes('/runs/') ? states : results).push(String(payload)))
    await client.subscribeAsync(['lineside/edge-test/flows/+/start/result', 'lineside/edge-test/flows/+/runs/+'])
    await client.publishAsync('lineside/edge-test/flows/bake/start', JSON.stringify({ heat: 60 }), { qos: 1 })
    await vi.waitFor(async () => expect(await daemon.tag('oven/setpoint')).toMatchObject({ value: 60 }), 10_000)
    await client.publishAsync('lineside/edge-test/flows/none/start', '', { qos: 1 })
    await vi.waitFor(
      () => expect(results.map((text) => (JSON.parse(text) as { readonly status: string }).status)).toEqual(['done', 'refused']),
      10_000,
    )
    await client.publishAsync('acme/test/line-1/orders/7', JSON.stringify({ heat: 5 }), { qos: 1 })
    await client.publishAsync('acme/test/line-1/orders/8', JSON.stringify({ heat: 25 }), { qos: 1 })
    await vi.waitFor(async () => expect(await daemon.tag('oven/setpoint')).toMatchObject({ value: 25 }), 10_000)
    const [bake = '{}'] = results
    await vi.waitFor(() => expect(states.join()).toMatch(/"state":"asking".*Is it brown/), 10_000)
    const { run } = JSON.parse(bake) as { readonly run: string }
    expect((await lineside(['cancel', run, '--site', join(daemon.folder, 'site')])).code).toBe(0)
    await vi.waitFor(() => expect(states.at(-1)).toBe(''), 10_000)
    await client.endAsync()
  })

  it('make up a pipeline, which is seen and steered as one', { timeout: slow }, async () => {
    await using oven = await startModbusDevice()
    await using daemon = await DaemonProcess.start({
      devices: { oven: plcFile('oven', oven.port) },
      flows: { ...flows, cool: 'flow: cool\nsteps: [{ id: cold, write: { oven/setpoint: 0 }, undo: [] }]\n' },
      extra: 'pipeline: { input: { heat: { type: number } }, flows: [{ flow: bake, input: { heat: "${input.heat}" } }, cool] }\n',
    })
    const say = (...words: readonly string[]) => lineside([...words, '--site', join(daemon.folder, 'site')])
    await vi.waitFor(async () => expect(await daemon.tag('oven/setpoint')).toMatchObject({ quality: 'good' }), 10_000)
    const { connectAsync } = await import('mqtt')
    const client = await connectAsync(`mqtt://127.0.0.1:${daemon.mqttPort}`)
    let topic = ''
    client.on('message', (_, payload) => {
      topic = String(payload)
    })
    await client.subscribeAsync('lineside/edge-test/pipeline')
    expect((await say('pipeline')).out).toContain('The pipeline is idle, it has never run.')
    expect((await say('pipeline', 'pause')).code).toBe(1)
    expect((await say('pipeline', 'start', '--input', 'heat=40')).code).toBe(0)
    await vi.waitFor(async () => expect((await say('pipeline')).out).toMatch(/asking +bake +asks at ask: Is it brown/), 10_000)
    await vi.waitFor(() => expect(topic).toContain('{"flow":"bake","state":"asking"},{"flow":"cool","state":"waiting"}'), 10_000)
    expect((await say('pipeline', 'pause', '--why', 'lunch')).out).toContain('The pipeline is paused')
    const { flows: own } = JSON.parse((await say('pipeline', '--json')).out) as {
      readonly flows: readonly { readonly run?: string; readonly state: string }[]
    }
    expect(own.map(({ state }) => state)).toEqual(['paused', 'waiting'])
    expect((await say('runs', 'answer', own[0]?.run ?? '', 'ask', 'approved')).code).toBe(0)
    expect((await say('pipeline', 'resume')).code).toBe(0)
    await vi.waitFor(
      async () => expect((await say('pipeline')).out).toMatch(/is idle.*its last run was completed\.\n {2}done +bake .*\n {2}done +cool/s),
      10_000,
    )
    await vi.waitFor(() => expect(topic).toContain('"state":"idle"'), 10_000)
    await client.endAsync()
  })

  it('are methods for an OPC UA client, whose inputs they check and whose run goes on', { timeout: slow }, async () => {
    await using oven = await startModbusDevice()
    await using daemon = await DaemonProcess.start({ devices: { oven: plcFile('oven', oven.port) }, flows: { scada }, hasOpcua: true })
    await vi.waitFor(async () => expect(await daemon.tag('oven/setpoint')).toMatchObject({ quality: 'good' }), 10_000)
    await using client = startOpcuaClient()
    await client.ask('connect', { url: `opc.tcp://127.0.0.1:${daemon.opcuaPort}/lineside` })
    const start = (heat: number): Promise<{ readonly status: string; readonly outputs: readonly unknown[] }> =>
      client.ask('call', { nodes: ['ns=1;s=#flows', 'ns=1;s=#flows/scada'], inputs: [['Double', heat]] })
    expect((await start(95)).status).toBe('BadInvalidArgument')
    const begun = await start(62)
    expect(begun).toMatchObject({ status: 'Good', outputs: [expect.any(String)] })
    await vi.waitFor(async () => expect((await daemon.tag('oven/setpoint')).value).toBe(62), 10_000)
    const run = async (): Promise<unknown> => await (await fetch(`${daemon.url}/api/v1/runs/${begun.outputs[0]}`)).json()
    await vi.waitFor(async () => expect(await run()).toMatchObject({ flow: 'scada', state: 'completed' }), 10_000)
    const listed = (await (await fetch(`${daemon.url}/api/v1/runs?flow=scada`)).json()) as { readonly items: readonly unknown[] }
    expect(listed.items).toHaveLength(1)
  })
})
