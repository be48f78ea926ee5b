import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { epochMs } from '../../src/base/clock.ts'
import { runProgram } from '../../src/cli/program.ts'
import { asTagIndex } from '../../src/model/tag.ts'
import { startTestApi } from '../north/api/api-on-socket.ts'
import { startProgram } from '../north/support/program.ts'

const main = new URL('../../bin/lineside.js', import.meta.url).pathname

/** A gateway, and the folder of its site. */
async function startGateway(options: Parameters<typeof startTestApi>[0] = {}) {
  await using parts = new AsyncDisposableStack()
  const server = parts.use(await startTestApi(options))
  const site = await mkdtemp(join(tmpdir(), 'lineside-cli-'))
  parts.defer(() => rm(site, { recursive: true, force: true }))
  await writeFile(join(site, 'lineside.yaml'), `site: acme/line-1\nstorage: { path: ${server.folder} }\n`)
  const started = parts.move()
  return { ...server, site, [Symbol.asyncDispose]: () => started.disposeAsync() }
}

async function lineside(args: readonly string[], environment: NodeJS.ProcessEnv = {}) {
  let out = ''
  let error = ''
  const terminal = {
    out: (text: string) => {
      out += text
    },
    error: (text: string) => {
      error += text
    },
    environment,
  }
  const code = await runProgram(args, terminal)
  return { code, out, error }
}

describe('lineside tags', () => {
  it('shows every tag with value, unit, quality, and why it is not good', async () => {
    await using gateway = await startGateway()
    const { code, out } = await lineside(['tags', '--site', gateway.site])
    expect(code).toBe(0)
    const lines = out.split('\n')
    expect(lines[0]).toMatch(/^TAG +VALUE +UNIT +QUALITY +SINCE +WHY$/)
    expect(lines[1]).toMatch(/^press\/setpoint +42\.5 +bar +good +\d+ \w+$/)
    expect(out).toMatch(/^press\/curve +\[1, 2, 3\] +good/m)
    expect(out).toMatch(/^oven\/heat +– +°C +bad +\S+ \w+ +Cannot connect to 10\.0\.0\.7:502\. \(modbus\.refused\)$/m)
    expect(out).toContain('press: reads at most 64 registers at once')
    expect(out).not.toContain('\u001b')
  })

  it.each([
    ['press', 6],
    ['press/motor', 1],
    ['press/motor/running', 1],
    ['press/*', 5],
    ['press/**', 6],
    ['*et*', 1],
    ['**/heat', 1],
    ['*', 7],
  ])('shows those that match %s', async (glob, count) => {
    await using gateway = await startGateway()
    const { out } = await lineside(['tags', glob, '--json', '--site', gateway.site])
    expect(JSON.parse(out)).toHaveLength(count)
  })

  it('answers no where none matches', async () => {
    await using gateway = await startGateway()
    expect(await lineside(['tags', 'pres/*', '--site', gateway.site])).toMatchObject({
      code: 1,
      out: '',
      error: expect.stringContaining('No tag matches'),
    })
    expect(await lineside(['tags', 'pres/*', '--site', gateway.site, '--json'])).toMatchObject({ code: 1, out: '[]\n' })
  })

  it('goes on with what changes until Ctrl-C, a line each where there is no terminal', async () => {
    await using gateway = await startGateway()
    await using watching = startProgram(process.execPath, [main, 'tags', 'press/setpoint', '--watch', '--site', gateway.site])
    await expect
      .poll(() => watching.lines[0], { timeout: 10_000 })
      .toMatch(/^2026-11-21T00:00:00\.000Z {2}press\/setpoint {2}42\.5 bar {2}good$/)
    const moment = epochMs(Date.UTC(2026, 10, 21, 1))
    gateway.tags.take([{ tag: asTagIndex(0), sample: { value: 43, quality: 'uncertain', sourceMs: moment, receivedMs: moment } }])
    await expect.poll(() => watching.lines[1], { timeout: 5_000 }).toContain('press/setpoint  43 bar  uncertain')
    watching.kill('SIGINT')
    expect(await watching.exit).toBe(0)
  })
})

