import { once } from 'node:events'
import { createServer } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { Fault } from '../../../src/base/fault.ts'
import { type Answer, askMaskRegister, askRead, askWriteRegister } from '../../../src/south/modbus/pdu.ts'
import { connectTcp, type TcpClientOptions } from '../../../src/south/modbus/tcp-client.ts'
import {
  exception,
  frameFor,
  honestly,
  type RawRequest,
  registersFrom,
  startFaultServer,
  truth,
} from '../../support/modbus-fault-server.ts'

const timeoutMs = 120

function options(port: number, more: Partial<TcpClientOptions> = {}): TcpClientOptions {
  const signal = AbortSignal.timeout(5_000)
  return { host: '127.0.0.1', port, timeoutMs, inflightMax: 1, pauseMs: 0, clock: systemClock, signal, ...more }
}

async function connected(answer: (request: RawRequest, position: number) => void, more: Partial<TcpClientOptions> = {}) {
  const server = await startFaultServer(answer)
  const client = await connectTcp(options(server.port, more))
  const read = (start: number, count = 1): Promise<Answer> =>
    client.ask(askRead({ unit: 1, area: 'hr', start, count }), { urgency: 'poll' })
  return {
    server,
    client,
    read,
    [Symbol.asyncDispose]: async () => {
      await client[Symbol.asyncDispose]()
      await server[Symbol.asyncDispose]()
    },
  }
}

const silence = (): void => {}

function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'answered',
    (error: unknown) => (error instanceof Fault ? error.code : String(error)),
  )
}

/** Answers the second request truly, and the first one when it is too late. */
function lateFirst(): (request: RawRequest) => void {
  let held: RawRequest | undefined
  return (request) => {
    if (held === undefined) {
      held = request
      return
    }
    honestly(held)
    honestly(request)
  }
}

