import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import { BreakerPool } from '../../../src/control/breaker-pool.ts'
import { compileFlow } from '../../../src/control/flows/compiled.ts'
import { failed, StepFailure } from '../../../src/control/flows/faults.ts'
import { askService } from '../../../src/control/flows/services.ts'
import { throughBreaker } from '../../../src/control/flows/through-breaker.ts'
import { callService } from '../../../src/control/routes/service.ts'
import type { SiteEvent } from '../../../src/model/event.ts'
import { startManualClock } from '../../support/manual-clock.ts'
import { chain, flowOf, Life, step, World, write } from './life.ts'

const ask = { service: 'mes', method: 'POST', path: '/shifts', headers: { 'idempotency-key': 'r1/send' }, body: '{"a":1}', expect: [201] }
const never = new AbortController().signal

async function startService(answer: { readonly status?: number; readonly headers?: Record<string, string>; readonly text?: string } = {}) {
  const { status = 201, headers = { 'content-type': 'application/json' }, text = '{"id":7}' } = answer
  const heard: unknown[] = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += String(chunk)
    const { 'idempotency-key': key, 'content-type': type, 'x-token': token } = request.headers
    heard.push({ path: `${request.method} ${request.url}`, key, type, token, body })
    response.writeHead(status, headers).end(text)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const stop = async (): Promise<void> => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  return { heard, url: `http://127.0.0.1:${port}/api/`, [Symbol.asyncDispose]: stop }
}