describe('lineside read', () => {
  it('shows one value', async () => {
    await using gateway = await startGateway()
    expect(await lineside(['read', 'press/setpoint', '--site', gateway.site])).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^42\.5 bar {2}good {2}since /),
      error: '',
    })
    const { out } = await lineside(['read', 'press/setpoint', '--json', '--site', gateway.site])
    expect(JSON.parse(out)).toMatchObject({ value: 42.5, write: { max: 220 } })
  })

  it('answers no, and why, where the value is not good', async () => {
    await using gateway = await startGateway()
    expect(await lineside(['read', 'oven/heat', '--site', gateway.site])).toMatchObject({
      code: 1,
      out: expect.stringContaining('bad'),
      error: expect.stringContaining('Cannot connect'),
    })
  })

  it('lets no value steer the terminal', async () => {
    await using gateway = await startGateway()
    expect((await lineside(['read', 'press/name', '--site', gateway.site])).out).toContain('A�[2J')
  })

  it('answers no where there is no such tag', async () => {
    await using gateway = await startGateway()
    expect(await lineside(['read', 'press/nothing', '--site', gateway.site])).toMatchObject({
      code: 1,
      error: expect.stringContaining('api.tag-unknown'),
    })
  })
})

describe('lineside write', () => {
  it.each([
    ['press/setpoint', '-5', -5],
    ['press/setpoint', '1e2', 100],
    ['press/motor/running', 'on', true],
    ['press/motor/running', 'FALSE', false],
    ['press/total', '18446744073709551615', 2n ** 64n - 1n],
    ['press/total', '0xff', 255n],
    ['press/name', '0042', '0042'],
    ['press/raw', '0x01ff', new Uint8Array([1, 255])],
    ['press/raw', 'AQI=', new Uint8Array([1, 2])],
    ['press/curve', '[1, 2, 3]', [1, 2, 3]],
  ])('asks for %s %s as the tag has it', async (tag, text, value) => {
    await using gateway = await startGateway()
    expect(await lineside(['write', '--site', gateway.site, tag, text])).toMatchObject({ code: 0, error: '' })
    expect(gateway.asked).toMatchObject([{ commands: [{ tag, value, by: { name: 'local' } }] }])
  })

  it.each([
    ['9007199254740993', 9_007_199_254_740_993n],
    ['18446744073709551614', 18_446_744_073_709_551_614n],
    ['-9223372036854775807', -9_223_372_036_854_775_807n],
    ['1e3', 1_000],
    ['[1, 9007199254740993]', [1, 9_007_199_254_740_993n]],
    ['{"a":1}', '{"a":1}'],
  ])('asks for %s with all its digits, where the device alone knows the type', async (text, value) => {
    await using gateway = await startGateway({ untyped: 1 })
    expect(await lineside(['write', '--site', gateway.site, 'plc/any', text])).toMatchObject({ code: 0, error: '' })
    expect(gateway.asked).toMatchObject([{ commands: [{ tag: 'plc/any', value }] }])
  })

  it('says what was read back', async () => {
    await using gateway = await startGateway()
    gateway.control.answer = () => [{ id: 'x', status: 'done', value: 180, tookMs: 12 }]
    const { out } = await lineside(['write', 'press/setpoint', '180', '--site', gateway.site])
    expect(out).toBe('press/setpoint was written and reads 180 bar now (12 ms).\n')
  })

  it('does not blame the device for what it was never sent', async () => {
    await using gateway = await startGateway()
    gateway.control.answer = () => [
      { id: 'x', status: 'failed', code: 'device.absent', message: 'No.', remedy: 'Do.', sent: false, tookMs: 1 },
    ]
    const error = 'press/setpoint could not be written, and nothing was sent: No.  (device.absent)\n    Do.\n'
    expect(await lineside(['write', 'press/setpoint', '180', '--site', gateway.site])).toEqual({ code: 1, out: '', error })
  })

  it.each([
    ['refused', 'press/setpoint was not written: No.  (command.x) It reads 7 bar now.\n    Do.\n'],
    ['failed', 'press/setpoint was not taken over by the device: No.  (command.x) It reads 7 bar now.\n    Do.\n'],
    [
      'unknown',
      'press/setpoint may or may not have been written, and nobody will repeat it: No.  (command.x) It reads 7 bar now.\n    Do.\n',
    ],
  ] as const)('answers no where it is %s, and says why', async (status, error) => {
    await using gateway = await startGateway()
    gateway.control.answer = () => [{ id: 'x', status, code: 'command.x', message: 'No.', remedy: 'Do.', value: 7, tookMs: 1 }]
    expect(await lineside(['write', 'press/setpoint', '180', '--site', gateway.site])).toEqual({ code: 1, out: '', error })
    const asJson = await lineside(['write', 'press/setpoint', '180', '--json', '--site', gateway.site])
    expect(asJson.code).toBe(1)
    expect(JSON.parse(asJson.out)).toMatchObject({ status, code: 'command.x' })
  })

  it.each([
    ['press/setpoint', '21,5', 'Write a point: 21.5.'],
    ['press/setpoint', 'fast', 'Write a number'],
    ['press/motor/running', 'maybe', 'true or false'],
    ['press/total', '1.5', 'without a fraction'],
    ['press/raw', '0x1', '0x and two digits'],
    ['press/curve', '1', 'array'],
  ])('is used wrongly with %s %s, and asks for nothing', async (tag, text, remedy) => {
    await using gateway = await startGateway()
    expect(await lineside(['write', '--site', gateway.site, tag, text])).toMatchObject({ code: 2, error: expect.stringContaining(remedy) })
    expect(gateway.asked).toEqual([])
  })
})

