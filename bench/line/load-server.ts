/**
 * Modbus TCP devices whose values say when they changed. Register i of a device counts once a second from `originMs` (CLOCK_MONOTONIC, which all
 * processes of a machine share) with a phase of its own, and is computed when it is read: no timer, so no jitter, and no stamps to send anywhere.
 * Arguments: originMs, then one port a device (0 takes any). Prints the ports as a JSON array once all listen.
 */
import { createServer, type Server, type Socket } from 'node:net'
import { monotonicMs, registerAt } from './load-value.ts'

const [origin = '0', ...portArguments] = process.argv.slice(2)
const originMs = Number(origin)
const headerBytes = 7
const registersMax = 125

function serve(socket: Socket, device: number): void {
  let received = Buffer.alloc(0)
  socket.setNoDelay(true)
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk) => {
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk])
    while (received.length >= 12) {
      socket.write(answer(received.subarray(0, 12), device))
      received = received.subarray(12)
    }
  })
}

/** Answers function 3; everything else is exception 1. All requests of the bench have 12 bytes. */
function answer(request: Buffer, device: number): Buffer {
  const code = request.readUInt8(headerBytes)
  const first = request.readUInt16BE(8)
  const count = request.readUInt16BE(10)
  const isKnown = code === 3 && count >= 1 && count <= registersMax
  const reply = Buffer.alloc(isKnown ? headerBytes + 2 + count * 2 : headerBytes + 2)
  request.copy(reply, 0, 0, headerBytes)
  reply.writeUInt16BE(reply.length - 6, 4)
  if (!isKnown) {
    reply.writeUInt8(code | 0x80, headerBytes)
    reply.writeUInt8(1, headerBytes + 1)
    return reply
  }
  reply.writeUInt8(code, headerBytes)
  reply.writeUInt8(count * 2, headerBytes + 1)
  const nowMs = monotonicMs()
  for (let index = 0; index < count; index += 1) {
    reply.writeUInt16BE(registerAt({ nowMs, originMs, device, register: first + index }), headerBytes + 2 + index * 2)
  }
  return reply
}

function listen(port: number, device: number): Promise<number> {
  const server: Server = createServer((socket) => serve(socket, device))
  return new Promise((resolve, reject) => {
    server.on('error', reject)
    server.listen(port, '127.0.0.1', () => {
      const address = server.address()
      resolve(typeof address === 'object' && address !== null ? address.port : 0)
    })
  })
}

const ports = await Promise.all(portArguments.map((port, device) => listen(Number(port), device)))
process.stdout.write(`${JSON.stringify(ports)}\n`)
