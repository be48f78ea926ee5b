import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

const retryEveryMs = 10
const answerMsMax = 250

/** Until an OPC UA server acknowledges a Hello (Part 6, 7.1.2): an open port alone may be a relay whose server is not up yet. */
export async function opcuaAnswers(port: number, signal: AbortSignal): Promise<void> {
  while (!(await isAcknowledged(port))) {
    signal.throwIfAborted()
    await sleep(retryEveryMs)
  }
}

function isAcknowledged(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(hello(`opc.tcp://127.0.0.1:${port}`)))
    const end = (isAnswered: boolean): void => {
      resolve(isAnswered)
      socket.destroy()
    }
    socket.setTimeout(answerMsMax, () => end(false))
    socket.once('data', (answer) => end(answer.toString('latin1', 0, 3) === 'ACK'))
    socket.once('error', () => end(false))
    socket.once('close', () => end(false))
  })
}

function hello(url: string): Buffer {
  const address = Buffer.from(url)
  const message = Buffer.alloc(32 + address.length)
  message.write('HELF', 0, 'latin1')
  message.writeUInt32LE(message.length, 4)
  message.writeUInt32LE(0, 8) // protocol version
  message.writeUInt32LE(65_536, 12) // what we take in one piece
  message.writeUInt32LE(65_536, 16) // and send
  message.writeUInt32LE(0, 20) // largest message and most chunks: no limit
  message.writeUInt32LE(0, 24)
  message.writeInt32LE(address.length, 28)
  address.copy(message, 32)
  return message
}