describe('the way to a gateway', () => {
  it('is its URL where it is a remote one, with the token that the environment has', async () => {
    await using gateway = await startGateway({ anonymous: { role: 'operator', isFromAnywhere: false } })
    expect(await lineside(['write', 'press/setpoint', '1', '--url', gateway.url])).toMatchObject({ code: 0 })
    expect(await lineside(['write', 'press/setpoint', '1', '--url', gateway.url], { LINESIDE_TOKEN: 'abc' })).toMatchObject({
      code: 1,
      error: expect.stringContaining('access.user-unknown'),
    })
  })

  it.each([
    ['a site that does not run', (site: string) => ['--site', site], 3, 'lineside run'],
    ['a port where nobody is', () => ['--url', 'http://127.0.0.1:9'], 3, 'Check address and port'],
    ['no address', () => ['--url', 'edge-07'], 2, 'http://'],
  ])('that is none ends with its exit code: %s', async (_, options, code, remedy) => {
    const site = await mkdtemp(join(tmpdir(), 'lineside-cli-'))
    await writeFile(join(site, 'lineside.yaml'), 'site: acme/line-1\nstorage: { path: ./state }\n')
    expect(await lineside(['tags', ...options(site)])).toMatchObject({ code, out: '', error: expect.stringContaining(remedy) })
    await rm(site, { recursive: true })
  })

  it('that ends at something else says so', async () => {
    const other = createServer((_request, response) => response.end('hello')).listen(0, '127.0.0.1')
    await new Promise((resolve) => other.once('listening', resolve))
    const { port } = other.address() as AddressInfo
    expect(await lineside(['tags', '--url', `http://127.0.0.1:${port}`])).toMatchObject({
      code: 3,
      error: expect.stringContaining('another program'),
    })
    other.close()
  })

  it('is where a gateway of this machine keeps its state, where there is no site', async () => {
    await using gateway = await startGateway()
    const empty = await mkdtemp(join(tmpdir(), 'lineside-cli-'))
    expect(await lineside(['tags', '--site', empty], { STATE_DIRECTORY: gateway.folder })).toMatchObject({ code: 0 })
    await rm(empty, { recursive: true })
  })

  it.each(['tags', 'read', 'write'])('has help with an example: %s', async (command) => {
    const { code, out } = await lineside([command, '--help'])
    expect(code).toBe(0)
    expect(out).toContain(`$ lineside ${command}`)
  })
})

describe('lineside flows stats', () => {
  it('says that it counts on the gateway itself, where another one is named', async () => {
    const { code, error } = await lineside(['flows', 'stats', '--url', 'http://127.0.0.1:9'])
    expect([code, error]).toEqual([2, expect.stringContaining('(usage.url)')])
  })
})

