import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { promisify } from 'node:util'
import { Worker } from 'node:worker_threads'
import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { Fault } from '../../../src/base/fault.ts'
import type { AskOptions, Line } from '../../../src/south/modbus/line.ts'
import { type Answer, type Ask, askMaskRegister, askRead, askWriteRegister } from '../../../src/south/modbus/pdu.ts'
import type { ChannelListener, RtuChannel } from '../../../src/south/modbus/rtu-channel.ts'
import { type RtuClientOptions, startRtuClient } from '../../../src/south/modbus/rtu-client.ts'
import { openRtuSocket } from '../../../src/south/modbus/rtu-socket.ts'
import { openSerialPort } from '../../../src/south/modbus/serial-port.ts'
import type { SerialSettings } from '../../../src/south/modbus/settings.ts'
import { UnitBreaker } from '../../../src/south/modbus/unit-breaker.ts'
import { startManualClock } from '../../support/manual-clock.ts'
import { exception, registersFrom, truth } from '../../support/modbus-fault-server.ts'
import { type RtuFaultServer, type RtuRequest, rtuFrame, startRtuFaultServer } from '../../support/rtu-fault-server.ts'
import { startSerialLine } from '../../support/serial-line.ts'

const timeoutMs = 150
const baud = 115_200
const characterMs = 11_000 / baud

interface Peer extends AsyncDisposable {
  readonly server: RtuFaultServer
  readonly client: Line
  read(start: number, count?: number, unit?: number): Promise<Answer>
  ask(ask: Ask, options?: Partial<AskOptions>): Promise<Answer>
}

type Answering = (request: RtuRequest, position: number) => void

async function overSocket(answer: Answering, more: Partial<RtuClientOptions> = {}): Promise<Peer> {
  const server = await startRtuFaultServer(answer)
  const context = { clock: systemClock, signal: AbortSignal.timeout(30_000) }
  const channel = await openRtuSocket({ host: '127.0.0.1', port: server.port }, context)
  const client = startRtuClient({ channel, baud, characterMs, timeoutMs, pauseMs: 0, broadcastPauseMs: 40, clock: systemClock, ...more })
  return peerOf(server, client, [client, server])
}

function serialSettings(path: string, more: Partial<SerialSettings> = {}): SerialSettings {
  const frame = { parity: 'none', stopBits: 1, characterBits: 10 } as const
  return { kind: 'serial', path, baud, ...frame, broadcastPauseMs: 40, rts: 'unused', rtsDelayMs: 0, hasEcho: false, ...more }
}

/** The same slaves at the far end of a serial line. */
async function overSerial(answer: Answering, more: Partial<RtuClientOptions> = {}): Promise<Peer> {
  const server = await startRtuFaultServer(answer)
  const line = await startSerialLine({ port: server.port })
  const channel = await openSerialPort(serialSettings(line.path), { clock: systemClock, signal: AbortSignal.timeout(30_000) })
  const client = startRtuClient({ channel, baud, characterMs, timeoutMs, pauseMs: 0, broadcastPauseMs: 40, clock: systemClock, ...more })
  return peerOf(server, client, [client, line, server])
}

function peerOf(server: RtuFaultServer, client: Line, parts: readonly AsyncDisposable[]): Peer {
  const ask: Peer['ask'] = (what, options = {}) => client.ask(what, { urgency: 'poll', ...options })
  return {
    server,
    client,
    ask,
    read: (start, count = 1, unit = 1) => ask(askRead({ unit, area: 'hr', start, count })),
    [Symbol.asyncDispose]: async () => {
      for (const part of parts) await part[Symbol.asyncDispose]()
    },
  }
}

const silence = (): void => {}

/** A channel in the hands of a test. */
function fakeChannel(more: Partial<RtuChannel> = {}) {
  const said: string[] = []
  let listener: ChannelListener | undefined
  const channel: RtuChannel = {
    peer: 'the line',
    listen: (to) => {
      listener = to
    },
    flush: async () => {},
    write: async (frame) => void said.push(frame.toString('hex')),
    close: async () => {},
    ...more,
  }
  return { channel, said, hear: (bytes: Buffer): void => listener?.bytes(bytes) }
}
const frameOf = (request: RtuRequest, crc?: number): Buffer => rtuFrame(request.unit, truth(request), crc)
const honestly = (request: RtuRequest): void => void request.socket.write(frameOf(request))
const registers = (start: number, count: number) => ({ kind: 'data', data: registersFrom(start, count) })

function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'answered',
    (error: unknown) => (error instanceof Fault ? error.code : String(error)),
  )
}