describe('the Modbus TCP client', () => {
  it('gives each request its own answer', async () => {
    await using peer = await connected(honestly, { inflightMax: 4 })
    const answers = await Promise.all([0, 10, 20, 30, 40, 50].map((start) => peer.read(start, 2)))
    expect(answers).toEqual([0, 10, 20, 30, 40, 50].map((start) => ({ kind: 'data', data: registersFrom(start, 2) })))
  })

  it('passes on an exception as an answer', async () => {
    await using peer = await connected((request) => request.socket.write(frameFor(request, exception(request, 2))))
    expect(await peer.read(0)).toEqual({ kind: 'exception', code: 2 })
  })

  it('never takes a late answer for that of another request', async () => {
    await using peer = await connected(lateFirst())
    expect(await codeOf(peer.read(0, 2))).toBe('modbus.no-answer')
    expect(await peer.read(500, 2)).toEqual({ kind: 'data', data: registersFrom(500, 2) })
    expect(peer.client.counts.lateAnswers).toBe(1)
  })

  it('counts transactions beyond 255, and none twice', async () => {
    await using peer = await connected(honestly, { inflightMax: 16 })
    await Promise.all(Array.from({ length: 600 }, (_, start) => peer.read(start)))
    expect(new Set(peer.server.requests.map(({ transaction }) => transaction)).size).toBe(600)
  })

  it('goes past the id of a request that timed out when the ids begin again', async () => {
    await using peer = await connected((request, position) => (position === 0 ? undefined : honestly(request)), {
      inflightMax: 16,
      timeoutMs: 1_000,
    })
    const lost = codeOf(peer.read(0))
    for (let round = 0; round < 33; round += 1) await Promise.all(Array.from({ length: 1_000 }, (_, start) => peer.read(start)))
    expect(await lost).toBe('modbus.no-answer')
    for (let round = 0; round < 34; round += 1) await Promise.all(Array.from({ length: 1_000 }, (_, start) => peer.read(start)))
    const [first, ...others] = peer.server.requests.map(({ transaction }) => transaction)
    expect(others.length).toBeGreaterThan(65_536)
    expect(others).not.toContain(first)
  }, 60_000)

  it('lets go the oldest of the ids that wait in vain', async () => {
    await using peer = await connected(silence, { inflightMax: 1_000 })
    for (let left = 4_097; left > 0; left -= 1_000)
      await Promise.all(Array.from({ length: Math.min(left, 1_000) }, (_, start) => codeOf(peer.read(start))))
    const [oldest, next] = peer.server.requests as [RawRequest, RawRequest]
    honestly(next)
    await vi.waitFor(() => expect(peer.client.counts.lateAnswers).toBe(1))
    honestly(oldest)
    expect(await codeOf(peer.client.failure)).toBe('modbus.violation')
  })

  it.each([
    ['a length of none', (request: RawRequest) => frameFor(request, truth(request), { length: 0 })],
    ['a length beyond any frame', (request: RawRequest) => frameFor(request, truth(request), { length: 60_000 })],
    ['another protocol id', (request: RawRequest) => frameFor(request, truth(request), { protocol: 1 })],
    [
      'eight stray bytes before it',
      (request: RawRequest) => Buffer.concat([Buffer.from('deadbeefcafebabe', 'hex'), frameFor(request, truth(request))]),
    ],
    ['an id that nobody asked for', (request: RawRequest) => frameFor(request, truth(request), { transaction: 40_000 })],
    ['another unit', (request: RawRequest) => frameFor(request, truth(request), { unit: 9 })],
    ['another function', (request: RawRequest) => frameFor(request, Buffer.concat([Buffer.of(4), truth(request).subarray(1)]))],
    ['an exception of another function', (request: RawRequest) => frameFor(request, Buffer.of(0x84, 2))],
    ['an exception without a code', (request: RawRequest) => frameFor(request, Buffer.of(0x83))],
    ['fewer registers', (request: RawRequest) => frameFor(request, Buffer.from('03020001', 'hex'))],
    ['more registers', (request: RawRequest) => frameFor(request, Buffer.from('0306000100020003', 'hex'))],
    ['a byte count that is not that of its bytes', (request: RawRequest) => frameFor(request, Buffer.from('030400010002ff', 'hex'))],
    ['no byte count', (request: RawRequest) => frameFor(request, Buffer.of(3))],
    ['its answer twice', (request: RawRequest) => Buffer.concat([frameFor(request, truth(request)), frameFor(request, truth(request))])],
    ['a page of HTTP', () => Buffer.from('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n')],
  ])('closes the connection, and settles all that waits, when it gets %s', async (_, lie) => {
    await using peer = await connected((request, position) => position === 1 && request.socket.write(lie(request)), { inflightMax: 4 })
    const waiting = Promise.all([7, 0, 9, 9, 9, 9].map((start) => codeOf(peer.read(start, 2))))
    expect(await codeOf(peer.client.failure)).toBe('modbus.violation')
    expect((await waiting).filter((code) => code !== 'answered' && code !== 'modbus.violation')).toEqual([])
    expect(peer.client.isOpen).toBe(false)
    expect(await codeOf(peer.read(1))).toBe('modbus.violation')
    await vi.waitFor(() => expect(peer.server.sockets.size).toBe(0))
  })

  it('closes the connection when a write is echoed with another value', async () => {
    await using peer = await connected((request) => request.socket.write(frameFor(request, Buffer.from('0600050008', 'hex'))))
    const write = peer.client.ask(askWriteRegister({ unit: 1, start: 5 }, Buffer.of(0, 7)), { urgency: 'write' })
    await expect(write).rejects.toMatchObject({ code: 'modbus.violation', wasSent: true })
  })

  it('gives no answer at all when one was cut short and filled up by the next', async () => {
    const held: RawRequest[] = []
    const answer = (request: RawRequest): void => {
      const [first, second] = held.push(request) === 2 ? held : []
      if (first === undefined || second === undefined) return
      for (const cut of [frameFor(first, truth(first)).subarray(0, 10), frameFor(second, truth(second))]) first.socket.write(cut)
    }
    await using peer = await connected(answer, { inflightMax: 2 })
    expect(await Promise.all([peer.read(0, 3), peer.read(100, 3)].map(codeOf))).toEqual(['modbus.violation', 'modbus.violation'])
  })

  it('never takes an id that is off by one for that of the next request', async () => {
    await using peer = await connected(
      (request) => request.socket.write(frameFor(request, truth(request), { transaction: (request.transaction + 1) & 0xffff })),
      { inflightMax: 16 },
    )
    const codes = await Promise.all(Array.from({ length: 16 }, (_, start) => codeOf(peer.read(start))))
    expect(new Set(codes)).toEqual(new Set(['modbus.violation']))
  })

  it('reads answers that come glued together, and out of order', async () => {
    const held: RawRequest[] = []
    const answer = (request: RawRequest): void => {
      if (held.push(request) === 4) request.socket.write(Buffer.concat(held.toReversed().map((one) => frameFor(one, truth(one)))))
    }
    await using peer = await connected(answer, { inflightMax: 4 })
    const answers = await Promise.all([1, 2, 3, 4].map((start) => peer.read(start)))
    expect(answers.map((one) => one.kind === 'data' && one.data.readUInt16BE(0))).toEqual([1, 2, 3, 4])
  })

  it('reads answers that come byte by byte', async () => {
    const answer = async (request: RawRequest): Promise<void> => {
      for (const byte of frameFor(request, truth(request))) {
        request.socket.write(Buffer.of(byte))
        await new Promise((resolve) => setImmediate(resolve))
      }
    }
    await using peer = await connected((request) => void answer(request))
    expect(await peer.read(3, 4)).toEqual({ kind: 'data', data: registersFrom(3, 4) })
  })

  it('says that nobody answered, with a Fault, and goes on', async () => {
    await using peer = await connected((request, position) => (position < 2 ? silence() : honestly(request)))
    await expect(peer.read(0)).rejects.toThrow(Fault)
    await expect(peer.read(0)).rejects.toMatchObject({ code: 'modbus.no-answer', isRetryable: true, wasSent: true })
    expect(await peer.read(4)).toEqual({ kind: 'data', data: registersFrom(4, 1) })
  })

  it('counts half an answer as none', async () => {
    await using peer = await connected((request) => request.socket.write(frameFor(request, truth(request)).subarray(0, 9)))
    expect(await codeOf(peer.read(0, 4))).toBe('modbus.no-answer')
  })

  it('takes an answer that came in time, though its own process was held up', async () => {
    const answer = (request: RawRequest): void => {
      honestly(request)
      for (const until = performance.now() + 2 * timeoutMs; performance.now() < until; );
    }
    await using peer = await connected(answer)
    expect(await codeOf(peer.read(0))).toBe('answered')
  })

  it.each([
    ['closes', (request: RawRequest) => request.socket.end(), 'modbus.closed'],
    ['resets', (request: RawRequest) => request.socket.resetAndDestroy(), 'modbus.closed'],
  ])('settles everything at once when the peer %s the connection', async (_, leave, code) => {
    await using peer = await connected((request, position) => position === 1 && leave(request), { inflightMax: 2, timeoutMs: 10_000 })
    const waiting = [peer.read(0), peer.read(1), peer.read(2)].map(codeOf)
    expect(await Promise.all(waiting)).toEqual([code, code, code])
    expect(await codeOf(peer.client.failure)).toBe(code)
  })

  it('settles everything at once when it is disposed of, and that is no failure', async () => {
    await using peer = await connected(silence, { timeoutMs: 10_000 })
    const waiting = [peer.read(0), peer.read(1)].map(codeOf)
    await vi.waitFor(() => expect(peer.server.requests).toHaveLength(1))
    await peer.client[Symbol.asyncDispose]()
    expect(await Promise.all(waiting)).toEqual(['modbus.disconnected', 'modbus.disconnected'])
    expect(await Promise.race([codeOf(peer.client.failure), Promise.resolve('pending')])).toBe('pending')
    expect(await codeOf(peer.read(2))).toBe('modbus.disconnected')
  })

  it('has no more requests on their way than it may', async () => {
    await using peer = await connected(silence, { inflightMax: 3, timeoutMs: 10_000 })
    const waiting = Array.from({ length: 10 }, (_, start) => codeOf(peer.read(start)))
    await vi.waitFor(() => expect(peer.server.requests).toHaveLength(3))
    for (const request of [...peer.server.requests]) honestly(request)
    await vi.waitFor(() => expect(peer.server.requests).toHaveLength(6))
    await peer.client[Symbol.asyncDispose]()
    expect((await Promise.all(waiting)).filter((code) => code === 'answered')).toHaveLength(3)
  })

  it('sends writes before reads before polls, and a poll after eight of them', async () => {
    await using peer = await connected(silence, { timeoutMs: 10_000 })
    const ask = (urgency: 'write' | 'read' | 'poll', start: number): void =>
      void codeOf(peer.client.ask(askRead({ unit: 1, area: 'hr', start, count: 1 }), { urgency }))
    ask('poll', 0)
    await vi.waitFor(() => expect(peer.server.requests).toHaveLength(1))
    for (const start of [100, 101]) ask('poll', start)
    for (const start of [200, 201]) ask('read', start)
    for (let start = 300; start < 309; start += 1) ask('write', start)
    for (let answered = 0; answered < 13; answered += 1) {
      await vi.waitFor(() => expect(peer.server.requests.length).toBeGreaterThan(answered))
      const request = peer.server.requests[answered]
      if (request !== undefined) honestly(request)
    }
    await vi.waitFor(() => expect(peer.server.requests).toHaveLength(14))
    const order = peer.server.requests.map(({ pdu }) => pdu.readUInt16BE(1))
    expect(order).toEqual([0, 300, 301, 302, 303, 304, 305, 306, 307, 100, 308, 200, 201, 101])
  })

  it('takes back what was not sent yet when its asker gives up', async () => {
    await using peer = await connected(silence, { timeoutMs: 10_000 })
    void codeOf(peer.read(0))
    await vi.waitFor(() => expect(peer.server.requests).toHaveLength(1))
    const giveUp = new AbortController()
    const write = peer.client.ask(askWriteRegister({ unit: 1, start: 5 }, Buffer.of(0, 7)), { urgency: 'write', signal: giveUp.signal })
    giveUp.abort()
    await expect(write).rejects.toMatchObject({ code: 'modbus.abandoned', wasSent: false })
    const [first] = peer.server.requests
    if (first !== undefined) honestly(first)
    void codeOf(peer.read(9))
    await vi.waitFor(() => expect(peer.server.requests.map(({ pdu }) => pdu[0])).toEqual([3, 3]))
  })

  it('refuses more requests than may wait', async () => {
    await using peer = await connected(silence, { timeoutMs: 10_000 })
    const codes = Array.from({ length: 1_100 }, (_, start) => codeOf(peer.read(start)))
    await peer.client[Symbol.asyncDispose]()
    const busy = (await Promise.all(codes)).filter((code) => code === 'modbus.busy')
    expect(busy).toHaveLength(1_100 - 1_024)
  })

  it('pauses after connecting and between requests where the device needs it', async () => {
    await using peer = await connected(honestly, { pauseMs: 30, inflightMax: 4 })
    const started = performance.now()
    await Promise.all([peer.read(0), peer.read(1), peer.read(2)])
    expect(performance.now() - started).toBeGreaterThan(3 * 29)
    expect(peer.client.inflightMax).toBe(1)
  })

  it('writes a bit by FC22', async () => {
    await using peer = await connected(honestly)
    const answer = await peer.client.ask(askMaskRegister({ unit: 1, start: 4 }, { andMask: 0xfff7, orMask: 8 }), { urgency: 'write' })
    expect(answer.kind).toBe('data')
    expect(peer.server.requests[0]?.pdu.toString('hex')).toBe('160004fff70008')
  })

  it('says so when the port is closed', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as { readonly port: number }
    server.close()
    await once(server, 'close')
    await expect(connectTcp(options(port))).rejects.toMatchObject({ code: 'modbus.refused', isRetryable: true })
  })

  it('connects no longer than its signal allows, and not at all once it is over', async () => {
    const reason = new Fault('device.connect-timeout', 'too long', { remedy: 'wait' })
    await expect(connectTcp(options(502, { signal: AbortSignal.abort(reason) }))).rejects.toBe(reason)
    const limit = new AbortController()
    const connecting = connectTcp(options(502, { host: '127.0.0.2', signal: limit.signal })).catch((error: unknown) => error)
    limit.abort(reason)
    expect([reason.code, 'modbus.refused']).toContain(((await connecting) as Fault).code)
  })

  it('is not ended by the signal that limited connecting', async () => {
    const limit = new AbortController()
    await using peer = await connected(honestly, { signal: limit.signal })
    limit.abort()
    expect((await peer.read(5)).kind).toBe('data')
  })
})

