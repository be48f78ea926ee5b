import type { Cure } from './cure.ts'

const broker = 'src/north/broker/broker.ts'
const clients = 'src/north/broker/clients.ts'
const delivery = 'src/north/broker/delivery.ts'
const router = 'src/north/broker/router.ts'
const sessions = 'src/north/broker/sessions.ts'
const sending = 'src/north/upstream/sending.ts'
const link = 'src/north/upstream/sparkplug/link.ts'
const session = 'src/north/upstream/sparkplug/session.ts'

const brokerTests = 'test/north/broker/broker.test.ts'
const doorTests = 'test/north/broker/doors.test.ts'
const sessionTests = 'test/north/broker/sessions.test.ts'
const upstreamTests = 'test/north/upstream/upstream.test.ts'
const edgeTests = 'test/north/upstream/sparkplug/edge-node.test.ts'
const codecTests = 'test/model/sparkplug/codec.test.ts'

const granted = { file: brokerTests, title: 'live and retained' }
const underWay = { file: upstreamTests, title: 'has no more rows under way than it may, and removes none that was not acknowledged' }
const willed = { file: edgeTests, title: 'leaves a will at QoS 1 that names the very birth it ends, at each connection' }
const bornFirst = { file: edgeTests, title: 'says its birth before anything else when it comes back, though much waits' }

/**
 * By the numbers of "MQTT" in the facts. Not here: of 1 that aedes is met in one folder alone, which `depcruise` looks at; of 7 `queueQoSZero` where no
 * Sparkplug is spoken, for nothing of worth is sent there at QoS 0; of 8 `sparkplug-payload` and `sparkplug-client` themselves, which are not used.
 */
