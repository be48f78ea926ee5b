import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { epochMs, systemClock } from '../../../src/base/clock.ts'
import type { Command, CommandResult } from '../../../src/model/command.ts'
import type { RefusedCommand } from '../../../src/model/refused-command.ts'
import type { Sample } from '../../../src/model/sample.ts'
import { asTagId, asTagIndex, type TagMeta } from '../../../src/model/tag.ts'
import { LiveTagsCopy } from '../../../src/north/live-tags.ts'
import { opcuaServerConfigSchema } from '../../../src/north/opcua-server/config.ts'
import { type OpcuaServer, type OpcuaServerParts, startOpcuaServer } from '../../../src/north/opcua-server/server.ts'
import type { OpcuaAccess } from '../../../src/north/opcua-server/sessions.ts'
import { type OpcuaClientProcess, startOpcuaClient } from '../../support/opcua-client-process.ts'
import { keptLog } from '../../support/quiet-log.ts'

const writable = { confirmMs: 0, tolerance: 0, role: 'operator', ratePerSecondMax: 10 } as const

function meta(path: string, rest: Partial<TagMeta> = {}): TagMeta {
  return { id: asTagId(`press/${path}`), device: 'press', path, scan: 'normal', ...rest }
}

const metas: readonly TagMeta[] = [
  meta('hydraulics/pressure', { type: 'f32', unit: 'bar', range: [0, 250], description: 'Main line' }),
  meta('motor/running', { type: 'bool' }),
  meta('setpoint', { type: 'f64', write: writable }),
  meta('counter', { type: 'u64' }),
  meta('name', { type: 'string' }),
  meta('any'),
  meta('motor', { type: 'i16' }), // both a tag and the way to motor/running
  meta('counts', { type: 'i32', length: 3 }),
]

interface Bench extends AsyncDisposable {
  readonly server: OpcuaServer
  readonly client: OpcuaClientProcess
  readonly url: string
  readonly asked: Command[]
  readonly refused: RefusedCommand[]
  set(path: string, sample: Partial<Sample>): void
}

interface BenchOptions {
  readonly config?: Readonly<Record<string, unknown>>
  readonly result?: Partial<CommandResult>
  readonly access?: OpcuaAccess
  readonly flows?: OpcuaServerParts['flows']
}

export const open = { port: 0, security: ['None', 'Basic256Sha256/SignAndEncrypt'], anonymous: { role: 'operator' } }

export async function startBench({ config = open, result = {}, access, flows }: BenchOptions = {}): Promise<Bench> {
  await using parts = new AsyncDisposableStack() // a server that does not start leaves nothing either
  const stateFolder = await mkdtemp(join(tmpdir(), 'lineside-opcua-'))
  parts.defer(() => rm(stateFolder, { recursive: true, force: true }))
  const tags = new LiveTagsCopy(metas)
  const asked: Command[] = []
  const refused: RefusedCommand[] = []
  const write = async (command: Command): Promise<CommandResult> => {
    asked.push(command)
    return { id: command.id, status: 'done', tookMs: 1, ...result }
  }
  const server = parts.use(
    await startOpcuaServer({
      config: opcuaServerConfigSchema.parse(config),
      site: 'acme/munich/line-1',
      node: 'edge-07',
      tags,
      commands: { write, noteRefused: (one) => void refused.push(one) },
      ...(access === undefined ? {} : { access }),
      ...(flows === undefined ? {} : { flows }),
      clock: systemClock,
      log: keptLog(),
      stateFolder,
    }),
  )
  const client = parts.use(startOpcuaClient())
  const started = parts.move()
  return {
    server,
    client,
    url: `opc.tcp://127.0.0.1:${server.port}/lineside`,
    asked,
    refused,
    set: (path, sample) => {
      const tag = metas.findIndex((one) => one.path === path)
      const whole: Sample = {
        value: null,
        quality: 'good',
        sourceMs: epochMs(1_750_000_000_123),
        receivedMs: epochMs(1_750_000_000_200),
        ...sample,
      }
      tags.take([{ tag: asTagIndex(tag), sample: whole }])
    },
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  }
}

export async function connected(options: BenchOptions = {}): Promise<Bench> {
  const bench = await startBench(options)
  await bench.client.ask('connect', { url: bench.url })
  return bench
}

export interface Read {
  readonly value: unknown
  readonly type: string
  readonly status: string
  readonly sourceTime?: string
  readonly picoseconds?: number
}

export const node = (path: string): string => `ns=1;s=press/${path}`
