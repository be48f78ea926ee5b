import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { epochMs, systemClock } from '../../../src/base/clock.ts'
import type { FlowRow, RunDetail, StartAsk } from '../../../src/control/contract.ts'
import type { CommandBatch, CommandResult } from '../../../src/model/command.ts'
import type { DeviceStatus } from '../../../src/model/device.ts'
import type { SiteEvent } from '../../../src/model/event.ts'
import type { RefusedCommand } from '../../../src/model/refused-command.ts'
import type { Sample } from '../../../src/model/sample.ts'
import { asTagId, asTagIndex, type TagMeta, type TagValue } from '../../../src/model/tag.ts'
import { type AnonymousRule, openAccess } from '../../../src/north/access/access.ts'
import { Refusals } from '../../../src/north/access/refusals.ts'
import { openUsers } from '../../../src/north/access/users.ts'
import { startApi } from '../../../src/north/api/api.ts'
import type { ApiConfig } from '../../../src/north/api/config.ts'
import { LiveTagsCopy } from '../../../src/north/live-tags.ts'
import { keptLog } from '../../support/quiet-log.ts'

const write = { confirmMs: 500, tolerance: 0.1, role: 'operator', ratePerSecondMax: 5, min: 0, max: 220, stepMax: 50 } as const

function meta(id: string, more: Partial<TagMeta>): TagMeta {
  const [device = '', ...path] = id.split('/')
  return { id: asTagId(id), device, path: path.join('/'), scan: 'normal', type: 'f32', ...more }
}

const metas: readonly TagMeta[] = [
  meta('press/setpoint', { unit: 'bar', write, description: 'What the pump holds' }),
  meta('press/motor/running', { type: 'bool', write }),
  meta('press/total', { type: 'u64', write }),
  meta('press/name', { type: 'string', write }),
  meta('press/raw', { type: 'bytes', write }),
  meta('press/curve', { type: 'u16', length: 3, write }),
  meta('oven/heat', { unit: '°C' }),
]

const good: Omit<Sample, 'value'> = {
  quality: 'good',
  sourceMs: epochMs(Date.UTC(2026, 10, 21)),
  receivedMs: epochMs(Date.UTC(2026, 10, 21)),
}
const values = [42.5, true, 2n ** 60n, 'A\u001b[2J', new Uint8Array([1, 2]), [1, 2, 3], null]

const changeOver: FlowRow = {
  ...{ flow: 'change-over', version: 1, priority: 'normal', mode: 'live', running: 0, waiting: 0, ended: {}, refused: 0 },
  inputs: { product: { type: 'text' }, speed: { type: 'number' }, note: { type: 'any' } },
}

/** The API over tags that stand still; it asks no control room, `asked` is what it would have asked and `answer` what it is told. */
export async function startTestApi(
  options: {
    readonly anonymous?: AnonymousRule
    readonly path?: (folder: string) => string
    readonly own?: ApiConfig['anonymous']
    /** A tag more, of a type that its device alone knows, and what it holds. */
    readonly untyped?: TagValue
    /** What the journal knows of any run. */
    readonly run?: Partial<RunDetail>
  } = {},
) {
  const folder = await mkdtemp(join(tmpdir(), 'lineside-api-'))
  const socketPath = options.path?.(folder) ?? join(folder, 'lineside.sock')
  const { untyped } = options
  const { type: _, ...bare } = meta('plc/any', { write: {} as typeof write })
  const tags = new LiveTagsCopy(untyped === undefined ? metas : [...metas, bare])
  tags.take(
    (untyped === undefined ? values : [...values, untyped]).map((value, place) => ({
      tag: asTagIndex(place),
      sample: value === null ? { ...good, value, quality: 'bad', status: 0x8032_0000 } : { ...good, value },
    })),
  )
  const asked: CommandBatch[] = []
  const refused: RefusedCommand[] = []
  const started: StartAsk[] = []
  const control = {
    answer: (batch: CommandBatch): readonly CommandResult[] => batch.commands.map(({ id }) => ({ id, status: 'done', tookMs: 3 })),
  }
  const oven: DeviceStatus = {
    device: 'oven',
    state: 'connecting',
    sinceMs: good.sourceMs,
    lastFault: { code: 'modbus.refused', message: 'Cannot connect to 10.0.0.7:502.', remedy: 'Look.', isRetryable: true },
  }
  const log = keptLog()
  const events: SiteEvent[] = []
  const refusals = new Refusals({ clock: systemClock, log, record: (event) => events.push(event) })
  const users = openUsers({ stateFolder: folder, clock: systemClock, log })
  const list = openAccess({ users, clock: systemClock, gateway: { site: 'acme/line-1', node: 'edge' }, refusals })
  const { own } = options
  const api = await startApi({
    config: { port: 0, host: '127.0.0.1', ...(own === undefined ? {} : { anonymous: own }) },
    site: 'acme/line-1',
    node: 'edge',
    tags,
    upstreams: async () => [],
    journal: {
      page: async () => ({ events: [], cursor: 0, isEnd: true }),
      dead: async () => [],
      deadCounts: async () => ({}),
      orderDead: async () => 0,
      routes: async () => [],
    },
    devices: () => [{ device: 'press', state: 'online', sinceMs: good.sourceMs, learnt: ['reads at most 64 registers at once'] }, oven],
    health: async () => ({ isReady: true, rooms: {} }),
    metrics: async () => [],
    commands: {
      noteRefused: (one) => void refused.push(one),
      writeAll: async (batch) => {
        asked.push(batch)
        return control.answer(batch)
      },
    },
    flows: {
      flows: async () => [changeOver],
      startFlow: async (ask) => {
        started.push(ask)
        return { run: 'r1' }
      },
      runs: async () => [],
      run: async ({ run }) =>
        options.run === undefined
          ? null
          : { run, flow: 'reject', state: 'completed', begunMs: good.sourceMs, trigger: {}, input: {}, records: [], ...options.run },
      pipeline: async () => null,
      steerRun: async ({ run, act, isLeftAsItStands }) => {
        const cancelled = isLeftAsItStands === true ? 'ending' : 'unwinding'
        return { run, flow: 'reject', state: act === 'cancel' ? cancelled : 'paused', begunMs: good.sourceMs }
      },
    },
    access: list.at('api', own === undefined ? options.anonymous : own === false ? undefined : own),
    socketPath,
    clock: systemClock,
    log,
  })
  return {
    api,
    asked,
    refused,
    started,
    events,
    list,
    control,
    folder,
    socketPath,
    tags,
    log,
    url: `http://127.0.0.1:${api.port}`,
    post: (body: string, headers: Readonly<Record<string, string>> = {}) =>
      fetch(`http://127.0.0.1:${api.port}/api/v1/writes`, {
        method: 'POST',
        body,
        headers: { 'content-type': 'application/json', ...headers },
      }),
    [Symbol.asyncDispose]: async () => {
      await api[Symbol.asyncDispose]()
      refusals[Symbol.dispose]()
      await users[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