export const mqttCures: readonly Cure[] = [
  {
    trap: 'MQTT 1: a client of MQTT 5, which only sees that it is refused',
    edits: [{ file: 'src/north/broker/breaches.ts', cure: 'if (error.message === wrongVersion)', without: "if (error.message === '')" }],
    test: { file: brokerTests, title: 'tells the log who wants MQTT 5 of it, and that it speaks 3.1.1' },
  },
  {
    trap: 'MQTT 2: an emitter that waits for each of its listeners',
    edits: [
      { file: broker, cure: 'mq: router, persistence,', without: 'persistence,' },
      { file: clients, cure: '    this.#lanes.open(client)\n', without: '' },
    ],
    test: {
      file: brokerTests,
      title: 'holds up neither the client that publishes to it nor anybody else, while a thousand messages wait for it',
    },
  },
  {
    trap: 'MQTT 2: a client that reads nothing, and stays',
    edits: [{ file: broker, cure: '    clients.dropStalled()\n', without: '' }],
    test: { file: brokerTests, title: 'delays nobody, gets no more than its bound in memory, and is disconnected' },
  },
  {
    trap: 'MQTT 3: an acknowledgement before the commit',
    edits: [
      {
        file: 'src/north/broker/acceptance.ts',
        cure: "keepFirst(message, depending) === 'unchanged' && tapped === undefined",
        without: 'keepFirst(message, depending) !== undefined',
      },
    ],
    test: { file: sessionTests, title: 'is acknowledged when it is on the disk, and goes to nobody before' },
  },
  {
    trap: 'MQTT 4: packets of any size',
    edits: [
      {
        file: 'src/north/broker/packet-gate.ts',
        cure: 'return 1 + this.#lengthBytes + this.#length <= this.#packetBytesMax',
        without: 'return this.#lengthBytes <= 4',
      },
    ],
    test: { file: brokerTests, title: 'disconnects who announces a packet that is too large, before it has come' },
  },
  {
    trap: 'MQTT 4: bytes without end for who does not read them',
    edits: [{ file: delivery, cure: 'if (unread > limits.unreadBytesMax) {', without: 'if (unread < 0) {' }],
    test: { file: brokerTests, title: 'is disconnected at once where QoS 1 messages pile up' },
  },
  {
    trap: 'MQTT 4: values without end for who is slow',
    edits: [
      {
        file: 'src/north/broker/values.ts',
        cure: 'reader.late.has(place) || reader.outlet.writableLength > this.#options.unreadBytesMax',
        without: 'reader.late.has(place)',
      },
    ],
    test: { file: brokerTests, title: 'ends with the latest of every value' },
  },
  {
    trap: 'MQTT 4: messages under way that nobody acknowledges',
    edits: [{ file: delivery, cure: 'client.unacknowledged >= limits.unacknowledgedMax', without: 'client.unacknowledged < 0' }],
    test: { file: doorTests, title: 'of messages that nobody acknowledges ends the connection' },
  },
  {
    trap: 'MQTT 4: messages for who is away',
    edits: [{ file: sessions, cure: 'session.size >= offlineMessagesMax || ', without: '' }],
    test: { file: brokerTests, title: 'keeps QoS 1 messages for a session that is away, as many as it may' },
  },
  {
    trap: 'MQTT 4: bytes for who is away',
    edits: [{ file: sessions, cure: ' || this.#counts.bytes + entry.bytes > offlineBytesMax', without: '' }],
    test: { file: brokerTests, title: 'keeps no more bytes for those who are away than it may' },
  },
  {
    trap: 'MQTT 4: sessions',
    edits: [
      {
        file: sessions,
        cure: 'this.#sessions.has(client) || this.#sessions.size < this.#options.limits.sessionsMax',
        without: "client !== ''",
      },
    ],
    test: { file: brokerTests, title: 'keeps no more sessions than it may, and lets those who have one come back to it' },
  },
  {
    trap: 'MQTT 4: retained messages',
    edits: [{ file: 'src/north/broker/retained.ts', cure: 'if (isTooMany || ', without: 'if (' }],
    test: { file: brokerTests, title: 'retains no more than it may, and says how many it did not' },
  },
  {
    trap: 'MQTT 4: bytes of retained messages',
    edits: [
      {
        file: 'src/north/broker/retained.ts',
        cure: 'if (isTooMany || (bytes > bytesBefore && this.#bytes - bytesBefore + bytes > this.#options.bytesMax)) {',
        without: 'if (isTooMany) {',
      },
    ],
    test: { file: brokerTests, title: 'retains no more bytes than it may, and says how many messages it did not' },
  },
  {
    trap: 'MQTT 4: filters of one client',
    edits: [
      {
        file: clients,
        cure: '!client.filters.has(topic) && client.filters.size >= this.#options.config.limits.subscriptionsMax',
        without: 'client.filters.size < 0',
      },
    ],
    test: { file: brokerTests, title: 'refuses a filter beyond the limit of one client' },
  },
  {
    trap: 'MQTT 4: clients',
    edits: [
      { file: clients, cure: 'this.#connected.size >= options.config.limits.clientsMax && ', without: 'this.#connected.size < 0 && ' },
    ],
    test: { file: brokerTests, title: 'turns away more clients than it is to have' },
  },
  {
    trap: 'MQTT 4: connections a second',
    edits: [{ file: 'src/north/broker/doorway.ts', cure: '!this.#paceOf(address).takeOne()', without: "address === ''" }],
    test: { file: doorTests, title: 'of connections from one address is cut off at its pace' },
  },
  {
    trap: 'MQTT 4: messages a second',
    edits: [{ file: 'src/north/broker/wire.ts', cure: 'if (waitMs > 0) {', without: 'if (waitMs < 0) {' }],
    test: { file: doorTests, title: 'of messages slows its own client down, and loses none' },
  },
  {
    trap: 'MQTT 5: the granted QoS of a filter with wildcards, for what aedes sends',
    edits: [
      {
        file: clients,
        cure: 'packet.qos > 0 && (packet.retain || packet.qos === 2) ? lower(packet.qos, qosFor(aedes, packet.topic)) : packet.qos',
        without: 'packet.qos',
      },
    ],
    test: granted,
  },
  {
    trap: 'MQTT 5: the granted QoS, for what is published inside or retained',
    edits: [{ file: router, cure: 'Math.min(packet.qos ?? 0, subscription?.qos ?? 2)', without: 'packet.qos ?? 0' }],
    test: granted,
  },
  {
    trap: 'MQTT 5: the granted QoS, for what is passed on as bytes',
    edits: [{ file: router, cure: 'Math.min(qosMax, subscription.qos)', without: 'qosMax' }],
    test: granted,
  },
  {
    trap: 'MQTT 5: a session with a QoS 2 subscription, and a retained QoS 2 message',
    edits: [
      {
        file: sessions,
        cure: "if (session === undefined || entry === undefined || packet.messageId === undefined) return 'unchanged'",
        without: "if (session === undefined || entry === undefined || packet.messageId === undefined) throw new Error('no such packet')",
      },
    ],
    test: { file: brokerTests, title: 'stands a session with a QoS 2 subscription and a retained QoS 2 message' },
  },
  {
    trap: 'MQTT 5: no client id, and yet a session',
    edits: [{ file: 'src/north/broker/entry.ts', cure: "clientId === '' && clean === false", without: 'clientId === undefined' }],
    test: { file: brokerTests, title: 'refuses an empty client id that wants a session, with return code 2' },
  },
  {
    trap: 'MQTT 5: $share, taken literally',
    edits: [
      {
        file: 'src/north/broker/offered.ts',
        cure: "return !filter.startsWith('$') ||",
        without: "return !filter.startsWith('$') || filter.startsWith('$share/') ||",
      },
    ],
    test: { file: doorTests, title: 'is refused a shared subscription, though his rules let him read it' },
  },
  {
    trap: 'MQTT 6: sessions in memory alone',
    edits: [{ file: broker, cure: 'mq: router, persistence,', without: 'mq: router,' }],
    test: { file: sessionTests, title: 'survives the broker: its subscriptions, and in order what came while it was away' },
  },
  {
    trap: 'MQTT 7: QoS 0 messages that are queued while away, and sent before anything else',
    edits: [
      { file: link, cure: '    reconnectPeriod: 0,\n', without: '    reconnectPeriod: 100,\n' },
      { file: link, cure: '    queueQoSZero: false,\n', without: '' },
      { file: link, cure: '    lost.reject(wasLost(options.url, reason))\n', without: '' },
    ],
    test: bornFirst,
  },
  {
    trap: "MQTT 7: messages that are left to the library's store",
    edits: [{ file: sending, cure: '    tally.underway.add(row.id)\n', without: '    acknowledged.add(row.id)\n' }],
    test: underWay,
  },
  {
    trap: 'MQTT 7: as many messages in that store as there are',
    edits: [{ file: sending, cure: '!this.#isLost() && tally.inflight < inflightMax && ', without: '!this.#isLost() && ' }],
    test: underWay,
  },
  {
    trap: 'MQTT 7: a will that is that of the first connection',
    edits: [
      {
        file: link,
        cure: 'const connectTimeoutMsMax = 10_000',
        without: 'let firstDeath: Buffer | undefined\nconst connectTimeoutMsMax = 10_000',
      },
      { file: link, cure: 'payload: asBuffer(will.payload), qos: 1', without: 'payload: (firstDeath ??= asBuffer(will.payload)), qos: 1' },
    ],
    test: willed,
  },
  {
    trap: 'MQTT 8: a BigInt that becomes 0',
    edits: [
      {
        file: 'src/model/sparkplug/protobuf.ts',
        cure: "if (typeof value === 'bigint') this.#wideVarint(BigInt.asUintN(64, value))",
        without: "if (typeof value === 'bigint') this.#varint(0)",
      },
    ],
    test: { file: 'test/model/sparkplug/judges.test.ts', title: 'are read by protoc, field by field, and its bytes are read by us' },
  },
  {
    trap: 'MQTT 8: data that say the type once more',
    edits: [
      {
        file: 'src/north/upstream/sparkplug/metric-book.ts',
        cure: 'return { alias: tag + 1, ...fields }',
        without: 'return { alias: tag + 1, type: this.bornType(tag), ...fields }',
      },
    ],
    test: { file: edgeTests, title: 'sends data by alias, without name and type, which the birth has said' },
  },
  {
    trap: 'MQTT 8: no arrays',
    edits: [
      {
        file: 'src/model/sparkplug/values.ts',
        cure: 'if (Array.isArray(value)) return wireArray(value as readonly Scalar[], name)',
        without: 'if (Array.isArray(value)) return undefined',
      },
    ],
    test: { file: codecTests, title: 'has the bytes of the examples in the specification where it is an array' },
  },
  {
    trap: 'MQTT 8: a will at QoS 0',
    edits: [{ file: link, cure: 'payload: asBuffer(will.payload), qos: 1', without: 'payload: asBuffer(will.payload), qos: 0' }],
    test: willed,
  },
  {
    trap: 'MQTT 8: a bdSeq that stays',
    edits: [{ file: 'src/north/upstream/sparkplug/birth-numbers.ts', cure: '(this.#last + 1) % 256', without: 'Math.max(this.#last, 0)' }],
    test: { file: edgeTests, title: 'begins at 0, goes on after a restart, comes round after 255, and begins anew after a damage' },
  },
  {
    trap: 'MQTT 8: data before the birth',
    edits: [
      {
        file: session,
        cure: '    if (this.#mustBear && this.#isBirthDue()) this.#bearAll()\n',
        without: '    await this.#backlog.pump()\n    if (this.#mustBear && this.#isBirthDue()) this.#bearAll()\n',
      },
      { file: session, cure: 'isBorn: (device) => this.#born.has(device),', without: 'isBorn: () => true,' },
      { file: session, cure: '    book.forgetBirths()\n    using _changes', without: '    using _changes' },
    ],
    test: bornFirst,
  },
]
