import { describe, expect, it } from 'vitest'
import { Fault } from '../../../src/base/fault.ts'
import type { StartAsk, StartedRun } from '../../../src/control/contract.ts'
import type { StartableFlow } from '../../../src/north/opcua-server/methods.ts'
import { startBench } from './bench.ts'

const flows: readonly StartableFlow[] = [
  {
    flow: 'change-over',
    title: 'Change the product',
    inputs: [
      { name: 'product', type: 'text', title: 'What comes next' },
      { name: 'speed', type: 'number' },
      { name: 'isUrgent', type: 'boolean' },
      { name: 'note', type: 'any' },
    ],
  },
  { flow: 'start-up', inputs: [] },
]
const folder = 'ns=1;s=#flows'
const given = [
  ['String', 'Peach'],
  ['Double', 180],
  ['Boolean', true],
  ['String', '{"by":"anna"}'],
] as const

interface Called {
  readonly status: string
  readonly outputs: readonly unknown[]
}

async function startMethods(start: (ask: StartAsk) => Promise<StartedRun>, more: Parameters<typeof startBench>[0] = {}) {
  const bench = await startBench({ ...more, flows: { flows, start } })
  await bench.client.ask('connect', { url: bench.url, ...(more.access === undefined ? {} : { user: 'anna', password: 'x' }) })
  const call = (flow: string, inputs: readonly (readonly [string, unknown])[] = []): Promise<Called> =>
    bench.client.ask('call', { nodes: [folder, `${folder}/${flow}`], inputs })
  return { bench, call }
}

describe('the flows at the OPC UA server', () => {
  it('are methods below the site, whose arguments are the inputs and which give back the run', async () => {
    const asked: StartAsk[] = []
    const { bench, call } = await startMethods(async (ask) => {
      asked.push(ask)
      return { run: `run-${asked.length}` }
    })
    await using _ = bench
    expect(await bench.client.ask('browse', { nodes: [folder] })).toMatchObject([
      { node: 'ns=1;s=#flows/change-over', name: 'change-over' },
      { node: 'ns=1;s=#flows/start-up', name: 'start-up' },
    ])
    expect(await bench.client.ask('browse', { nodes: ['ns=1;s=/acme/munich/line-1/'] })).toEqual(
      expect.arrayContaining([expect.objectContaining({ node: folder, name: 'flows' })]),
    )
    expect(await call('change-over', given)).toEqual({ status: 'Good', outputs: ['run-1'] })
    expect(await call('start-up')).toEqual({ status: 'Good', outputs: ['run-2'] })
    expect((await call('change-over', [['String', null], ...given.slice(1)])).status).toBe('Good')
    const by = { road: 'opcua', name: 'anonymous', role: 'operator' }
    expect(asked).toEqual([
      { flow: 'change-over', input: { product: 'Peach', speed: 180, isUrgent: true, note: { by: 'anna' } }, by },
      { flow: 'start-up', input: {}, by },
      { flow: 'change-over', input: { speed: 180, isUrgent: true, note: { by: 'anna' } }, by },
    ])
  })

  it('refuse what does not fit, and tell why it was not begun', async () => {
    const codes = ['flow.bad-input', 'flow.overloaded', 'access.role', 'door.closed', 'flow.something']
    const { bench, call } = await startMethods(() => Promise.reject(new Fault(codes.shift() ?? '', 'no', { remedy: 'wait' })))
    await using _ = bench
    expect((await call('change-over', [['Double', 1]])).status).not.toBe('Good')
    expect((await call('change-over', [['Double', 1], ...given.slice(1)])).status).not.toBe('Good')
    expect(codes).toHaveLength(5)
    const told: string[] = []
    while (codes.length > 0) told.push((await call('start-up')).status)
    expect(told).toEqual(['BadInvalidArgument', 'BadTooManyOperations', 'BadUserAccessDenied', 'BadNoCommunication', 'BadInvalidState'])
  })

  it('say of a run that waits for the disk that it will begin, for it must not be asked for again', async () => {
    const late = { code: 'flow.not-kept-yet', message: 'Run r1 has not begun.', remedy: 'Look at the disk.', isRetryable: false }
    const { bench, call } = await startMethods(async () => ({ run: 'r1', late }))
    await using _ = bench
    expect(await call('start-up')).toEqual({ status: 'GoodCompletesAsynchronously', outputs: ['r1'] })
  })

  it('are not begun by who may not start them', async () => {
    const asked: StartAsk[] = []
    const rights = {
      mayRead: () => true,
      mayWrite: (topic: string) => topic === 'lineside/edge-07/flows/start-up/start',
      hasOwnWriteRules: true,
    }
    const access = {
      admit: () => ({ isAdmitted: true, role: 'operator', rights }) as const,
      onChange: () => ({ [Symbol.dispose]: () => {} }),
    }
    const start = async (ask: StartAsk) => {
      asked.push(ask)
      return { run: 'r' }
    }
    const { bench, call } = await startMethods(start, { access })
    await using _ = bench
    expect((await call('change-over', given)).status).toBe('BadUserAccessDenied')
    expect((await call('start-up')).status).toBe('Good')
    expect(asked.map(({ flow }) => flow)).toEqual(['start-up'])
  })

  it('are not there where a site has none', async () => {
    await using bench = await startBench()
    await bench.client.ask('connect', { url: bench.url })
    await expect(bench.client.ask('browse', { nodes: [folder] })).resolves.toEqual([])
  })
})
