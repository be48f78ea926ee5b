import type { Cure } from './cure.ts'

const tcpClient = 'src/south/modbus/tcp-client.ts'
const tcpTests = 'test/south/modbus/tcp-client.test.ts'

export const modbusCures: readonly Cure[] = [
  {
    trap: 'Modbus 1: transaction ids that wrap at 256',
    edits: [{ file: tcpClient, cure: 'const transactionMax = 0xffff', without: 'const transactionMax = 0xff' }],
    test: { file: tcpTests, title: 'counts transactions beyond 255, and none twice' },
  },
  {
    trap: 'Modbus 1: an id that is given again though its answer may still come',
    edits: [{ file: tcpClient, cure: '    this.#quarantine.add(transaction)\n', without: '' }],
    test: { file: tcpTests, title: 'goes past the id of a request that timed out when the ids begin again' },
  },
  {
    trap: 'Modbus 5: a length that cannot be',
    edits: [
      {
        file: 'src/south/modbus/frame.ts',
        cure: 'if (length < lengthMin || length > lengthMax) throw',
        without: 'if (length < 0) throw',
      },
    ],
    test: { file: 'test/south/modbus/frame.test.ts', title: 'is refused from its header, before the rest has come' },
  },
]