describe('a service that a flow asks', () => {
  it('gets the request with its key and its headers, from the first instance that can be reached', async () => {
    await using service = await startService()
    const mes = { urls: ['http://127.0.0.1:9', service.url], headers: { 'X-Token': 'abc' }, timeoutMs: 5_000 }
    expect(await askService({ mes }, ask, never)).toEqual({ status: 201, body: { id: 7 } })
    expect(service.heard).toEqual([{ path: 'POST /api/shifts', key: 'r1/send', type: 'application/json', token: 'abc', body: '{"a":1}' }])
  })

  it.each([
    ['/../admin/delete', 'goes up'],
    ['/orders/../../admin', 'goes up below'],
    ['/%2e%2e/admin', 'goes up in other words'],
    ['/..\\admin', 'goes up as Windows does'],
    ['/orders/..%2f..%2Fadmin', 'goes up for whoever decodes it once more'],
    ['/orders/%2e%2e%5c%2e./admin', 'goes up so as Windows does'],
    ['/..;a=1/admin', 'goes up for whoever leaves out what stands behind a ;'],
  ])('is asked nothing outside its address: %s %s', async (path) => {
    await using service = await startService()
    const mes = { urls: [service.url], headers: { 'X-Token': 'abc' }, timeoutMs: 5_000 }
    await expect(askService({ mes }, { ...ask, path }, never)).rejects.toMatchObject({ code: 'service.path', isRetryable: false })
    const call = { service: mes, url: service.url, path, method: 'POST', id: '1', body: { text: '{}', type: 'application/json' } }
    await expect(callService(call, never)).rejects.toMatchObject({ code: 'service.path', isRetryable: false })
    expect(service.heard).toEqual([])
  })

  it('is not tried again with a path that leads out', async () => {
    let asked = 0
    const mes = { urls: ['http://127.0.0.1:9/api'], headers: {}, timeoutMs: 5_000 }
    const world = new World()
    world.service = (request, stop) => {
      asked += 1
      return askService({ mes }, request, stop)
    }
    const asking = { id: 'ask', kind: 'request', service: 'mes', method: 'POST', path: '/../x', expect: [201] } as const
    const life = new Life({ flow: flowOf(chain({ ...asking, retry: { attempts: 3, waitMs: 1, factor: 1, maxMs: 1 } })), world })
    expect(await life.end()).toMatchObject({ state: 'failed', fault: { code: 'service.path' } })
    expect(asked).toBe(1)
  })

  it.each(['/', '//a', '/a/../b', '/@other:1/x', '/9/x', '/a b?c=ü#d', '/:80', '/a%2Fb/c..d/..e%2f.%zz?f=../..'])(
    'is asked whatever is below its address: %s',
    async (path) => {
      await using service = await startService()
      const mes = { urls: [service.url, service.url.replace(/\/$/, '')], headers: {}, timeoutMs: 5_000 }
      expect(await askService({ mes }, { ...ask, path }, never)).toMatchObject({ status: 201 })
      expect(service.heard).toEqual([expect.objectContaining({ path: expect.stringMatching(/^POST \/api\//) as string })])
    },
  )

  it('that names another address has answered, and nobody goes there', async () => {
    await using other = await startService()
    await using service = await startService({ status: 302, headers: { location: other.url } })
    const mes = { urls: [service.url], headers: { 'X-Token': 'abc' }, timeoutMs: 5_000 }
    expect(await askService({ mes }, ask, never)).toMatchObject({ status: 302 })
    const call = { service: mes, url: service.url, path: '/', method: 'POST', id: '1', body: { text: '{}', type: 'application/json' } }
    await expect(callService(call, never)).rejects.toMatchObject({ code: 'service.refused', isRetryable: false })
    expect(other.heard).toEqual([])
  })

  it.each([
    ['POST', { state: 'unsettled', left: ['ask'] }],
    ['GET', { state: 'failed', step: 'ask' }],
  ])('with more than can be kept is not cut: the step says so, and after a %s the run ends so', async (method, end) => {
    await using service = await startService({ text: JSON.stringify('x'.repeat(200_000)) })
    const mes = { urls: [service.url], headers: {}, timeoutMs: 5_000 }
    const world = new World()
    world.service = (request, stop) => askService({ mes }, request, stop)
    const asking = { id: 'ask', kind: 'request', service: 'mes', method, path: '/', expect: [201] } as const
    const life = new Life({ flow: flowOf(chain(asking)), world })
    expect(await life.end()).toMatchObject({ ...end, fault: { code: 'flow.too-large' } })
    expect(service.heard).toHaveLength(1)
  })

  it('is told of by name where it is not there', async () => {
    const mes = { urls: ['http://127.0.0.1:9'], headers: {}, timeoutMs: 5_000 }
    await expect(askService({ mes }, ask, never)).rejects.toMatchObject({ code: 'service.unreachable', isRetryable: true })
    await expect(askService({}, ask, never)).rejects.toMatchObject({ code: 'flow.no-service' })
  })
})

describe('the breaker before a partner of flows', () => {
  const away = () => Promise.reject(new StepFailure('failed', { code: 'device.absent', message: 'm', remedy: 'r', isRetryable: true }))

  function startPool() {
    const clock = startManualClock()
    const events: SiteEvent[] = []
    const pool = new BreakerPool({ clock, record: (event) => events.push(event) })
    const ask = (work: () => Promise<unknown>) => throughBreaker(pool, 'device press-07', work).catch((error: unknown) => error)
    return { clock, events, pool, ask }
  }

  it('opens after failures in a row, lets one try after a while, and closes when that succeeds', async () => {
    const { clock, events, pool, ask } = startPool()
    for (let n = 0; n < 5; n += 1) await ask(away)
    expect(await ask(async () => 1)).toMatchObject({ code: 'flow.breaker-open', isRetryable: true })
    expect(pool.open()).toEqual(['device press-07'])
    await clock.advance(1_100)
    expect(await ask(async () => 1)).toBe(1)
    expect(events.map(({ type }) => type)).toEqual(['breaker.opened', 'breaker.half-open', 'breaker.closed'])
  })

  it('lets a single one try while it is half open, and waits twice as long when that fails', async () => {
    const { clock, events, pool, ask } = startPool()
    for (let n = 0; n < 5; n += 1) await ask(away)
    await clock.advance(1_100)
    const trying = Promise.withResolvers<never>()
    const tried = ask(() => trying.promise)
    expect(pool.of('device press-07').state).toBe('half-open')
    expect(await ask(async () => 1)).toMatchObject({ code: 'flow.breaker-open' })
    trying.reject(await away().catch((error: unknown) => error))
    await tried
    await clock.advance(1_100)
    expect(await ask(async () => 1)).toMatchObject({ code: 'flow.breaker-open' })
    await clock.advance(1_000)
    expect(await ask(async () => 1)).toBe(1)
    expect(events.map(({ type }) => type)).toEqual(['breaker.opened', 'breaker.half-open', 'breaker.closed'])
  })

  it('is one for each device, service and topic', () => {
    const steps = [
      ...chain(write('press-07/lamp', true, 'write')),
      step({ id: 'read', kind: 'read', tags: ['press-07/lamp'], isFresh: true }),
      step({ id: 'publish', kind: 'publish', topic: 'a/b', payload: 1, isRetained: false }),
      step({ id: 'request', kind: 'request', service: 'mes', method: 'GET', path: '/', expect: [200] }),
      step({ id: 'call', kind: 'call', device: 'robot-1', method: 'm', inputs: [] }),
    ]
    const planned: Readonly<Record<string, unknown>> = {
      write: true,
      read: ['press-07/lamp'],
      publish: { topic: 'a/b', payload: '1' },
      request: { path: '/', headers: {} },
      call: { device: 'robot-1', call: {} },
    }
    const partners = compileFlow(flowOf(steps)).steps.steps.map(({ step: { id }, effects }) => effects[0]?.partner?.(planned[id]))
    expect(partners).toEqual(['device press-07', 'device press-07', 'topic a/b', 'service mes', 'device robot-1'])
  })

  it('stays closed before one that answers, if only with a no', async () => {
    const { pool, ask } = startPool()
    for (let n = 0; n < 20; n += 1) await ask(() => Promise.reject(failed('command.interlocked', 'no', 'wait')))
    expect(pool.open()).toEqual([])
  })
})