describe('the timers of the RTU client', () => {
  it.each([-5_000, 0, 5])('are never set into the past, though an answer is wanted within %i ms', async (wantedMs) => {
    const set: number[] = []
    const after = (ms: number, callback: () => void): Disposable => {
      set.push(ms)
      return systemClock.after(ms, callback)
    }
    const clock = { ...systemClock, after }
    const { channel } = fakeChannel()
    await using client = startRtuClient({ channel, baud, characterMs, timeoutMs, pauseMs: 0, broadcastPauseMs: 0, clock })
    const ask = askRead({ unit: 1, area: 'hr', start: 0, count: 1 })
    const options = { urgency: 'poll', timeoutMs: wantedMs } as const
    expect(await Promise.all([1, 2].map(() => codeOf(client.ask(ask, options))))).toEqual(['modbus.no-answer', 'modbus.no-answer'])
    expect(Math.min(...set)).toBeGreaterThanOrEqual(0)
  })
})

describe.each([
  ['a socket', overSocket],
  ['a serial port', overSerial],
] as const)('the RTU client over %s', (_, connect) => {
  it('gives each request its own answer, one after the other', async () => {
    await using peer = await connect(honestly)
    const answers = await Promise.all([0, 10, 20, 30].map((start) => peer.read(start, 2, 1 + start / 10)))
    expect(answers).toEqual([0, 10, 20, 30].map((start) => registers(start, 2)))
    expect(peer.server.requests.map(({ unit }) => unit)).toEqual([1, 2, 3, 4])
    expect(peer.server.strayBytes).toBe(0)
  })

  it('passes on an exception as an answer', async () => {
    await using peer = await connect((request) => request.socket.write(rtuFrame(request.unit, exception(request, 2))))
    expect(await peer.read(0)).toEqual({ kind: 'exception', code: 2 })
  })

  it('writes a bit by FC22, which modbus-serial never could over RTU', async () => {
    await using peer = await connect(honestly)
    const ask = askMaskRegister({ unit: 1, start: 4 }, { andMask: 0xfff7, orMask: 8 })
    expect((await peer.ask(ask, { urgency: 'write' })).kind).toBe('data')
    expect(peer.server.requests[0]?.pdu.toString('hex')).toBe('160004fff70008')
  })

  it('never takes a late answer for that of the next request', async () => {
    const held: RtuRequest[] = []
    await using peer = await connect((request, position) => void (position > 0 ? honestly(request) : held.push(request)))
    expect(await codeOf(peer.read(0, 2))).toBe('modbus.no-answer')
    const next = peer.read(500, 2)
    for (const one of held) honestly(one)
    expect(await next).toEqual(registers(500, 2))
    expect(peer.client.counts?.lateAnswers).toBe(1)
  })

  it('says that an answer was damaged, and goes on', async () => {
    await using peer = await connect((request, position) => request.socket.write(frameOf(request, position === 0 ? 0xbad : undefined)))
    expect(await codeOf(peer.read(0, 2))).toBe('modbus.crc')
    expect(await peer.read(5, 2)).toEqual(registers(5, 2))
    expect(peer.client.counts?.crcErrors).toBe(1)
  })

  it('writes to all units at once, and waits for them', async () => {
    await using peer = await connect((request) => (request.unit === 0 ? silence() : honestly(request)))
    const started = performance.now()
    const broadcast = peer.ask(askWriteRegister({ unit: 0, start: 5 }, Buffer.of(0, 7)), { urgency: 'write' })
    const [, answer] = await Promise.all([broadcast, peer.read(3)])
    expect(answer).toEqual(registers(3, 1))
    expect(performance.now() - started).toBeGreaterThan(39)
    expect(peer.client.counts?.timeouts).toBe(0)
    expect(await codeOf(peer.read(0, 1, 0))).toBe('modbus.broadcast-read')
  })

  it('throws away what came while its own process was held up and nobody asked', async () => {
    await using peer = await connect(honestly)
    await peer.read(0)
    for (const socket of peer.server.sockets) socket.write(rtuFrame(1, Buffer.from('03020009', 'hex')))
    for (const until = performance.now() + 300; performance.now() < until; ); // it comes, and nobody looks
    expect(await peer.read(4)).toEqual(registers(4, 1))
  })

  it('settles everything at once when it is disposed of, and that is no failure', async () => {
    await using peer = await connect(silence, { timeoutMs: 10_000 })
    const waiting = [peer.read(0), peer.read(1)].map(codeOf)
    await vi.waitFor(() => expect(peer.server.requests).toHaveLength(1))
    await peer.client[Symbol.asyncDispose]()
    expect(await Promise.all(waiting)).toEqual(['modbus.disconnected', 'modbus.disconnected'])
    expect(await Promise.race([codeOf(peer.client.failure), Promise.resolve('pending')])).toBe('pending')
    expect(await codeOf(peer.read(2))).toBe('modbus.disconnected')
  })
})

