import type { Cure } from './cure.ts'

const broker = 'src/north/broker/broker.ts'
const clients = 'src/north/broker/clients.ts'
const delivery = 'src/north/broker/delivery.ts'
const sessions = 'src/north/broker/sessions.ts'

const brokerTests = 'test/north/broker/broker.test.ts'
const doorTests = 'test/north/broker/doors.test.ts'
const sessionTests = 'test/north/broker/sessions.test.ts'

const granted = { file: brokerTests, title: 'live and retained' }

/** By the numbers of "MQTT" in the facts, as far as 5. Not here: of 1 that aedes is met in one folder alone, which `depcruise` looks at. */
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
]
