import type { Cure } from './cure.ts'

const tcpClient = 'src/south/modbus/tcp-client.ts'
const rtuClient = 'src/south/modbus/rtu-client.ts'
const frame = 'src/south/modbus/frame.ts'
const pdu = 'src/south/modbus/pdu.ts'
const linePool = 'src/south/modbus/line-pool.ts'
const tcpTests = 'test/south/modbus/tcp-client.test.ts'
const rtuTests = 'test/south/modbus/rtu-client.test.ts'
const frameTests = 'test/south/modbus/frame.test.ts'
const lineTests = 'test/south/modbus/shared-line.test.ts'

/**
 * The traps of modbus-serial, by their numbers. Most of them we meet by not using it: the clients are our own, and what is taken away here is what
 * they do right where it does wrong. No cure in our code have FC23, which nothing here sends, and `options.socket`, which our own socket needs not.
 */
const library: readonly Cure[] = [
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
    trap: 'Modbus 1: a late answer that is taken for that of another request',
    edits: [{ file: tcpClient, cure: 'const sent = this.#expect(transaction)\n', without: 'const [sent] = this.#sent\n' }],
    test: { file: tcpTests, title: 'never takes a late answer for that of another request' },
  },
  {
    trap: 'Modbus 1: ids that are never forgotten',
    edits: [{ file: tcpClient, cure: 'const quarantineMax = 4_096', without: 'const quarantineMax = Number.POSITIVE_INFINITY' }],
    test: { file: tcpTests, title: 'lets go the oldest of the ids that wait in vain' },
  },
  {
    trap: 'Modbus 2: a late RTU answer that passes for that of the next request of its shape',
    edits: [{ file: rtuClient, cure: '    this.#owed.owes(finder, timeoutMs)\n', without: '' }],
    test: { file: rtuTests, title: 'is not led astray by a unit that answers everything in order, however late' },
  },
  {
    trap: 'Modbus 2: what came before a request is looked through for its answer',
    edits: [
      {
        file: rtuClient,
        cure: '  #isServing = false\n  #wake',
        without: '  #unread: Buffer = Buffer.alloc(0)\n  #isServing = false\n  #wake',
      },
      {
        file: rtuClient,
        cure: "phase === 'flushing') this.#quietAt = this.#after(this.#silenceMs)",
        without: "phase === 'flushing') this.#unread = Buffer.concat([this.#unread, chunk])",
      },
      {
        file: rtuClient,
        cure: "    exchange.phase = 'writing'\n",
        without: "    exchange.phase = 'writing'\n    this.#feed(exchange, this.#unread)\n",
      },
    ],
    test: { file: rtuTests, title: 'throws away what came while nobody asked' },
  },
  {
    trap: 'Modbus 2: what the kernel holds of a serial port when a request goes out',
    edits: [
      { file: 'src/south/modbus/tty.ts', cure: "flush: () => void libc.call('tcflush', file.fd, inputQueue)", without: 'flush: () => {}' },
    ],
    test: { file: rtuTests, title: 'throws away what came while its own process was held up and nobody asked' },
  },
  {
    trap: 'Modbus 2: what the kernel holds of a socket when a request goes out',
    edits: [{ file: 'src/south/modbus/rtu-socket.ts', cure: 'flush: untilAllIsRead', without: 'flush: async () => {}' }],
    test: { file: rtuTests, title: 'throws away what came while its own process was held up and nobody asked' },
  },
  {
    trap: 'Modbus 3: FC22 over RTU, whose answer is longer than that of other writes',
    edits: [
      {
        file: pdu,
        cure: "return { unit: to.unit, pdu, answer: { kind: 'echo', sizeBytes: pdu.length } }",
        without: 'return echoed(to.unit, pdu)',
      },
    ],
    test: { file: 'test/south/modbus/serial-peers.test.ts', title: 'agree on RTU over TCP, FC22 among it' },
  },
  {
    trap: 'Modbus 4: requests on their way that never settle after destroy()',
    edits: [{ file: tcpClient, cure: '    for (const { reject } of this.#sent.splice(0)) reject(lostWith(loss, true))\n', without: '' }],
    test: { file: tcpTests, title: 'settles everything at once when it is disposed of, and that is no failure' },
  },
  {
    trap: 'Modbus 4: requests that wait to be sent and never settle after destroy()',
    edits: [{ file: tcpClient, cure: '    this.#queue.end(loss)\n', without: '' }],
    test: { file: tcpTests, title: 'settles everything at once when it is disposed of, and that is no failure' },
  },
  {
    trap: 'Modbus 4: an RTU request that never settles after destroy()',
    edits: [{ file: rtuClient, cure: '    this.#exchange?.settle(lostWith(loss, true))\n', without: '' }],
    test: { file: rtuTests, title: 'settles everything at once when it is disposed of, and that is no failure' },
  },
  {
    trap: 'Modbus 4: requests that never settle after the peer has closed',
    edits: [
      { file: tcpClient, cure: "    this.#socket.on('end', () => this.#end(closedByPeer(this.peer)))\n", without: '' },
      { file: tcpClient, cure: "    this.#socket.on('close', () => this.#end(closedByPeer(this.peer)))\n", without: '' },
    ],
    test: { file: tcpTests, title: 'settles everything at once when the peer' },
  },
  {
    trap: 'Modbus 4: requests that never settle after an RST',
    edits: [
      {
        file: tcpClient,
        cure: "this.#socket.on('error', (error) => this.#end(closedByPeer(this.peer, error)))",
        without: "this.#socket.on('error', () => {})",
      },
      { file: tcpClient, cure: "    this.#socket.on('close', () => this.#end(closedByPeer(this.peer)))\n", without: '' },
    ],
    test: { file: tcpTests, title: 'settles everything at once when the peer' },
  },
  {
    trap: 'Modbus 4: a connection that nobody is told is gone',
    edits: [{ file: tcpClient, cure: '    this.#lose(loss)\n', without: '' }],
    test: { file: 'test/south/modbus/driver.test.ts', title: 'fails its connection as soon as it is gone' },
  },
  {
    trap: 'Modbus 5: a length that cannot be',
    edits: [{ file: frame, cure: 'if (length < lengthMin || length > lengthMax) throw', without: 'if (length < 0) throw' }],
    test: { file: frameTests, title: 'is refused from its header, before the rest has come' },
  },
  {
    trap: 'Modbus 5: a protocol id that is not checked',
    edits: [{ file: frame, cure: 'if (protocol !== 0) throw', without: 'if (protocol < 0) throw' }],
    test: { file: frameTests, title: 'another protocol' },
  },
  {
    trap: 'Modbus 5: stray bytes after which nothing is understood any more',
    edits: [{ file: tcpClient, cure: '      this.#end(noModbus(this.peer, error.message))\n', without: '' }],
    test: { file: tcpTests, title: 'eight stray bytes before it' },
  },
  {
    trap: 'Modbus 6: a timeout that is no Error',
    edits: [
      {
        file: tcpClient,
        cure: 'const fault = noAnswer(this.peer, ask.unit, timeoutMs)',
        without: "const fault = { name: 'TransactionTimedOutError', message: 'Timed out', errno: 'ETIMEDOUT' }",
      },
    ],
    test: { file: tcpTests, title: 'says that nobody answered, with a Fault, and goes on' },
  },
  {
    trap: 'Modbus 6: a broadcast that times out though it was carried out',
    edits: [
      {
        file: rtuClient,
        cure: '    else if (exchange.ask.unit === broadcastUnit) clock.after(broadcastPauseMs, () => exchange.settle(done))\n',
        without: '',
      },
    ],
    test: { file: lineTests, title: 'takes writes to all units at once' },
  },
  {
    trap: 'Modbus 6: several units of a serial line that are asked at once',
    edits: [{ file: rtuClient, cure: 'if (!this.#isServing) this.#serve()', without: 'this.#serve()' }],
    test: { file: rtuTests, title: 'gives each request its own answer, one after the other' },
  },
  {
    trap: 'Modbus 7: frames of Modbus TCP to a server that passes on RTU',
    edits: [
      {
        file: 'src/south/modbus/open-line.ts',
        cure: "if (line.kind === 'tcp') return",
        without: "if (line.kind !== 'serial') return",
      },
    ],
    test: { file: 'test/south/modbus/serial-peers.test.ts', title: 'agree on RTU over TCP, FC22 among it' },
  },
  {
    trap: 'Modbus 7: a serial port that each device opens for itself',
    edits: [
      { file: linePool, cure: 'const shared = this.#lines.get(key) ?? this.#open(options)', without: 'const shared = this.#open(options)' },
    ],
    test: { file: lineTests, title: 'serves all its devices through one port' },
  },
  {
    trap: 'Modbus 7: a connection that is opened again before it is closed',
    edits: [
      {
        file: linePool,
        cure: 'const opening = before.then(() => open(record, stop.signal))',
        without: 'const opening = open(record, stop.signal)',
      },
    ],
    test: {
      file: 'test/south/modbus/line-pool.test.ts',
      title: 'a line that was lost is not opened again before it is closed, whoever asks for it',
    },
  },
  {
    trap: 'Modbus 7: a serial port that another program opens too',
    edits: [
      {
        file: 'src/south/modbus/tty.ts',
        cure: "if (libc.call('flock', file, exclusiveAtOnce) !== 0) throw",
        without: 'if (libc === undefined) throw',
      },
    ],
    test: { file: rtuTests, title: 'belongs to one owner, and is set as was asked' },
  },
  {
    trap: 'Modbus 7: a device behind TLS that is spoken to without it',
    edits: [
      {
        file: 'src/south/modbus/socket.ts',
        cure: 'const socket = tls === undefined ? connect(options) : connectTls({ ...tls, ...options, servername: serverName(host, tls) })',
        without: 'const socket = connect(options)',
      },
    ],
    test: { file: 'test/south/modbus/tls.test.ts', title: 'is read when its certificate is signed by who should have' },
  },
]