describe('the RTU client', () => {
  it('asks a unit that owes an answer again only when it had time to be late, and others meanwhile', async () => {
    await using peer = await overSocket((request) => (request.unit === 1 ? silence() : honestly(request)))
    expect(await codeOf(peer.read(0))).toBe('modbus.no-answer')
    const started = performance.now()
    const owing = codeOf(peer.read(0))
    expect(await peer.read(7, 1, 2)).toEqual(registers(7, 1))
    expect(performance.now() - started).toBeLessThan(timeoutMs)
    await owing
    expect(performance.now() - started).toBeGreaterThan(2 * timeoutMs - 5)
  })

  it('serves thirty units with one dead among them at the cost of one timeout a probe period', async () => {
    const clock = startManualClock()
    const units = new UnitBreaker({ clock })
    units.use(Array.from({ length: 30 }, (_, place) => place + 1))
    const write = async (frame: Buffer): Promise<void> => {
      const [unit = 0] = frame
      if (unit !== 13) clock.after(5, () => hear(rtuFrame(unit, Buffer.from('03020007', 'hex'))))
    }
    const { channel, hear } = fakeChannel({ write })
    await using client = startRtuClient({ channel, baud, characterMs, timeoutMs, pauseMs: 0, broadcastPauseMs: 0, units, clock })
    const rounds: number[] = []
    while (clock.elapsed() < 16_000) {
      const begun = clock.elapsed()
      const reads = Array.from({ length: 30 }, (_, place) => askRead({ unit: place + 1, area: 'hr', start: 0, count: 1 }))
      let settled = 0
      for (const ask of reads) void codeOf(client.ask(ask, { urgency: 'poll' })).then(() => (settled += 1))
      while (settled < reads.length) await clock.advance(10)
      rounds.push(clock.elapsed() - begun)
    }
    const plain = Math.min(...rounds)
    const longer = rounds.filter((ms) => ms > plain + 20)
    // Two silences are needed to believe it, then three probes in 16 s.
    expect(longer).toHaveLength(5)
    expect(Math.max(...rounds)).toBeLessThanOrEqual(plain + timeoutMs + 20)
    expect(client.counts?.timeouts).toBe(5)
    expect(client.counts?.spared).toBe(rounds.length - 5)
  }, 60_000)

  it('is not led astray by a unit that answers everything in order, however late', async () => {
    let busyUntil = 0
    await using peer = await overSocket((request, position) => {
      // A PLC that is held up now and then: what it is asked meanwhile it answers afterwards.
      busyUntil = Math.max(performance.now(), busyUntil) + (position % 4 === 1 ? 2.5 * timeoutMs : 1)
      setTimeout(() => honestly(request), busyUntil - performance.now())
    })
    let wrong = 0
    let right = 0
    for (let round = 0; round < 12; round += 1) {
      const start = 100 * round
      const answer = await peer.read(start, 2).catch(() => undefined)
      if (answer?.kind !== 'data') continue
      if (answer.data.equals(registersFrom(start, 2))) right += 1
      else wrong += 1
    }
    expect(wrong).toBe(0)
    expect(right).toBeGreaterThan(2)
  })

  it('gets a unit in step again that has nothing but exceptions, by waiting', async () => {
    await using peer = await overSocket((request, position) => {
      if (position > 0) request.socket.write(rtuFrame(request.unit, exception(request, 2)))
    })
    expect(await codeOf(peer.read(0))).toBe('modbus.no-answer')
    await expect(peer.read(0)).rejects.toMatchObject({ code: 'modbus.no-answer', wasSent: false })
    expect(await peer.read(0)).toEqual({ kind: 'exception', code: 2 })
  })

  it('knows the answer of a unit that is late from that of another that is asked', async () => {
    let held: RtuRequest | undefined
    await using peer = await overSocket((request) => {
      if (request.unit === 1) held = request
      else {
        if (held !== undefined) honestly(held)
        honestly(request)
      }
    })
    expect(await codeOf(peer.read(0, 2, 1))).toBe('modbus.no-answer')
    expect(await peer.read(500, 2, 2)).toEqual(registers(500, 2))
    expect(peer.client.counts?.lateAnswers).toBe(1)
  })

  it('throws away what came while nobody asked', async () => {
    const write = async (): Promise<void> => void setImmediate(() => hear(rtuFrame(1, Buffer.from('03020004', 'hex'))))
    const { channel, hear } = fakeChannel({ write })
    const clock = systemClock
    await using client = startRtuClient({ channel, baud, characterMs, timeoutMs, pauseMs: 0, broadcastPauseMs: 0, clock })
    hear(rtuFrame(1, Buffer.from('03020009', 'hex')))
    const answer = await client.ask(askRead({ unit: 1, area: 'hr', start: 4, count: 1 }), { urgency: 'poll' })
    expect(answer).toEqual(registers(4, 1))
  })

  it('gives a slow line the time that the bytes take', async () => {
    const slow = { baud: 1_200, characterMs: 11_000 / 1_200 }
    await using peer = await overSocket((request) => setTimeout(() => honestly(request), 1.5 * timeoutMs), slow)
    expect((await peer.read(0, 20)).kind).toBe('data')
  })

  it('keeps the silence between frames that the standard asks for', async () => {
    await using peer = await overSocket(honestly, { baud: 1_200, characterMs: 11_000 / 1_200 })
    const started = performance.now()
    for (const start of [0, 1, 2]) await peer.read(start)
    expect(performance.now() - started).toBeGreaterThan(3 * 3.5 * (11_000 / 1_200) - 1)
  })

  it('ends when somebody on the line does not stop talking', async () => {
    const clock = startManualClock()
    const { channel, said, hear } = fakeChannel()
    await using client = startRtuClient({ channel, baud, characterMs, timeoutMs, pauseMs: 0, broadcastPauseMs: 0, clock })
    const ask = askRead({ unit: 1, area: 'hr', start: 0, count: 1 })
    const asked = codeOf(client.ask(ask, { urgency: 'poll' }))
    for (let ms = 0; ms < 2_100 && client.isOpen; ms += 1) {
      hear(Buffer.from('noise'))
      await clock.advance(1)
    }
    expect(await asked).toBe('modbus.babbling')
    expect(await codeOf(client.failure)).toBe('modbus.babbling')
    expect(said).toEqual([])
  })

  it('ends when its port takes nothing, be it flushing or writing', async () => {
    for (const stuck of ['flush', 'write'] as const) {
      const clock = startManualClock()
      const { channel } = fakeChannel({ [stuck]: () => new Promise<void>(() => {}) })
      await using client = startRtuClient({ channel, baud, characterMs, timeoutMs, pauseMs: 0, broadcastPauseMs: 0, clock })
      const asked = codeOf(client.ask(askRead({ unit: 1, area: 'hr', start: 0, count: 1 }), { urgency: 'poll' }))
      await clock.advance(3_000)
      expect(await asked).toBe('modbus.stuck')
    }
  })

  it.each([
    ['closes', (request: RtuRequest) => request.socket.end()],
    ['resets', (request: RtuRequest) => request.socket.resetAndDestroy()],
  ])('settles everything at once when its server %s the connection', async (_, leave) => {
    await using peer = await overSocket(leave)
    const waiting = [peer.read(0), peer.read(1), peer.read(2)].map(codeOf)
    expect(await Promise.all(waiting)).toEqual(['modbus.closed', 'modbus.closed', 'modbus.closed'])
    expect(await codeOf(peer.client.failure)).toBe('modbus.closed')
  })

  it('has no answer for a read of unit 0, and says so', async () => {
    await using peer = await overSocket(honestly)
    expect(await codeOf(peer.read(0, 1, 0))).toBe('modbus.broadcast-read')
  })
})

