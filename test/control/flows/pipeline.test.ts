import { describe, expect, it } from 'vitest'
import { epochMs } from '../../../src/base/clock.ts'
import type { AllFlows } from '../../../src/control/flows/all-flows.ts'
import { pipelineInfo } from '../../../src/control/flows/pipeline.ts'
import type { FlowsOptions } from '../../../src/control/flows/ports.ts'
import { inTime } from './in-time.ts'

const part = (flow: string): string => `flow: ${flow}
steps:
  - id: ${flow}-write
    publish: { topic: did, payload: ${flow} }
  - id: ${flow}-wait
    wait: { for: 10m }
`
const files = {
  'lineside.yaml': 'site: acme/line-1\npipeline: { flows: [fill, cap, label] }\n',
  'flows/fill.yaml': part('fill'),
  'flows/cap.yaml': part('cap'),
  'flows/label.yaml': part('label'),
}
const did = (...flows: readonly string[]): string => `[${flows.map((flow) => `{ topic: did, payload: ${flow} }`).join(', ')}]`
const test = (lines: string): string => `flow: pipeline\ncases:\n  - name: a\n${lines}`

describe('the pipeline of a site', () => {
  it('runs its flows one after the other, each when the one before is complete', async () => {
    expect(
      await inTime(
        files,
        test(
          `    do: [start: {}]\n    expect: { state: completed, at-least: 30m, within: 31m, publishes: ${did('fill', 'cap', 'label')} }\n`,
        ),
      ),
    ).toEqual([])
  })

  it('leaves each flow its own defaults where it tells it nothing', async () => {
    const told =
      'flow: fill\ninput: { n: { type: number, default: 4 } }\nsteps:\n  - id: tell\n    publish: { topic: did, payload: "${input.n}" }\n'
    const site = { ...files, 'lineside.yaml': 'site: acme/line-1\npipeline: { flows: [fill] }\n', 'flows/fill.yaml': told }
    const lines = `    do: [start: {}]\n    expect: { state: completed, publishes: [{ topic: did, payload: 4 }] }\n`
    expect(await inTime(site, test(lines))).toEqual([])
  })

  it('begins no step while it is paused, lets what runs end, and goes on when it is resumed', async () => {
    const lines = `    do:
      - start: {}
      - { after: 5m, order: { act: pause, role: operator } }
      - { after: 2h, kill: 1m }
      - { after: 1h, order: { act: resume, role: operator } }
    expect: { state: completed, at-least: 3h, publishes: ${did('fill', 'cap', 'label')} }
`
    expect(await inTime(files, test(lines))).toEqual([])
    const held = `    do: [start: {}, { after: 5m, order: { act: pause } }]\n    for: 2h\n    expect: { state: paused, publishes: ${did('fill')} }\n`
    expect(await inTime(files, test(held))).toEqual([])
  })

  it('is begun once, and ends with the flow that fails', async () => {
    const lines = `    fail: { cap: always }
    do: [start: {}, { after: 1m, start: {} }]
    expect: { runs: 1, state: failed, fault: { step: cap }, refused: [flow.dropped], publishes: ${did('fill')} }
`
    expect(await inTime(files, test(lines))).toEqual([])
  })
})

describe('a pipeline that was cancelled', () => {
  it('does not say of the flow under way then that it runs', async () => {
    const intent = { kind: 'intent', run: 'r1', step: 'fill', timeMs: epochMs(1), data: '{}' } as const
    const kept = { id: 1, run: 'r1', flow: 'pipeline', version: 'v', begunMs: epochMs(0), endedMs: epochMs(2), state: 'cancelled' } as const
    const input = '{"trigger":{},"input":{}}'
    const store = { call: async (name: string) => (name === 'runs' ? [{ ...kept, input }] : { ...kept, input, records: [intent] }) }
    const pipeline = [
      { step: 'fill', flow: 'fill' },
      { step: 'cap', flow: 'cap' },
    ]
    const flows = { runs: { all: [] }, byName: new Map() } as unknown as AllFlows
    const options = { data: { pipeline }, store } as unknown as FlowsOptions
    expect(await pipelineInfo(flows, options)).toMatchObject({
      state: 'idle',
      flows: [
        { flow: 'fill', state: 'cancelled' },
        { flow: 'cap', state: 'waiting' },
      ],
    })
  })
})
