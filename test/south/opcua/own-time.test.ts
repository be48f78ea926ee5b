import type { ClientSession } from 'node-opcua-client'
import { describe, expect, it } from 'vitest'
import { OwnTime } from '../../../src/south/opcua/own-time.ts'
import { Requests } from '../../../src/south/opcua/requests.ts'
import { watchForSilence } from '../../../src/south/opcua/watchdog.ts'
import { type ManualClock, startManualClock } from '../../support/manual-clock.ts'

const keepaliveMs = 800
const heartbeatMs = 200

/** A subscribed server in the eyes of its watchdog. It answers what it is asked unless it is silent. */
function watched({ isSilent = false } = {}) {
  const clock = startManualClock()
  const ended = new AbortController()
  const ownTime = new OwnTime(clock, { stepMs: keepaliveMs / 4, until: ended.signal })
  const state = { heardMs: ownTime.elapsed(), lost: '' }
  const session = { read: () => (isSilent ? new Promise(() => {}) : Promise.resolve({})) } as unknown as ClientSession
  const requests = new Requests({ session, clock: ownTime, timeoutMs: 2_000, ended: ended.signal })
  const options = { requests, clock, ownTime, url: 'opc.tcp://x', keepaliveMs, heartbeatMs, heardMs: () => state.heardMs }
  watchForSilence(options, ended.signal).catch((error: unknown) => {
    state.lost = String(error)
  })
  return {
    clock,
    state,
    hear: () => {
      state.heardMs = ownTime.elapsed()
    },
    [Symbol.dispose]: () => ended.abort(),
  }
}

async function hearFor(ms: number, { clock, hear }: { readonly clock: ManualClock; readonly hear: () => void }): Promise<void> {
  for (let at = 0; at < ms; at += heartbeatMs) {
    await clock.advance(heartbeatMs)
    hear()
  }
}

describe('the watchdog of a subscribed server', () => {
  it('takes nobody for silent because we ourselves did not run', async () => {
    using server = watched({ isSilent: true })
    for (let times = 0; times < 5; times += 1) {
      await hearFor(1_000, server)
      await server.clock.stall(10_000)
      await server.clock.advance(300) // what it said meanwhile takes its time to be read
      server.hear()
    }
    expect(server.state.lost).toBe('')
  })

  it('knows one that is silent while we run', async () => {
    using server = watched({ isSilent: true })
    await hearFor(1_000, server)
    await server.clock.advance(2 * keepaliveMs + 500)
    expect(server.state.lost).toContain('did not answer within 800 ms')
  })

  it('knows a subscription that is silent in a session that lives, however often we stand still', async () => {
    using server = watched()
    for (let times = 0; times < 10; times += 1) {
      await server.clock.stall(5_000)
      await server.clock.advance(300)
    }
    expect(server.state.lost).toContain('it has reported nothing for')
  })
})

describe('a request', () => {
  it('is not given up for the time in which we did not run', async () => {
    const clock = startManualClock()
    const ended = new AbortController()
    const ownTime = new OwnTime(clock, { stepMs: 200, until: ended.signal })
    const answer = Promise.withResolvers<string>()
    const requests = new Requests({ session: {} as ClientSession, clock: ownTime, timeoutMs: 1_000, ended: ended.signal })
    const asked = requests.ask('x', () => answer.promise)
    await clock.advance(100)
    await clock.stall(5_000)
    await clock.advance(300)
    answer.resolve('here')
    expect(await asked).toBe('here')
    const never = expect(requests.ask('y', () => new Promise(() => {}))).rejects.toMatchObject({ code: 'opcua.no-answer' })
    await clock.advance(1_300)
    await never
    ended.abort()
  })
})