describe('a serial port', () => {
  const context = { clock: systemClock, signal: AbortSignal.timeout(60_000) }

  it('that is not there is told of, with what to do', async () => {
    await expect(openSerialPort(serialSettings('/dev/lineside-nowhere'), context)).rejects.toMatchObject({
      code: 'modbus.port-unknown',
      isRetryable: true,
      remedy: expect.stringContaining('Plug the adapter in'),
    })
  })

  it('that is no serial port is told of', async () => {
    await expect(openSerialPort(serialSettings('/dev/null'), context)).rejects.toMatchObject({
      code: expect.stringMatching(/^modbus\.port/),
    })
  })

  // The thread loads the driver anew: 7 s were seen beside two busy loops.
  it('can be talked to from a thread, as the daemon does, where the package `serialport` ends the process', {
    timeout: 60_000,
  }, async () => {
    await using server = await startRtuFaultServer(honestly)
    await using line = await startSerialLine({ port: server.port })
    const reader = new Worker(new URL('../../support/serial-reader-process.ts', import.meta.url), { workerData: { path: line.path } })
    const told: unknown[] = []
    reader.on('message', (value) => told.push(value))
    const [code] = await once(reader, 'exit') // rejects with what the thread throws
    expect({ told, code }).toEqual({ told: [4711], code: 0 })
  })

  it('belongs to one owner, and is set as was asked', async () => {
    await using line = await startSerialLine()
    const channel = await openSerialPort(serialSettings(line.path, { baud: 9_600, stopBits: 2 }), context)
    const { stdout } = await promisify(execFile)('stty', ['-a', '-F', line.path])
    expect(stdout).toMatch(/speed 9600 baud/)
    for (const flag of ['cs8', 'cstopb', 'clocal', 'cread', '-icanon', '-echo', '-opost', '-icrnl', '-crtscts'])
      expect(stdout).toContain(flag)
    await expect(openSerialPort(serialSettings(line.path), context)).rejects.toMatchObject({ code: 'modbus.port-taken' })
    await channel.close()
    const again = await openSerialPort(serialSettings(line.path), context)
    await again.close()
  })

  it('that cannot do a rate is told of', async () => {
    await using line = await startSerialLine()
    await expect(openSerialPort(serialSettings(line.path, { baud: 12_345 }), context)).rejects.toMatchObject({
      code: 'modbus.port',
      message: expect.stringContaining('12345 baud'),
    })
  })

  it('ends its line when it is pulled out, and nothing waits for it', async () => {
    const server = await startRtuFaultServer(silence)
    await using line = await startSerialLine({ port: server.port })
    const channel = await openSerialPort(serialSettings(line.path), context)
    await using client = startRtuClient({
      channel,
      baud,
      characterMs,
      timeoutMs: 5_000,
      pauseMs: 0,
      broadcastPauseMs: 0,
      clock: systemClock,
    })
    const waiting = codeOf(client.ask(askRead({ unit: 1, area: 'hr', start: 0, count: 1 }), { urgency: 'poll' }))
    await vi.waitFor(() => expect(server.requests).toHaveLength(1))
    await line.unplug()
    expect(await codeOf(client.failure)).toBe('modbus.port-lost')
    expect(await waiting).toBe('modbus.port-lost')
    await server[Symbol.asyncDispose]()
  })
})

