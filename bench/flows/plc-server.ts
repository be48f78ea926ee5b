/**
 * Modbus TCP devices that give a pulse again and again and say when it was answered by what. Register 0 of a device is 0, and in each second half of its
 * period the number of the pulse; it is computed when it is read. What is written from register 100 on stays, and can be read. One line of JSON for each
 * write: device, register, value, when it arrived, when the pulse of this number was first told to a reader, and when the last answer before left.
 * Arguments: period in ms, then one port a device (0 takes any). Prints the ports as a JSON array once all listen; `say on` and `say off` on standard input.
 */
import { createServer, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { monotonicMs } from '../line/load-value.ts'

const [periodText = '1000', ...portArguments] = process.argv.slice(2)
const periodMs = Number(periodText)
const originMs = monotonicMs()
const headerBytes = 7
const registersMax = 125
const firstWritten = 100
/** A reaction may be later than the next pulse. */
const toldMax = 1_000

interface Device {
  readonly place: number
  readonly written: Map<number, number>
  /** The pulses that were told last, by their number, and when. */
  readonly told: Map<number, number>
  answeredMs: number
}

const saying = { isOn: false, lines: [] as string[] }
setInterval(() => {
  if (saying.lines.length > 0) process.stdout.write(saying.lines.splice(0).join(''))
}, 50)
createInterface({ input: process.stdin }).on('line', (line) => {
  saying.isOn = line === 'say on'
})

/** Spread over the period, in step with no poll. */
function phaseMs(place: number): number {
  return (place * 0.6180339887 * periodMs) % periodMs
}

function pulseAt(nowMs: number, place: number): number {
  const periods = (nowMs - originMs + phaseMs(place)) / periodMs
  return periods % 1 < 0.5 ? 0 : (Math.floor(periods) & 0x7fff) + 1
}

function serve(socket: Socket, device: Device): void {
  let received = Buffer.alloc(0)
  socket.setNoDelay(true)
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk) => {
    const nowMs = monotonicMs()
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk])
    while (received.length >= headerBytes && received.length >= 6 + received.readUInt16BE(4)) {
      const length = 6 + received.readUInt16BE(4)
      socket.write(answer(received.subarray(0, length), device, nowMs))
      device.answeredMs = monotonicMs()
      received = received.subarray(length)
    }
  })
}

function answer(request: Buffer, device: Device, nowMs: number): Buffer {
  const code = request.readUInt8(headerBytes)
  const first = request.readUInt16BE(8)
  const count = request.readUInt16BE(10)
  if (code === 6) {
    write(device, { register: first, value: count, nowMs })
    return request
  }
  if (code === 16) {
    for (let place = 0; place < count; place += 1) {
      write(device, { register: first + place, value: request.readUInt16BE(13 + place * 2), nowMs })
    }
    return framed(request, request.subarray(headerBytes, headerBytes + 5))
  }
  if (code !== 3 || count > registersMax) return framed(request, Buffer.from([code | 0x80, 1]))
  const body = Buffer.alloc(2 + count * 2)
  body.writeUInt8(code, 0)
  body.writeUInt8(count * 2, 1)
  for (let place = 0; place < count; place += 1) body.writeUInt16BE(read(device, first + place, nowMs), 2 + place * 2)
  return framed(request, body)
}

function framed(request: Buffer, body: Buffer): Buffer {
  const header = Buffer.from(request.subarray(0, headerBytes))
  header.writeUInt16BE(body.length + 1, 4)
  return Buffer.concat([header, body])
}

function read(device: Device, register: number, nowMs: number): number {
  if (register !== 0) return device.written.get(register) ?? 0
  const pulse = pulseAt(nowMs, device.place)
  if (pulse !== 0 && !device.told.has(pulse)) {
    device.told.set(pulse, monotonicMs())
    device.told.delete(pulse - toldMax)
  }
  return pulse
}

function write(
  device: Device,
  { register, value, nowMs }: { readonly register: number; readonly value: number; readonly nowMs: number },
): void {
  if (register >= firstWritten) device.written.set(register, value)
  if (!saying.isOn) return
  const { place, told, answeredMs } = device
  const toldMs = told.get(value)
  saying.lines.push(`${JSON.stringify({ device: place, register, value, atMs: nowMs, toldMs, answeredMs })}\n`)
}

function listen(port: number, place: number): Promise<number> {
  const device: Device = { place, written: new Map(), told: new Map(), answeredMs: 0 }
  const server = createServer((socket) => serve(socket, device))
  return new Promise((resolve, reject) => {
    server.on('error', reject)
    server.listen(port, '127.0.0.1', () => {
      const address = server.address()
      resolve(typeof address === 'object' && address !== null ? address.port : 0)
    })
  })
}

const ports = await Promise.all(portArguments.map((port, place) => listen(Number(port), place)))
process.stdout.write(`${JSON.stringify(ports)}\n`)
