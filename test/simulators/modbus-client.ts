import { connect, type Socket } from 'node:net'

export interface RawAnswer {
  readonly transaction: number
  readonly unit: number
  readonly code: number
  readonly data: Buffer
}

/** The least Modbus TCP client that can tell what came back. */
export interface RawClient extends Disposable {
  readonly socket: Socket
  /** Everything that came, as it came. */
  readonly received: Buffer[]
  send(pdu: readonly number[], unit?: number): void
  /** The next answer; rejects when the connection ends first. */
  ask(pdu: readonly number[], unit?: number): Promise<RawAnswer>
}

export async function connectRaw(port: number): Promise<RawClient> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  const received: Buffer[] = []
  let transaction = 0
  let unread = Buffer.alloc(0)
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  socket.on('error', () => {})
  socket.on('data', (bytes: Buffer) => {
    received.push(bytes)
    unread = Buffer.concat([unread, bytes])
  })
  const send = (pdu: readonly number[], unit = 1): void => {
    transaction += 1
    socket.write(Buffer.from([transaction >> 8, transaction & 0xff, 0, 0, 0, pdu.length + 1, unit, ...pdu]))
  }
  const next = (): RawAnswer | undefined => {
    if (unread.length < 8 || unread.length < 6 + unread.readUInt16BE(4)) return undefined
    const length = 6 + unread.readUInt16BE(4)
    const frame = unread.subarray(0, length)
    unread = unread.subarray(length)
    return { transaction: frame.readUInt16BE(0), unit: frame.readUInt8(6), code: frame.readUInt8(7), data: frame.subarray(8) }
  }
  const ask = (pdu: readonly number[], unit = 1): Promise<RawAnswer> => {
    send(pdu, unit)
    return new Promise((resolve, reject) => {
      const end = (): void => reject(new Error('the connection ended'))
      const look = (): void => {
        const answer = next()
        if (answer === undefined) return
        socket.off('data', look)
        socket.off('close', end)
        resolve(answer)
      }
      socket.on('data', look)
      socket.once('close', end)
    })
  }
  return { socket, received, send, ask, [Symbol.dispose]: () => void socket.destroy() }
}

/** That nothing comes can only be seen by waiting for it. */
export async function quietMs(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms))
}