/** What a bad line or a bad device does to one request. */
const mischief: Readonly<Record<string, (request: RtuRequest, held: RtuRequest[]) => unknown>> = {
  honest: honestly,
  drop: silence,
  late: (request) => setTimeout(() => honestly(request), 1.4 * timeoutMs),
  badCrc: (request) => request.socket.write(frameOf(request, 0x1234)),
  truncate: (request) => request.socket.write(frameOf(request).subarray(0, 6)),
  dribble: async (request) => {
    for (const byte of frameOf(request)) {
      request.socket.write(Buffer.of(byte))
      await new Promise((resolve) => setImmediate(resolve))
    }
  },
  duplicate: (request) => request.socket.write(Buffer.concat([frameOf(request), frameOf(request)])),
  glueNoise: (request) => request.socket.write(Buffer.concat([Buffer.of(0xff, 0), frameOf(request), Buffer.of(0xfe)])),
  wrongUnit: (request) => request.socket.write(rtuFrame(9, truth(request))),
  wrongFunction: (request) => request.socket.write(rtuFrame(request.unit, Buffer.concat([Buffer.of(4), truth(request).subarray(1)]))),
  garbage: (request) => request.socket.write(Buffer.from('0123456789abcdef0123', 'hex')),
  refuse: (request) => request.socket.write(rtuFrame(request.unit, exception(request, 6))),
}

describe.each([
  ['a socket', overSocket, 15],
  ['a serial port', overSerial, 6],
] as const)('the RTU client over %s, whatever the slaves do', (_, connect, numRuns) => {
  it('settles every request, and never with a wrong value', async () => {
    const script = fc.array(fc.constantFrom(...Object.keys(mischief), 'honest', 'honest'), { minLength: 4, maxLength: 8 })
    await fc.assert(
      fc.asyncProperty(script, async (acts) => {
        const held: RtuRequest[] = []
        await using peer = await connect((request, position) => void mischief[acts[position] ?? 'honest']?.(request, held))
        for (const [place] of acts.entries()) {
          const answer = await peer.read(100 * place, 3, 1 + (place % 2)).catch((error: unknown) => {
            if (!(error instanceof Fault)) throw error
          })
          if (answer?.kind === 'data') expect(answer.data).toEqual(registersFrom(100 * place, 3))
        }
        expect(await vi.waitFor(() => peer.read(7))).toEqual(registers(7, 1)) // may be asked again, but never be wrong
      }),
      { numRuns },
    )
  }, 60_000)
})
