#!/usr/bin/env node
import { createServer, type Server, type Socket } from 'node:net'
import { parseArgs } from 'node:util'

const usage = `node simulators/load.ts [--devices N] [--registers N] [--period MS] [--stamp word|pair] [--port N] [--units]

Modbus TCP devices on 127.0.0.1 whose registers say when they changed, for benches. Each register changes once in --period (1000 ms; 0: never), each at
a moment of its own. What it changes to is that moment:
  word   each register is the low 16 bits of the time in ms since 1970: latency = (Date.now() - value) & 0xffff
  pair   each pair of registers (0-1, 2-3, …) is the low 32 bits, high word first, and changes as one
--devices 1, --registers 100 (each device; at most 65536), --port 0 (any free ones; else the first of N), --units: one port, units 1 to N.
Functions 3 and 4 are answered. Once all listen, one line of JSON says where. Ends with standard input, on SIGTERM and on SIGINT.
`

const host = '127.0.0.1'

interface LoadOptions {
  readonly devices: number
  readonly registers: number
  readonly periodMs: number
  readonly wordsPerStamp: 1 | 2
  readonly port: number
  readonly areUnits: boolean
}

/**
 * The registers of one device. Nothing runs between two requests: the moments of all changes are known beforehand, so a request first writes those that
 * have come since the one before. Whoever reads sees what a device would show that changes its registers at exactly these moments.
 */
class StampedRegisters {
  readonly #bytes: Buffer
  readonly #stamps: number
  readonly #options: LoadOptions
  /** Number of the next change, counted from 1970, and when it comes. Change n is of stamp n modulo the number of stamps. */
  #next: number
  readonly #shiftMs: number

  constructor(options: LoadOptions, place: number) {
    this.#options = options
    this.#bytes = Buffer.alloc(options.registers * 2)
    this.#stamps = Math.max(1, Math.floor(options.registers / options.wordsPerStamp))
    this.#shiftMs = (this.#betweenMs * place) / options.devices // devices do not change in the same millisecond either
    this.#next = Math.max(0, this.#changesUntil(Date.now()) - this.#stamps)
    if (options.periodMs === 0) for (let stamp = 0; stamp < this.#stamps; stamp += 1) this.#write(stamp, Date.now())
  }

  get #betweenMs(): number {
    return this.#options.periodMs / this.#stamps
  }

  #changesUntil(ms: number): number {
    return this.#options.periodMs === 0 ? 0 : Math.floor((ms - this.#shiftMs) / this.#betweenMs) + 1
  }

  read(address: number, count: number): Buffer | undefined {
    if (count < 1 || count > 125 || address + count > this.#options.registers) return undefined
    this.#catchUp(Date.now())
    return this.#bytes.subarray(address * 2, (address + count) * 2)
  }

  #catchUp(nowMs: number): void {
    const until = this.#changesUntil(nowMs)
    this.#next = Math.max(this.#next, until - this.#stamps) // older ones have been overwritten since
    for (; this.#next < until; this.#next += 1) this.#write(this.#next % this.#stamps, this.#next * this.#betweenMs + this.#shiftMs)
  }

  #write(stamp: number, momentMs: number): void {
    const moment = Math.ceil(momentMs)
    if (this.#options.wordsPerStamp === 1) this.#bytes.writeUInt16BE(moment % 0x1_0000, stamp * 2)
    else this.#bytes.writeUInt32BE(moment % 0x1_0000_0000, stamp * 4)
  }
}

/** The largest request that is understood: header 7, function, address, count. */
const requestBytes = 12

