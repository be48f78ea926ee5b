import { describe, expect, it, vi } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { Fault } from '../../src/base/fault.ts'
import type { StartedRun } from '../../src/control/contract.ts'
import { FlowTopics, type FlowTopicsOptions } from '../../src/north/flow-topics.ts'
import { connectClient, node, startGateway } from './broker/gateway.ts'

const late = { code: 'flow.not-kept-yet', message: 'Run r1 has not begun.', remedy: 'Look at the disk.', isRetryable: false }

/** What is told to a client that starts a flow, and what control was asked for. */
async function answerTo(payload: string, start: () => Promise<StartedRun>) {
  await using gateway = await startGateway()
  const call = vi.fn((_name: string, _ask: unknown) => start())
  const control = { call } as unknown as FlowTopicsOptions['control']
  using _topics = new FlowTopics({ broker: gateway.broker, node, control, clock: systemClock, log: gateway.log })
  await using client = await connectClient(gateway)
  const topic = `lineside/${node}/flows/rinse/start`
  await client.mqtt.subscribeAsync(`${topic}/result`)
  await client.mqtt.publishAsync(topic, payload, { qos: 1 })
  await vi.waitFor(() => expect(client.got).toHaveLength(1))
  return { told: JSON.parse(client.got[0]?.payload ?? ''), asked: call.mock.calls }
}

describe('a flow that is started over MQTT', () => {
  it('is begun with what the message says, and its run is told', async () => {
    const { told, asked } = await answerTo('{"speed":180}', async () => ({ run: 'r1' }))
    expect(told).toEqual({ status: 'done', run: 'r1' })
    expect(asked).toMatchObject([['startFlow', { flow: 'rinse', input: { speed: 180 }, by: { road: 'mqtt', role: 'operator' } }]])
  })

  it('is not called refused where it waits for the disk: whoever hears that starts it again', async () => {
    const { told } = await answerTo('', async () => ({ run: 'r1', late }))
    expect(told).toEqual({ status: 'waiting', run: 'r1', code: late.code, message: late.message, remedy: late.remedy })
  })

  it('is refused with the reason', async () => {
    const no = new Fault('flow.overloaded', 'No.', { remedy: 'Wait.' })
    expect((await answerTo('', () => Promise.reject(no))).told).toEqual({
      status: 'refused',
      code: no.code,
      message: 'No.',
      remedy: 'Wait.',
    })
    const unread = await answerTo('{', async () => ({ run: 'r1' }))
    expect(unread.told).toMatchObject({ status: 'refused', code: 'mqtt.start-malformed' })
    expect(unread.asked).toEqual([])
  })
})