/** What a bad network, a bad gateway or a bad device does to one request. */
const mischief: Readonly<Record<string, (request: RawRequest, held: RawRequest[]) => void>> = {
  honest: honestly,
  drop: silence,
  late: (request, held) => void held.push(request),
  releaseLate: (request, held) => {
    for (const one of held.splice(0)) if (one.socket === request.socket) honestly(one)
    honestly(request)
  },
  duplicate: (request) => request.socket.write(Buffer.concat([frameFor(request, truth(request)), frameFor(request, truth(request))])),
  truncate: (request) => request.socket.write(frameFor(request, truth(request)).subarray(0, 10)),
  wrongId: (request) => request.socket.write(frameFor(request, truth(request), { transaction: (request.transaction + 1) & 0xffff })),
  wrongUnit: (request) => request.socket.write(frameFor(request, truth(request), { unit: 2 })),
  wrongFunction: (request) => request.socket.write(frameFor(request, Buffer.concat([Buffer.of(4), truth(request).subarray(1)]))),
  wrongLength: (request) => request.socket.write(frameFor(request, truth(request), { length: 3 })),
  wrongProtocol: (request) => request.socket.write(frameFor(request, truth(request), { protocol: 7 })),
  garbage: (request) => request.socket.write(Buffer.from('0123456789abcdef0123', 'hex')),
  reset: (request) => request.socket.resetAndDestroy(),
  close: (request) => request.socket.end(),
  refuse: (request) => request.socket.write(frameFor(request, exception(request, 6))),
}