/** What the paragraph on our own client adds to them. */
const ownClient: readonly Cure[] = [
  {
    trap: 'Modbus, own client: an id that nobody asked for',
    edits: [
      {
        file: tcpClient,
        cure: 'throw new FrameViolation(`transaction ${transaction}, which nobody asked for`)',
        without: 'return undefined',
      },
    ],
    test: { file: tcpTests, title: 'an id that nobody asked for' },
  },
  {
    trap: 'Modbus, own client: an answer by another unit',
    edits: [{ file: tcpClient, cure: 'if (unit !== sent.ask.unit) throw', without: 'if (unit < 0) throw' }],
    test: { file: tcpTests, title: 'another unit' },
  },
  {
    trap: 'Modbus, own client: an answer to another function',
    edits: [{ file: pdu, cure: 'if (answered !== asked) throw', without: 'if (answered < 0) throw' }],
    test: { file: tcpTests, title: 'another function' },
  },
  {
    trap: 'Modbus, own client: an answer of another size',
    edits: [
      {
        file: pdu,
        cure: 'countBytes !== answer.sizeBytes || pdu.length',
        without: 'pdu.length < 2 || pdu.length - 2 !== countBytes && pdu.length',
      },
    ],
    test: { file: tcpTests, title: 'fewer registers' },
  },
  {
    trap: 'Modbus, own client: a byte count that is not that of its bytes',
    edits: [{ file: pdu, cure: ' || pdu.length !== 2 + answer.sizeBytes', without: '' }],
    test: { file: tcpTests, title: 'a byte count that is not that of its bytes' },
  },
  {
    trap: 'Modbus, own client: a write that is echoed with another value',
    edits: [
      { file: pdu, cure: 'if (!pdu.equals(asked.subarray(0, answer.sizeBytes))) {', without: 'if (pdu.length !== answer.sizeBytes) {' },
    ],
    test: { file: tcpTests, title: 'closes the connection when a write is echoed with another value' },
  },
  {
    trap: 'Modbus, own client: more requests on their way than the device takes',
    edits: [{ file: tcpClient, cure: 'while (this.#sent.length < this.inflightMax) {', without: 'while (this.#queue.size > 0) {' }],
    test: { file: tcpTests, title: 'has no more requests on their way than it may' },
  },
  {
    trap: 'Modbus, own client: one request at a time where the device takes several',
    edits: [{ file: tcpClient, cure: 'this.inflightMax = pauseMs > 0 ? 1 : options.inflightMax', without: 'this.inflightMax = 1' }],
    test: { file: tcpTests, title: 'has no more requests on their way than it may' },
  },
  {
    trap: 'Modbus, own client: a unit that owes an answer and is asked on at once',
    edits: [{ file: rtuClient, cure: 'this.#queue.take((unit) => this.#owed.isHeld(unit))', without: 'this.#queue.take()' }],
    test: { file: rtuTests, title: 'asks a unit that owes an answer again only when it had time to be late, and others meanwhile' },
  },
  {
    trap: 'Modbus, own client: devices that all come back in the same moment',
    edits: [{ file: 'src/base/chance.ts', cure: 'return full / 2 + (full / 2) * chance()', without: 'return full' }],
    test: { file: 'test/base/chance.test.ts', title: 'doubles with each try up to its limit, and half of it is chance' },
  },
]

export const modbusCures: readonly Cure[] = [...library, ...ownClient]