describe('lineside start', () => {
  it('gives each input as what the flow asks for: digits are a text where it wants one', async () => {
    await using gateway = await startGateway()
    const start = (...input: readonly string[]) => lineside(['start', 'change-over', '--site', gateway.site, '--input', ...input])
    expect((await start('product=2026', 'speed=180', 'note={"by":1}')).code).toBe(0)
    expect((await start('product=true')).code).toBe(0)
    expect((await start('product="7"', 'speed=fast')).code).toBe(0)
    expect(gateway.started.map(({ input }) => input)).toEqual([
      { product: '2026', speed: 180, note: { by: 1 } },
      { product: 'true' },
      { product: '7', speed: 'fast' },
    ])
    expect((await start('product')).error).toContain('(usage.input)')
  })

  it('does not make nothing of a number that is too large, for which the default would be taken', async () => {
    await using gateway = await startGateway()
    const start = (input: string) => lineside(['start', 'change-over', '--site', gateway.site, '--input', input])
    expect([(await start('speed=1e999')).code, (await start('product=1e999')).code]).toEqual([0, 0])
    expect(gateway.started.map(({ input }) => input)).toEqual([{ speed: '1e999' }, { product: '1e999' }])
    expect((await start('note={"by":[1e999]}')).error).toContain('A number in "note" is too large.  (usage.input)')
  })
})

describe('lineside record', () => {
  it('leaves no file behind where there was nobody to record', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'lineside-cli-'))
    const record = () => lineside(['record', '--to', join(folder, 'shift.jsonl'), '--url', 'http://127.0.0.1:9'])
    expect([(await record()).code, (await record()).code]).toEqual([3, 3])
    await rm(folder, { recursive: true })
  })
})

describe('what is not there', () => {
  it.each([
    [['runs', '--flow', 'rinse', '--state', 'failed'], 0, 'No run of rinse that is failed is known.'],
    [['runs', '5c1f'], 1, '`lineside runs` lists'],
    [['events', '--type', 'flow.bogus'], 1, 'No event matches.'],
    [['events', 'dead', '--retry', '99'], 1, 'There is no such letter: nothing was done.'],
  ])('is said: %j', async (args, code, text) => {
    await using gateway = await startGateway()
    const said = await lineside([...args, '--site', gateway.site])
    expect([said.code, said.out + said.error]).toEqual([code, expect.stringContaining(text)])
  })

  it('is said of a file, with what to do', async () => {
    await using gateway = await startGateway()
    const replay = (file: string) => lineside(['events', 'replay', '--from', '1h', '--to', `file:${file}`, '--site', gateway.site])
    expect(await replay(join(gateway.site, 'lineside.yaml'))).toMatchObject({
      code: 1,
      error: expect.stringContaining('Name another file'),
    })
    expect(await replay(join(gateway.site, 'no', 'x'))).toMatchObject({ code: 1, error: expect.stringContaining('Check the path') })
  })
})

describe('lineside cancel', () => {
  it('says whether what the run did is undone', async () => {
    await using gateway = await startGateway()
    const cancel = async (...more: readonly string[]) => (await lineside(['cancel', 'r1', ...more, '--site', gateway.site])).out
    expect(await cancel()).toBe('r1 of reject is unwinding now: what it did is being undone.\n')
    expect(await cancel('--no-undo')).toBe('r1 of reject is ending now: nothing is undone.\n')
  })
})

describe('lineside runs', () => {
  it('that are asked for in a state that no run has are a wrong use, and it says which states there are', async () => {
    const { code, error } = await lineside(['runs', '--state', 'bogus'])
    expect([code, error]).toEqual([2, expect.stringContaining('open, completed, failed, cancelled, unsettled, settled')])
  })

  it('show what one gives back, and why it did not complete also where no step has failed', async () => {
    const shown = async (run: NonNullable<Parameters<typeof startGateway>[0]>['run']) => {
      await using gateway = await startGateway(run === undefined ? {} : { run })
      return (await lineside(['runs', 'r7', '--site', gateway.site])).out
    }
    expect(await shown({ output: { temp: 85 } })).toContain('\nGives back: {"temp":85}\n')
    const fault = { code: 'flow.timeout', message: 'reject was not done within 4000 ms.', remedy: 'Look.', isRetryable: true }
    expect(await shown({ state: 'failed', fault })).toContain('\nreject was not done within 4000 ms.  (flow.timeout)\n')
    expect(await shown({ state: 'failed', fault, step: 'eye' })).toContain('\neye: reject was not')
  })

  it('takes no answer that means nothing, and says which there are', async () => {
    await using gateway = await startGateway()
    const { code, error } = await lineside(['runs', 'answer', 'r1', 'ask', 'maybe', '--site', gateway.site])
    expect([code, error]).toEqual([2, expect.stringContaining('RUN STEP approved|rejected|done|failed|repeat')])
    expect((await lineside(['runs', 'answer', 'r1', 'ask', 'approved', '--site', gateway.site])).code).toBe(0)
  })
})