describe('the Modbus TCP client, whatever the peer does', () => {
  it('settles every request, and never with a wrong value', async () => {
    const script = fc.array(fc.constantFrom(...Object.keys(mischief), 'honest', 'honest', 'honest'), { minLength: 5, maxLength: 12 })
    await fc.assert(
      fc.asyncProperty(script, fc.integer({ min: 1, max: 4 }), async (acts, inflightMax) => {
        const held: RawRequest[] = []
        await using server = await startFaultServer((request, position) => mischief[acts[position] ?? 'honest']?.(request, held))
        let settled = 0
        for (let start = 0; start < acts.length; ) {
          await using client = await connectTcp(options(server.port, { inflightMax, timeoutMs: 40 }))
          const reads = Array.from({ length: Math.min(3, acts.length - start) }, async (_, place) => {
            const at = 100 * (start + place)
            const answer = await client.ask(askRead({ unit: 1, area: 'hr', start: at, count: 3 }), { urgency: 'poll' }).catch(codeFault)
            if (typeof answer === 'object' && answer.kind === 'data') expect(answer.data).toEqual(registersFrom(at, 3))
            settled += 1
          })
          await Promise.all(reads)
          start += reads.length
        }
        expect(settled).toBe(acts.length)
      }),
      { numRuns: 60 },
    )
  }, 60_000)
})

function codeFault(error: unknown): string {
  if (error instanceof Fault) return error.code
  throw error
}
