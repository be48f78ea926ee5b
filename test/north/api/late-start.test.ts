import { describe, expect, it } from 'vitest'
import { type FlowPort, startFlow } from '../../../src/north/api/flows.ts'

const late = { code: 'flow.not-kept-yet', message: 'Run r1 has not begun.', remedy: 'Look at the disk.', isRetryable: false }
const ask = { flow: 'rinse', body: {}, by: { road: 'api', name: 'anna', role: 'operator' } } as const

describe('a flow that is started over HTTP', () => {
  it.each([
    ['begun, and its run is told', {}, { status: 'fulfilled', value: { run: 'r1' } }],
    ['not called begun where it waits for the disk', { late }, { status: 'rejected', reason: { code: late.code, message: late.message } }],
  ])('is %s', async (_what, more, told) => {
    const port = { startFlow: async () => ({ run: 'r1', ...more }) } as unknown as FlowPort
    expect(await Promise.allSettled([startFlow(port, ask)])).toMatchObject([told])
  })
})