function serve(socket: Socket, deviceOf: (unit: number) => StampedRegisters | undefined): void {
  let unread: Buffer = Buffer.alloc(0)
  socket.setNoDelay(true)
  socket.on('error', () => {})
  socket.on('data', (bytes: Buffer) => {
    unread = unread.length === 0 ? bytes : Buffer.concat([unread, bytes])
    const answers: Buffer[] = []
    while (unread.length >= requestBytes) {
      const length = 6 + unread.readUInt16BE(4)
      if (length < 8 || length > 260) return void socket.destroy()
      if (unread.length < length) break
      answers.push(answerTo(unread, deviceOf))
      unread = unread.subarray(length)
    }
    if (answers.length > 0) socket.write(answers.length === 1 && answers[0] ? answers[0] : Buffer.concat(answers))
  })
}

function answerTo(request: Buffer, deviceOf: (unit: number) => StampedRegisters | undefined): Buffer {
  const code = request.readUInt8(7)
  if (code !== 3 && code !== 4) return exception(request, 1)
  const device = deviceOf(request.readUInt8(6))
  if (device === undefined) return exception(request, 11)
  const data = device.read(request.readUInt16BE(8), request.readUInt16BE(10))
  if (data === undefined) return exception(request, 2)
  const answer = Buffer.allocUnsafe(9 + data.length)
  request.copy(answer, 0, 0, 8)
  answer.writeUInt16BE(3 + data.length, 4)
  answer.writeUInt8(data.length, 8)
  data.copy(answer, 9)
  return answer
}

function exception(request: Buffer, code: number): Buffer {
  const answer = Buffer.alloc(9)
  request.copy(answer, 0, 0, 8)
  answer.writeUInt16BE(3, 4)
  answer.writeUInt8(request.readUInt8(7) | 0x80, 7)
  answer.writeUInt8(code, 8)
  return answer
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ port, host, backlog: 1_024 }, () => {
      const address = server.address()
      resolve(typeof address === 'object' && address !== null ? address.port : port)
    })
  })
}

async function startLoad(options: LoadOptions): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const devices = Array.from({ length: options.devices }, (_, place) => new StampedRegisters(options, place))
  if (options.areUnits) {
    const port = await listen(
      createServer((socket) => serve(socket, (unit) => devices[unit - 1])),
      options.port,
    )
    return devices.map((_, place) => ({ name: `load-${place + 1}`, host, port, unit: place + 1 }))
  }
  const listening = devices.map(async (device, place) => {
    const server = createServer((socket) => serve(socket, () => device))
    return { name: `load-${place + 1}`, host, port: await listen(server, options.port === 0 ? 0 : options.port + place), unit: 1 }
  })
  return Promise.all(listening)
}

function parseArguments(): LoadOptions {
  const { values } = parseArgs({
    options: {
      devices: { type: 'string', default: '1' },
      registers: { type: 'string', default: '100' },
      period: { type: 'string', default: '1000' },
      stamp: { type: 'string', default: 'word' },
      port: { type: 'string', default: '0' },
      units: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    process.stdout.write(usage)
    process.exit(0)
  }
  if (values.stamp !== 'word' && values.stamp !== 'pair') throw new Error('--stamp is word or pair')
  return {
    devices: within(values.devices, 1, values.units ? 247 : 10_000),
    registers: within(values.registers, 1, 65_536),
    periodMs: within(values.period, 0, 60_000),
    wordsPerStamp: values.stamp === 'word' ? 1 : 2,
    port: within(values.port, 0, 65_535),
    areUnits: values.units,
  }
}

function within(text: string, min: number, max: number): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < min || value > max) throw new Error(`"${text}" is no whole number from ${min} to ${max}`)
  return value
}

async function main(): Promise<void> {
  const options = parseArguments()
  const devices = await startLoad(options)
  const { registers, periodMs, wordsPerStamp } = options
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => process.exit(0))
  process.stdin.once('close', () => process.exit(0)).resume()
  const stamp = wordsPerStamp === 1 ? 'word' : 'pair'
  process.stdout.write(`${JSON.stringify({ ready: true, devices, registers, periodMs, stamp })}\n`)
}

main().catch((error: Error) => {
  process.stderr.write(`${error.message}\n`)
  process.exit(2)
})
